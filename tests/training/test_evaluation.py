"""The evaluations: they read the whole validation data, and decide which weights are the best and when to stop."""

import math
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.dataset import split
from charrnn.errors import ConfigError
from charrnn.training import evaluation
from charrnn.training.trainer import Trainer
from support.processes import TEXT
from support.trainings import flat, place_names, run, start_in, start_on

NOISE = "".join(np.random.default_rng(0).choice(list("abcdefghijklmnop"), 600))
"""A text with nothing to learn: a network can only overfit it."""


def start(text: str | bytes = TEXT, **options: Any) -> Trainer:
    return start_in("stream", text, **options)


def test_the_training_loss_of_a_row_is_the_mean_since_the_row_before() -> None:
    trainer = start(steps=12, eval_every=5)
    losses = [p.loss for p in trainer if p.chars]
    means = [np.mean(losses[a:b]) for a, b in ((0, 5), (5, 10), (10, 12))]
    np.testing.assert_allclose([row.train_loss for row in trainer.history], means)


@pytest.mark.parametrize("steps", [10, 12])
def test_validation_reads_the_whole_held_out_text(steps: int) -> None:
    text = TEXT * 2  # more than one batch of the validation data is held out
    trainer = run(start(text, steps=steps, eval_every=5, val_fraction=0.45))
    held_out = text[len(text) - int(len(text) * 0.45) :]
    scored = charrnn.score(trainer.latest, held_out)
    assert scored.chars == len(held_out) == trainer.state.corpus.validation_chars > 1024
    assert trainer.history[-1].val_loss == pytest.approx(scored.nats_per_char, rel=1e-6)


@pytest.mark.parametrize("size", [160, 161, 399, 400, 1111, 5000])
def test_a_long_text_read_in_parts_has_the_same_loss(
    size: int, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run(start(TEXT * 4, steps=30, engine=engine_name, layers=2)).latest
    data = split.ValidationStream(model.vocabulary.encode((TEXT * 4)[:size]))
    assert data.batch_size == 1
    nats = sum(nats for nats, _ in evaluation.losses(model, data))
    for name, value in (("MIN_PART", 80), ("WARM_UP", 300), ("CHARS_PER_READ", 100)):
        monkeypatch.setattr(split, name, value)
    assert data.batch_size > 1
    losses = list(evaluation.losses(model, data))
    assert sum(chars for _, chars in losses) == size
    assert sum(nats for nats, _ in losses) == pytest.approx(nats, rel=1e-5)


def test_dropout_does_not_disturb_the_validation() -> None:
    trainer = run(start(steps=10, dropout=0.9))
    scored = charrnn.score(trainer.latest, TEXT[-trainer.validation_data.size :])
    assert trainer.history[-1].val_loss == pytest.approx(scored.nats_per_char, rel=1e-6)


def test_the_best_weights_are_those_of_the_best_evaluation() -> None:
    trainer, copies = start(NOISE, steps=120, eval_every=10, lr=0.02, val_fraction=0.3), {}
    for progress in trainer:
        if progress.evaluation:
            copies[progress.step] = flat(trainer.latest.params).copy()
    best = min(trainer.history, key=lambda row: row.rank)
    assert best.step < 120, "the validation loss rises as the noise is overfitted"
    assert trainer.best_step == best.step
    np.testing.assert_array_equal(flat(trainer.best.params), copies[best.step])
    assert charrnn.score(trainer.best, NOISE[-180:]).nats_per_char == pytest.approx(best.val_loss, rel=1e-6)


def test_without_validation_data_the_latest_weights_are_the_best() -> None:
    trainer = run(start(steps=12, eval_every=5, val_fraction=0))
    assert [row.val_loss for row in trainer.history] == [None] * 3
    assert trainer.best_step == 12
    np.testing.assert_array_equal(flat(trainer.best.params), flat(trainer.state.params))


def test_evaluations_become_less_frequent_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.evaluation_steps.MAX_DENSE_EVALUATIONS", 4)
    options: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 8, "seed": 1, "engine": "numpy"}
    trainer = run(start_on(TEXT, steps=70, eval_every=2, **options))
    assert [row.step for row in trainer.history] == [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 70]


def test_the_averaged_weights_are_kept_if_they_are_better() -> None:
    trainer = run(start(TEXT * 4, steps=120, lr=0.08, ema_decay=0.97, eval_every=20))
    assert any(row.ema for row in trainer.history)
    best = min(trainer.history, key=lambda row: row.rank)
    assert best.ema
    nats = sum(nats for nats, _ in evaluation.losses(trainer.best, trainer.validation_data))
    assert nats / trainer.validation_data.size == pytest.approx(best.val_loss, rel=1e-5)
    plain = run(start(TEXT * 4, steps=120, lr=0.08, eval_every=20))
    assert best.rank < min(row.rank for row in plain.history)


def test_patience_ends_a_training_that_overfits() -> None:
    noise = "".join(np.random.default_rng(1).choice(list("abcdefgh"), 1500))
    trainer = run(start(noise, steps=3000, lr=0.02, eval_every=10, patience=3))
    losses = [row.rank for row in trainer.history]
    assert trainer.out_of_patience
    assert losses.index(min(losses)) == len(losses) - 4
    assert trainer.state.counters.step == 10 * len(losses) < 3000
    assert trainer.best_step == 10 * (len(losses) - 3)


@pytest.mark.parametrize(("name", "value"), [("patience", 3), ("ema_decay", 0.9)])
def test_options_that_compare_validation_losses_need_validation_data(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} needs a validation loss"):
        start(val_fraction=0, **{name: value})


def test_a_row_without_a_validation_loss_has_the_last_rank() -> None:
    assert run(start(steps=2, val_fraction=0)).history[-1].rank == math.inf


@pytest.mark.parametrize(
    ("n", "epochs"),
    [(8, 10), (40, 10), (100, 5), (191, 5), (500, 5), (3000, 1)],
)
def test_a_short_text_is_evaluated_before_a_network_overfits_it(n: int, epochs: float) -> None:
    trainer = start_on(place_names(0, n), layout="lines", steps=1, engine="numpy")
    assert trainer.eval_every / trainer.training_data.steps_per_epoch == pytest.approx(epochs, rel=0.2)


def test_a_long_text_is_evaluated_once_an_epoch_but_not_too_rarely() -> None:
    for times, expected in ((120, 66), (20, 50)):
        assert start_on(TEXT * times, steps=1, engine="numpy").eval_every == expected


@pytest.mark.parametrize("layout", ["labels", "tags"])
def test_the_accuracy_is_the_share_of_right_answers(layout: str) -> None:
    trainer = run(start_in(layout, steps=30, lr=0.02))
    model, lines = trainer.latest, trainer.validation_data.lines  # type: ignore[attr-defined]
    found = evaluation.accuracy(model, trainer.validation_data)
    read = [model.vocabulary.decode(lines.ids[a : a + n]) for a, n in zip(lines.starts, lines.lengths, strict=True)]
    if layout == "labels":
        answers = [each.label for each in charrnn.classify(model, read, logit_adjustment=0)]
        right = [answer == ("long" if len(text) > 9 else "short") for answer, text in zip(answers, read, strict=True)]
    else:
        answers = [tag for each in charrnn.tag(model, read) for tag in each.tags]
        right = [tag == ("v" if c in "aeiouAEIOU" else ".") for tag, c in zip(answers, "".join(read), strict=True)]
    assert found == pytest.approx(np.mean(right))
    assert 0 < found < 1


def test_only_labels_and_tags_have_an_accuracy() -> None:
    for layout in ("stream", "lines", "translations"):
        trainer = start_in(layout, steps=1)
        assert evaluation.accuracy(trainer.latest, trainer.validation_data) is None


@pytest.mark.parametrize("layout", ["lines", "pairs", "translations", "tags"])
def test_a_sample_of_lines_has_the_loss_that_all_of_them_have_about(layout: str) -> None:
    trainer = run(start_in(layout, steps=30))
    whole = evaluation.mean_loss(trainer.latest, split.training_sample(trainer.training_data, 10**6))
    sample = split.training_sample(trainer.training_data, 500)
    assert 300 < sample.chars_read <= 500
    assert evaluation.mean_loss(trainer.latest, sample) == pytest.approx(whole, rel=0.2)
