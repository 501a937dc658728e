"""The trainer in the layout `lines`: each line counts once, from a zero state, in training and in validation."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import engine as engines
from charrnn.checkpoint import model_file, training_file
from charrnn.config import SamplingConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.corpus import Corpus, from_text
from charrnn.dataset.line_set import line_digests
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.split import split_corpus
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.network import Network
from charrnn.training.trainer import Trainer
from support.cells import CELLS, cell_options
from support.trainings import TEXTS, run, saved_bytes, start_in

NAMES = TEXTS["lines"]
FIVE = ["Ashby de la Zouch", "Barrow-in-Furness", "Cleobury Mortimer", "Dunfermline-on-Sea", "Eglwysfach ar Ddyfi"]


def start(text: str | bytes | Corpus = NAMES, **options: Any) -> Trainer:
    return start_in("lines", text, **options)


def held_out(trainer: Trainer) -> list[str]:
    """The lines that a training validates on."""
    data = split_corpus(from_text(NAMES), trainer.state.training_config).validation
    assert isinstance(data, LineBatches)
    return [NAMES[start : start + n] for start, n in zip(data.lines.starts, data.lines.lengths, strict=True)]


def log_prob(trainer: Trainer, line: str) -> float:
    """log p of a line with its newline, in nats."""
    return -charrnn.score(trainer.latest, line + "\n").nats


def drawn(trainer: Trainer) -> set[str]:
    """The different lines among sixty that the model writes."""
    samples = charrnn.sample_lines(trainer.latest, count=60, config=SamplingConfig(temp=0.4))
    return {sample.text for sample in samples}


# It learns


@pytest.mark.parametrize("cell", CELLS)
def test_five_names_can_be_overfitted_and_written(cell: str, engine_name: str) -> None:
    options = cell_options(cell) | {"engine": engine_name, "hidden_size": 40, "layers": 1, "dropout": 0, "lr": 0.01}
    trainer = run(start("\n".join(FIVE), seq_length=50, steps=200, **options))
    chars = sum(len(name) + 1 for name in FIVE)
    least = 5 * math.log(5) / chars  # which of the five comes can't be predicted
    assert -sum(log_prob(trainer, name) for name in FIVE) / chars < least + 0.01
    assert drawn(trainer) == set(FIVE)


def test_names_longer_than_a_batch_are_learned_too() -> None:
    trainer = run(start("\n".join(FIVE), seq_length=7, hidden_size=40, layers=1, dropout=0, steps=700, lr=0.01))
    assert drawn(trainer) == set(FIVE)


def test_a_line_counts_as_often_as_it_occurs() -> None:
    trainer = run(start("ab\n" * 30 + "cd\n" * 10, steps=200, dropout=0, batch_size=40, lr=0.01, val_fraction=0))
    assert log_prob(trainer, "ab") == pytest.approx(math.log(0.75), abs=0.05)
    assert log_prob(trainer, "cd") == pytest.approx(math.log(0.25), abs=0.1)


@pytest.mark.parametrize("text", ["щука\nрак\nлебедь\n" * 20, "щука\nрак\r\nлебедь".encode() * 9])
def test_all_alphabets_and_bytes_train(text: str | bytes) -> None:
    trainer = run(start(text, steps=60, dropout=0, lr=0.01))
    assert trainer.latest.vocabulary.is_bytes == isinstance(text, bytes)
    for sample in charrnn.sample_lines(trainer.latest, count=20, config=SamplingConfig(temp=0.5)):
        assert "\n" not in sample.text
    assert trainer.history[-1].train_loss is not None
    assert trainer.history[-1].train_loss < 3


# What a step is


def test_the_loss_of_a_step_is_that_of_its_lines_alone(engine_name: str) -> None:
    trainer = start(steps=45, lr=0, dropout=0, engine=engine_name, eval_every=100)
    data, model = trainer.training_data, trainer.latest
    state, size, seen = model.zero_state(data.batch_size), 0, 0
    for progress in trainer:
        if not progress.chars:
            continue
        batch = data.epoch(trainer.state.counters.order)(seen % data.steps_per_epoch)
        assert batch.mask is not None
        state[:, :, batch.reset] = 0
        nats = 0.0
        for row in range(data.batch_size):
            T, rows = int(batch.mask[:, row].sum()), slice(row, row + 1)
            if T:
                alone = Batch(batch.inputs[:T, rows], batch.targets[:T, rows])
                loss, state[:, :, rows] = model.network.loss(model.params, alone, state[:, :, rows])
                nats += loss
        assert progress.loss == pytest.approx(nats / batch.chars, rel=1e-5)
        assert progress.chars == batch.chars
        size, seen = size + batch.chars, seen + 1
        if seen % data.steps_per_epoch == 0:
            assert size == data.size
            size = 0
    assert seen == 45 > data.steps_per_epoch


def test_every_character_of_an_epoch_has_the_same_weight() -> None:
    options = {"optimizer": "sgd", "momentum": 0, "clip": 0, "dropout": 0, "seq_length": 60, "val_fraction": 0}
    trainer = start(lr=1e-4, epochs=1, **options)
    before = {name: p.astype(np.float64) for name, p in trainer.state.params.items()}
    data, network = trainer.training_data, Network(trainer.state.model_config, engines.load("numpy"))
    wanted = {name: np.zeros_like(p) for name, p in before.items()}
    run(trainer)
    batch_of = data.epoch(trainer.state.counters.order)
    for k in range(data.steps_per_epoch):
        _, grads, _ = network.loss_and_gradients(before, batch_of(k), network.zero_state(data.batch_size, np.float64))
        for name, d in grads.items():
            wanted[name] += d * data.steps_per_epoch / data.size
    for name, p in trainer.state.params.items():
        np.testing.assert_allclose((before[name] - p) / 1e-4, wanted[name], rtol=0.05, atol=0.01, err_msg=name)


def test_an_epoch_has_as_many_steps_as_batches() -> None:
    trainer = run(start(epochs=3))
    assert trainer.state.counters.step == 3 * trainer.training_data.steps_per_epoch
    assert (trainer.state.counters.epoch, trainer.state.counters.batch) == (3, 0)


def test_the_training_loss_of_an_epoch_is_that_of_all_its_characters() -> None:
    trainer = start(epochs=1, lr=0, dropout=0)
    losses = [(p.loss * p.chars, p.chars) for p in trainer if p.chars]
    nats, chars = (sum(part) for part in zip(*losses, strict=True))
    assert trainer.history[-1].train_loss == pytest.approx(nats / chars)


# Validation


def test_validation_reads_every_line_from_a_zero_state(engine_name: str) -> None:
    trainer = run(start(steps=30, engine=engine_name))
    names = held_out(trainer)
    assert len(names) == trainer.state.corpus.validation_lines == 20
    nats = -sum(log_prob(trainer, name) for name in names)
    chars = sum(len(name) + 1 for name in names)
    assert chars == trainer.state.corpus.validation_chars
    assert trainer.history[-1].val_loss == pytest.approx(nats / chars, rel=1e-5)


def test_no_line_is_both_learned_and_validated_on() -> None:
    trainer = start(NAMES * 3, val_fraction=0.2)
    assert isinstance(trainer.training_data, LineBatches)
    assert isinstance(trainer.validation_data, LineBatches)
    learned, validated = (set(data.lines.digests.tolist()) for data in (trainer.training_data, trainer.validation_data))
    assert not learned & validated
    assert len(learned) + len(validated) == 200
    assert trainer.validation_data.n_lines == 120


def test_a_run_that_padded_its_batches_to_a_long_line_is_refused_in_plain_words() -> None:
    text = "ab\ncd\nef\n" + "ghij" * 500
    trainer = start(text, batch_size=4, seq_length=20, steps=3, val_fraction=0)
    trainer.state.counters.epoch, trainer.state.counters.step = 7, 7 * 101 + trainer.state.counters.batch
    with pytest.raises(CorpusError, match="read its longest lines whole, as is no longer done: start a new run"):
        Trainer(from_text(text), trainer.state)


def test_records_are_learned_in_the_layout_lines_only() -> None:
    corpus = from_text("a\nb\n\nc\nd\n" * 50, record_form=RecordForm("blank"))
    assert start(corpus, steps=1).latest.reads_records
    with pytest.raises(ConfigError, match="a corpus of records has the layout 'lines', not 'pairs'"):
        start_in("pairs", corpus)


def test_few_lines_are_all_learned() -> None:
    trainer = run(start("\n".join(FIVE), steps=3))
    info = trainer.state.corpus
    assert (info.training_lines, info.validation_lines, info.validation_chars) == (5, 0, 0)
    assert trainer.history[-1].val_loss is None
    assert trainer.best_step == 3


def test_another_seed_holds_out_others_and_reads_in_another_order() -> None:
    one, other = start(steps=1), start(steps=1, seed=2)
    assert set(held_out(one)) != set(held_out(other))
    assert run(one).state.counters.order != run(other).state.counters.order


# The files


def test_the_model_recognises_its_lines_and_the_state_does_without_them(tmp_path: Path) -> None:
    trainer = run(start(steps=3))
    saved_bytes(trainer, tmp_path)
    saved = model_file.load(tmp_path / "saved.safetensors")
    line_set = saved.model.line_set
    assert saved.model.layout == "lines"
    assert line_set is not None
    assert line_set.digests is not None
    assert line_set.digests.tolist() == sorted(line_digests(NAMES.splitlines()).tolist())
    assert all(name in line_set for name in NAMES.splitlines())
    assert line_set.longest == max(map(len, NAMES.splitlines()))
    assert saved.training is not None
    assert saved.corpus is not None
    assert saved.training.layout == "lines"
    assert (saved.corpus.training_lines, saved.corpus.validation_lines) == (180, 20)
    model_file.save(tmp_path / "again", saved)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "saved.safetensors").read_bytes()
    found = training_file.load_state(tmp_path / "saved.resume.safetensors")
    assert found.counters == trainer.state.counters
    assert found.rnn_state.tobytes() == trainer.state.rnn_state.tobytes()


def test_a_model_of_continuous_text_has_no_line_set(tmp_path: Path) -> None:
    saved_bytes(run(start(layout="stream", steps=3)), tmp_path)
    model = model_file.load(tmp_path / "saved.safetensors").model
    assert (model.layout, model.line_set) == ("stream", None)
    assert b'"line_set"' not in (tmp_path / "saved.safetensors").read_bytes()
