"""The scores of held-out lines are those that scoring gives these lines, for the weights that are kept."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.checkpoint import model_file
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.manager import CheckpointManager
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset import corpus as corpora
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.spread import ValidationBlocks
from charrnn.model.line_scores import LineScores
from charrnn.model.model import Model
from charrnn.training import held_out_lines
from charrnn.training.deadline import Deadline
from charrnn.training.trainer import Trainer
from support.processes import TEXT
from support.trainings import place_names, resumed, run, saved_bytes, spelled_backwards, start_in, start_on

NAMES = place_names(3000, 3400)
VERSES = "".join(f"{name} and {other}\n" for name, other in zip(NAMES.split("\n"), NAMES.split("\n")[7:], strict=False))
RECORDS = corpora.from_text(NAMES.replace("\n", "\n\n"), record_form=RecordForm("blank"))
TRAININGS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "stream": ("stream", VERSES, {"val_fraction": 0.2}),
    "bytes": ("stream", VERSES.encode(), {"val_fraction": 0.2}),
    "spread": ("stream", VERSES * 2, {"val_fraction": 0.3, "val_spread": True}),
    "lines": ("lines", NAMES, {}),
    "records": ("lines", RECORDS, {}),
    "pairs": ("pairs", spelled_backwards(NAMES), {}),
    "translations": ("translations", spelled_backwards(NAMES), {}),
}


def held_out(trainer: Trainer) -> list[str]:
    """The held-out lines, each with its end, but for those that are cut; from the ids, one by one."""
    data, vocabulary = trainer.validation_data, trainer.state.vocabulary
    if isinstance(data, LineBatches):
        end, lines = trainer.latest.end, data.lines
        places = zip(lines.starts.tolist(), lines.lengths.tolist(), strict=True)
        return [vocabulary.decode(lines.ids[a : a + n]) + end for a, n in places if a + n < len(lines.ids)]
    starts = data.starts.tolist() if isinstance(data, ValidationBlocks) else [0]
    size = data.block_size if isinstance(data, ValidationBlocks) else data.size
    texts = [vocabulary.decode(data.ids[start : start + size]) for start in starts]
    return [line + "\n" for text in texts for line in text.split("\n")[1:-1]]


@pytest.mark.parametrize("name", TRAININGS)
def test_they_are_the_scores_of_the_held_out_lines(name: str) -> None:
    layout, text, options = TRAININGS[name]
    trainer = run(start_in(layout, text, steps=12, **options))
    lines = held_out(trainer)
    bits = np.array([score.bpc for score in charrnn.score_lines(trainer.best, lines)])
    found = trainer.best.line_scores
    assert found is not None
    assert found.lines == len(lines) >= 20
    wanted = LineScores.from_bits(bits)
    assert wanted is not None
    np.testing.assert_allclose(found.bits, wanted.bits, atol=2e-4)
    assert np.ptp(bits) > 0.1


def test_of_many_lines_some_are_read_at_even_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_lines, "MIN_CHARS", 1000)
    trainer = run(start_in("stream", VERSES, steps=12, val_fraction=0.4))
    lines = held_out(trainer)
    n = int(len(lines) * 1000 / sum(map(len, lines)))
    chosen = [lines[k * len(lines) // n] for k in range(n)]
    while sum(map(len, chosen)) > 1000:
        chosen.pop()
    assert n / 2 < len(chosen) < len(lines) / 2
    wanted = LineScores.from_bits(np.array([score.bpc for score in charrnn.score_lines(trainer.best, chosen)]))
    found = trainer.best.line_scores
    assert found is not None
    assert wanted is not None
    assert found.lines == wanted.lines == len(chosen)
    np.testing.assert_allclose(found.bits, wanted.bits, atol=2e-4)


@pytest.mark.parametrize("chars", [0, 1000, 499_999, 5_000_000, 1e12])
def test_how_much_is_read_is_bounded_by_what_was_learned(chars: float) -> None:
    found = held_out_lines.limit(chars)
    assert found <= max(10_000, chars / 50)
    assert 10_000 <= found <= 200_000


def test_a_line_that_is_longer_than_the_limit_is_left_out() -> None:
    counts = np.array([5, 10**6, 5, 5])
    assert counts[held_out_lines._spread(counts, 20)].sum() <= 20
    assert held_out_lines._spread(counts[[0, 2, 3]], 20).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("layout", "text", "options"),
    [
        ("stream", "ACGT" * 500, {}),  # no newline
        ("stream", TEXT, {}),  # one line
        ("stream", VERSES, {"val_fraction": 0}),
        ("lines", place_names(3000, 3100), {}),  # ten lines
        ("labels", None, {}),
        ("tags", None, {}),
    ],
    ids=repr,
)
def test_too_few_lines_have_no_scores(layout: str, text: str | None, options: dict[str, Any]) -> None:
    trainer = run(start_in(layout, text, steps=12, **options))
    assert trainer.best.line_scores is None


@pytest.mark.parametrize("steps", [20, 25])  # with a regular evaluation at the end, and with one of its own
def test_they_are_measured_at_the_end_alone(steps: int) -> None:
    trainer = start_in("lines", NAMES, steps=steps, eval_every=10)
    seen = [trainer.best.line_scores is not None for progress in trainer if progress.evaluation]
    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize("saves", [False, True])
def test_they_are_measured_too_if_the_time_is_up_after_a_regular_evaluation(saves: bool, tmp_path: Any) -> None:
    path = tmp_path / "m.safetensors"
    trainer = start_in("lines", NAMES, steps=90, eval_every=10)
    trainer.deadline = Deadline(1e6, 0.5)
    with CheckpointManager(trainer, path, acquire(path)) as manager:
        for progress in manager:
            if progress.evaluation:
                trainer.deadline.end = trainer.deadline.clock.now()
                if saves:  # and nothing later changes the configuration
                    trainer.state.training_config = replace(trainer.state.training_config, steps=progress.step)
        manager.save_if_changed()
    assert trainer.state.counters.step == 10
    scores = charrnn.load(path).model.line_scores
    assert scores is not None
    assert scores == trainer.best.line_scores


def test_they_are_those_of_the_weights_that_are_kept() -> None:
    """Training makes those that it starts from worse."""
    before = run(start_in("lines", NAMES, steps=60)).best
    trainer = run(start_in("lines", NAMES, init_from=before, steps=3, lr=0.3))
    assert (trainer.best_step, trainer.state.counters.step) == (0, 3)
    lines = held_out(trainer)

    def median(model: Model) -> float:
        return float(np.median([score.bpc for score in charrnn.score_lines(model, lines)]))

    assert trainer.best.line_scores is not None
    assert trainer.best.line_scores.quantile(50) == pytest.approx(median(trainer.best), abs=1e-3)
    assert median(trainer.latest) != pytest.approx(median(trainer.best), rel=1e-2)


def test_the_file_has_them_and_a_resume_to_the_same_step_keeps_them(tmp_path: Any) -> None:
    path = tmp_path / "m.safetensors"
    for _ in charrnn.train(
        NAMES, checkpoint=path, layout="lines", hidden_size=8, layers=1, steps=20, eval_every=10, seed=1, engine="numpy"
    ):
        pass
    scores = charrnn.load(path).model.line_scores
    before = path.read_bytes()
    assert scores is not None
    for _ in charrnn.resume(path, NAMES, steps=20):
        pass
    assert path.read_bytes() == before
    for _ in charrnn.resume(path, NAMES, steps=40):
        pass
    found = charrnn.load(path).model.line_scores
    assert found is not None
    assert found.lines == scores.lines
    assert found.bits != scores.bits


def test_a_resumed_run_has_the_same_scores_byte_for_byte(tmp_path: Any) -> None:
    options = {"steps": 30, "eval_every": 10}
    whole = run(start_in("lines", NAMES, **options))
    half = run(start_in("lines", NAMES, **options | {"steps": 20}))
    later = run(resumed(half, NAMES, tmp_path, steps=30))
    assert later.best.line_scores == whole.best.line_scores
    (tmp_path / "a").mkdir()
    assert saved_bytes(later, tmp_path) == saved_bytes(whole, tmp_path / "a")


# The estimate of unseen characters, which the model's file has too


def test_the_unseen_characters_are_estimated_from_the_whole_corpus(tmp_path: Any) -> None:
    text = "x" + "ab" * 400 + "yz"  # one of the rare characters is learned, the other two are held out
    trainer = start_in("stream", text, steps=1)
    assert trainer.best.unseen is not None
    assert (trainer.best.unseen.rare, trainer.best.unseen.chars) == (3, len(text))
    model_file.save(tmp_path / "m.safetensors", Checkpoint.from_trainer(trainer))
    assert model_file.load(tmp_path / "m.safetensors").model.unseen == trainer.best.unseen


def test_characters_that_were_left_out_count_as_rare() -> None:
    text = "ab" * 400 + "yz" + "www" + "vv"
    found = start_on(text, min_count=3, steps=1, hidden_size=8, seed=1).best.unseen
    assert found is not None
    assert found.rare == 7  # y, z and v are left out, and w only just is not
    model = start_on("ab" * 400, steps=1, hidden_size=8, seed=1).best
    found = start_on("ab" * 400 + "yyyyy", init_from=model, unknown="skip", steps=1, seed=1).best.unseen
    assert found is not None
    assert found.rare == 5


@pytest.mark.parametrize("name", ["bytes", "labels", "tags"])
def test_bytes_labels_and_tags_have_no_unseen_characters(name: str) -> None:
    trainer = start_in("stream", VERSES.encode(), steps=1) if name == "bytes" else start_in(name, steps=1)
    assert trainer.best.unseen is None
