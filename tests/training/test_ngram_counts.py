"""The n-grams of a run: only what it learns from is counted, and their weight is the best on what is held out."""

from dataclasses import replace

import numpy as np
import pytest

import charrnn
from charrnn.checkpoint import model_file
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.manager import CheckpointManager
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.saved_training import SavedTraining
from charrnn.dataset.split import ValidationStream
from charrnn.errors import ConfigError
from charrnn.scoring.lines import score_lines
from charrnn.scoring.text import score
from support.trainings import VERSE, resumed, run, run_of, start_in, start_short


@pytest.fixture(scope="module")
def trained():
    return run_of(VERSE, ngrams=2, steps=120)


def test_only_the_training_text_is_counted(trained):
    table, N = trained.ngrams, trained.training_data.size
    assert table.order == 1
    bigrams = {VERSE[n : n + 2] for n in range(N - 1)}
    assert table.counts[: table.follower_starts[1]].sum() == len(bigrams | {"\n" + VERSE[0]})


def test_the_weight_is_the_best_for_the_held_out_text(trained):
    text = trained.state.vocabulary.decode(trained.validation_data.ids)
    model = trained.best
    assert isinstance(trained.validation_data, ValidationStream)
    assert model.ngrams.loss == pytest.approx(score(model, text).nats_per_char, rel=1e-5)
    for weight in (0.0, model.ngrams.weight - 0.02, model.ngrams.weight + 0.02):
        other = replace(model, ngrams=replace(model.ngrams, weight=weight))
        assert score(other, text).nats_per_char > model.ngrams.loss
    network = replace(model, ngrams=None)
    assert score(network, text).nats_per_char == pytest.approx(min(row.val_loss for row in trained.history), rel=1e-5)


def test_the_network_is_the_same_without_them(trained):
    other = run_of(VERSE, steps=120)
    assert trained.history == other.history
    for name, p in other.best.params.items():
        np.testing.assert_array_equal(trained.best.params[name], p)


def test_the_file_has_them(trained, tmp_path):
    model_file.save(tmp_path / "a.safetensors", Checkpoint.from_trainer(trained))
    found = model_file.load(tmp_path / "a.safetensors")
    assert found.training.ngrams == 2
    assert found.model.ngrams.weight == trained.ngrams.weight


def test_a_resumed_run_has_the_same(trained, tmp_path):
    part = start_short(VERSE, ngrams=2, steps=120)
    for progress in part:
        if progress.step == 25:
            break
    again = run(resumed(part, VERSE, tmp_path))
    assert (again.ngrams.weight, again.ngrams.loss) == (trained.ngrams.weight, trained.ngrams.loss)
    assert run(resumed(part, VERSE, tmp_path, ngrams=0)).best.ngrams is None


@pytest.mark.parametrize("stop", [5, 25])
def test_a_run_that_is_left_has_the_weight_that_suits_its_best_model(stop, trained, tmp_path):
    path = tmp_path / "m.safetensors"
    part = SavedTraining(CheckpointManager(start_short(VERSE, ngrams=2, steps=120), path, acquire(path)))
    with part:
        for progress in part:
            if progress.step == stop:
                break
    left = model_file.load(path)
    assert left.step == stop // 10 * 10 or stop
    text = part.trainer.state.vocabulary.decode(part.trainer.validation_data.ids)
    assert left.model.ngrams.weight != 0.2
    assert left.model.ngrams.loss == pytest.approx(score(left.model, text).nats_per_char, rel=1e-5)
    again = charrnn.resume(path, VERSE)
    for _ in again:
        pass
    table = model_file.load(path).model.ngrams
    assert (table.weight, table.loss) == (trained.ngrams.weight, trained.ngrams.loss)


def test_the_contexts_of_lines_end_where_they_begin():
    trainer = run(start_in("lines", ngrams=5, steps=20))
    table, newline = trainer.ngrams, trainer.state.vocabulary.start
    depths, first = [0], 1
    while first < len(table.oldest):  # the contexts of the next length
        stop = int(table.child_starts[first])
        stop = len(table.oldest) if stop == first else stop
        inner = [n for n in range(first, stop) if table.oldest[n] == newline]
        assert all(table.child_starts[n] == table.child_starts[n + 1] for n in inner)
        depths.append(first)
        first = stop
    assert len(depths) == 5
    model = trainer.best
    lines = trainer.validation_data.lines
    texts = [
        trainer.state.vocabulary.decode(lines.ids[start : start + n + 1])
        for start, n in zip(lines.starts, lines.lengths, strict=True)
    ]
    found = sum(each.nats for each in score_lines(model, texts)) / lines.size
    assert model.ngrams.loss == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("layout", ["pairs", "translations", "labels", "tags"])
def test_other_layouts_have_none(layout):
    with pytest.raises(ConfigError, match="ngrams is only for continuous text, lines and records"):
        start_in(layout, ngrams=3)


def test_with_nothing_held_out_the_weight_is_the_usual_one():
    trainer = run_of(VERSE, ngrams=3, val_fraction=0.0)
    assert (trainer.ngrams.weight, trainer.ngrams.loss) == (0.2, None)
