"""The calibration: the temperature with the lowest validation loss, in the weights that are kept."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.dataset import corpus as corpora
from charrnn.dataset.whole_texts import LabelBatches, prior_shift
from charrnn.errors import CorpusError
from charrnn.model.model import Model
from charrnn.scoring.classify import classify
from charrnn.training import calibration, evaluation, start
from charrnn.training.calibration import TEMPERATURES
from charrnn.training.state import Evaluation
from charrnn.training.trainer import Trainer
from charrnn.types import Array
from support.trainings import TEXTS, flat, place_names, resumed, run, saved_bytes, start_in


def noisy() -> str:
    """Texts and labels that have little to do with each other: a network can only overfit them."""
    names, rng = place_names(0, 300).splitlines(), np.random.default_rng(1)
    return "".join(f"{name}\t{'yes' if rng.random() < 0.7 else 'no'}\n" for name in names)


def overfitted(**options: Any) -> Trainer:
    return run(
        start_in("labels", noisy(), **{"steps": 120, "eval_every": 15, "lr": 0.03, "val_fraction": 0.3} | options)
    )


def held_out(trainer: Trainer, model: Model) -> tuple[Array, Array]:
    """The logarithms of the probabilities [R, n] of the labels of the held-out texts, and the indices of these [R]."""
    assert isinstance(trainer.validation_data, LabelBatches)
    lines = trainer.validation_data.lines
    assert lines.labels is not None
    texts = [
        model.vocabulary.decode(lines.ids[start : start + n])
        for start, n in zip(lines.starts, lines.lengths, strict=True)
    ]
    log_p = np.log([found.probabilities for found in classify(model, texts, logit_adjustment=0)])
    return log_p, lines.labels


def uncalibrated(trainer: Trainer) -> Model:
    """The model of the weights that are trained."""
    return replace(trainer.latest, params=trainer.state.params)


def loss_at(temperature: float, log_p: Array, labels: Array) -> float:
    """The mean loss if the logits are divided by the temperature, computed from what is known of them."""
    y = log_p / temperature
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    return float(-np.log(p[np.arange(len(labels)), labels]).mean())


def test_the_losses_are_those_of_logits_divided_by_each_temperature(engine_name: str) -> None:
    trainer = overfitted(engine=engine_name)
    model = trainer.latest
    batches = list(calibration.losses(model, trainer.validation_data))
    assert sum(n for _, n in batches) == trainer.validation_data.size
    found = sum((nats for nats, _ in batches), np.zeros(len(TEMPERATURES))) / trainer.validation_data.size
    log_p, labels = held_out(trainer, model)
    wanted = [loss_at(T, log_p, labels) for T in TEMPERATURES]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    plain = sum(nats for nats, _ in evaluation.losses(model, trainer.validation_data)) / trainer.validation_data.size
    assert found[TEMPERATURES == 1] == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("layout", ["stream", "lines", "pairs", "tags"])
def test_other_models_have_a_single_loss(layout: str) -> None:
    trainer = run(start_in(layout, steps=2, dropout=0.3 if layout == "tags" else 0.0))
    found = list(calibration.losses(trainer.latest, trainer.validation_data))
    wanted = list(evaluation.losses(trainer.latest, trainer.validation_data))
    assert [(nats.tolist(), n) for nats, n in found] == [([nats], n) for nats, n in wanted]
    assert trainer.temperatures[0] == 1
    np.testing.assert_array_equal(flat(trainer.best.params), flat(trainer.state.params))


def dropping(layout: str = "lines", **options: Any) -> Trainer:
    """A language model that soon knows few names by heart, so that without its dropout it is too sure of others."""
    small = {"hidden_size": 32, "layers": 1, "dropout": 0.2, "drop_connect": 0.2, "val_fraction": 0.3}
    return run(start_in(layout, **{"steps": 120, "eval_every": 40, "lr": 0.03} | small | options))


@pytest.mark.parametrize("layout", ["stream", "lines", "pairs"])
def test_a_language_model_with_dropout_has_a_loss_at_each_temperature(layout: str, engine_name: str) -> None:
    trainer = dropping(layout, engine=engine_name)
    model = replace(trainer.latest, params=trainer.state.params)
    nats, n = (sum(x) for x in zip(*calibration.losses(model, trainer.validation_data), strict=True))
    assert n == trainer.validation_data.size
    for found, T in zip(nats / n, calibration.OF_DROPOUT, strict=True):
        divided = replace(model, params=calibration.calibrated(model.params, float(T)))
        assert found == pytest.approx(evaluation.mean_loss(divided, trainer.validation_data), rel=1e-5)


@pytest.mark.parametrize("steps", [120, 119])
@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}, {"drop_connect": 0.0}], ids=str)
def test_the_kept_weights_of_a_language_model_are_calibrated(steps: int, options: dict[str, Any]) -> None:
    trainer = dropping(steps=steps, **options)
    assert max(trainer.temperatures) > 1
    best = evaluation.best(trainer.history, 0.0)
    assert trainer.best_step == best.step
    assert evaluation.mean_loss(trainer.best, trainer.validation_data) == pytest.approx(best.rank, rel=1e-5)
    W = trainer.state.params["W_out"] / np.float32(trainer.temperatures[0])
    np.testing.assert_array_equal(trainer.latest.params["W_out"], W)


def test_a_resumed_language_model_is_calibrated_before_it_is_trained(tmp_path: Path) -> None:
    trainer = dropping()
    assert trainer.temperatures[0] > 1
    again = resumed(trainer, TEXTS["lines"], tmp_path, steps=120)
    np.testing.assert_array_equal(flat(again.latest.params), flat(trainer.latest.params))


@pytest.mark.parametrize("steps", [120, 119])
def test_the_kept_weights_are_calibrated(steps: int) -> None:
    trainer = overfitted(steps=steps)
    best = evaluation.best(trainer.history, calibration.TOLERANCE)
    assert trainer.best_step == best.step
    log_p, labels = held_out(trainer, trainer.best)
    assert loss_at(1, log_p, labels) == pytest.approx(best.rank, rel=1e-5)


def test_a_network_that_overfits_is_less_sure_with_the_same_answers() -> None:
    trainer = overfitted(steps=119)
    assert trainer.temperatures[0] > 2
    final = trainer.final
    assert final is not None
    log_p, labels = held_out(trainer, uncalibrated(trainer))
    assert loss_at(1, log_p, labels) > 1.2 * final.rank
    log_q, _ = held_out(trainer, trainer.latest)
    assert loss_at(1, log_q, labels) == pytest.approx(final.rank, rel=1e-5)
    np.testing.assert_array_equal(log_q.argmax(axis=1), log_p.argmax(axis=1))


def test_training_goes_on_with_the_weights_as_they_were(tmp_path: Path) -> None:
    options = {"eval_every": 15, "lr": 0.03, "val_fraction": 0.3}
    whole = overfitted(steps=100)
    part = run(start_in("labels", noisy(), steps=67, **options))
    assert part.temperatures != [1]
    rest = run(resumed(part, noisy(), tmp_path, steps=100))
    assert saved_bytes(rest, tmp_path) == saved_bytes(whole, tmp_path)
    rare = run(start_in("labels", noisy(), steps=100, **options | {"eval_every": 50}))
    np.testing.assert_array_equal(flat(rare.state.params), flat(whole.state.params))


def test_the_averaged_weights_have_a_temperature_of_their_own() -> None:
    trainer = overfitted(steps=119, ema_decay=0.9)
    row = trainer.final
    assert row is not None
    losses = []
    for params in (trainer.state.params, trainer.state.ema):
        log_p, labels = held_out(trainer, trainer._model(params))
        losses.append(min((loss_at(T, log_p, labels), T) for T in TEMPERATURES))
    assert row.ema == (losses[1] < losses[0])
    assert row.rank == pytest.approx(min(losses)[0], rel=1e-5)
    assert trainer.temperatures == [T for _, T in losses]
    log_p, labels = held_out(trainer, trainer.latest)
    assert loss_at(1, log_p, labels) == pytest.approx(losses[0][0], rel=1e-5)


def test_without_validation_data_nothing_is_calibrated() -> None:
    trainer = overfitted(val_fraction=0)
    assert trainer.temperatures[0] == 1
    np.testing.assert_array_equal(flat(trainer.best.params), flat(trainer.state.params))


@pytest.mark.parametrize(
    ("losses", "first", "tolerant"),
    [([3, 2, 1], 2, 2), ([1, 1.029, 1.031], 0, 1), ([1, 2, 1], 0, 2), ([1.02, 1, 1.02], 1, 2), ([1.02, 1, 2], 1, 1)],
)
def test_later_weights_are_kept_if_their_loss_is_about_as_low(losses: list[float], first: int, tolerant: int) -> None:
    history = [Evaluation(n, 0, 0.1, None, loss) for n, loss in enumerate(losses, 1)]
    assert evaluation.best(history, 0.0) is history[first]
    assert evaluation.best(history, calibration.TOLERANCE) is history[tolerant]


def test_the_weights_that_a_run_started_from_are_kept_unless_a_loss_is_lower():
    history = [Evaluation(n, 0, 0.1, None, loss) for n, loss in enumerate([1.0, 1.01, 1.02])]
    assert evaluation.best(history, calibration.TOLERANCE) is history[0]
    lower = [*history, Evaluation(3, 0, 0.1, None, 0.99), Evaluation(4, 0, 0.1, None, 0.995)]
    assert evaluation.best(lower, calibration.TOLERANCE) is lower[4]
    assert start_in("labels", steps=1).tolerance == calibration.TOLERANCE
    assert start_in("tags", steps=1).tolerance == start_in("stream", steps=1).tolerance == 0


def test_losses_that_are_not_numbers_are_found() -> None:
    assert math.isnan(calibration.lowest(np.array([1.0, math.nan, 0.5] + [1.0] * 12), TEMPERATURES)[0])
    assert calibration.lowest(np.array([3.0]), np.ones(1)) == (3.0, 1.0)
    assert calibration.lowest(np.arange(15.0)[::-1], TEMPERATURES) == (0.0, TEMPERATURES[-1])


# Lines that occur several times


def repetitive() -> str:
    """Texts and labels of which some lines occur many times, and two texts have both labels."""
    names = place_names(0, 400).splitlines()
    often = "".join(f"{name}\tlong\n" * 20 for name in names if len(name) > 14)
    return noisy() + often + f"{names[0]}\tyes\n{names[0]}\tno\n{names[1]}\tyes\n{names[1]}\tno\n" * 3


def test_a_line_is_learned_once_but_validated_as_often_as_it_occurs() -> None:
    trainer = start_in("labels", repetitive(), steps=1, val_fraction=0.3)
    learned, held_out_lines = (
        [
            (trainer.state.vocabulary.decode(lines.ids[start : start + n]), label)
            for start, n, label in zip(lines.starts, lines.lengths, lines.labels, strict=True)
        ]
        for data in (trainer.training_data, trainer.validation_data)
        if isinstance(data, LabelBatches) and (lines := data.lines).labels is not None
    )
    assert trainer.labels is not None
    rows = [line.split("\t") for line in repetitive().splitlines()]
    wanted = [(text, trainer.labels.index(label)) for text, label in rows]
    texts = {text for text, _ in held_out_lines}
    assert sorted(learned) == sorted({row for row in wanted if row[0] not in texts})
    assert sorted(held_out_lines) == sorted(row for row in wanted if row[0] in texts)
    assert len(held_out_lines) > len(set(held_out_lines))

    # log of the share of each label among the lines, over its share among those that are learned
    all_lines = [label for text, label in wanted if text not in texts]
    once = [label for _, label in learned]
    for label in range(3):
        shares = all_lines.count(label) / len(all_lines), once.count(label) / len(once)
        assert trainer.prior_shift is not None
        assert trainer.prior_shift[label] == pytest.approx(np.log(shares[0] / shares[1]), rel=1e-9)


@pytest.mark.parametrize("eval_every", [15, 44])
def test_the_probabilities_are_those_of_all_lines(eval_every: int) -> None:
    trainer = run(start_in("labels", repetitive(), steps=45, eval_every=eval_every, lr=0.03, val_fraction=0.3))
    shift = trainer.prior_shift
    assert shift is not None
    assert shift[trainer.labels.index("long") if trainer.labels else 0] > 1
    assert trainer.best_step == 45, "the last weights are the best"
    raw, labels = held_out(trainer, uncalibrated(trainer))
    y = raw / trainer.temperatures[0] + shift
    for model in (trainer.best, trainer.latest):
        log_p, _ = held_out(trainer, model)
        np.testing.assert_allclose(log_p, y - np.log(np.exp(y).sum(axis=1, keepdims=True)), rtol=1e-4, atol=1e-5)
    assert trainer.history[-1].rank == pytest.approx(loss_at(1, log_p, labels), rel=1e-5)


def test_a_run_that_begins_from_a_classifier_shifts_it_once() -> None:
    model = run(start_in("labels", repetitive(), steps=45, eval_every=45, lr=0.03, val_fraction=0.3)).best
    again = run(start_in("labels", repetitive(), init_from=model, steps=0, val_fraction=0.3))
    assert again.prior_shift is not None
    assert np.abs(again.prior_shift).max() > 1
    before, labels = held_out(again, model)
    assert again.temperatures == [1], "it is calibrated already"
    assert again.history[-1].rank == pytest.approx(loss_at(1, before, labels), rel=1e-5)
    for found in (again.best, again.latest):
        np.testing.assert_allclose(held_out(again, found)[0], before, rtol=1e-4, atol=1e-5)


def test_a_run_that_learned_repeated_lines_as_often_as_they_occur_is_told_so() -> None:
    trainer = start_in("labels", repetitive(), steps=1, val_fraction=0.3)
    n = repetitive().count("\n") - trainer.validation_data.size
    state = replace(trainer.state, corpus=replace(trainer.state.corpus, training_chars=n, training_lines=n))
    with pytest.raises(CorpusError, match=r"learned repeated lines each time.*start a new run"):
        start.resume(corpora.from_text(repetitive()), state)
    start.resume(corpora.from_text(repetitive()), trainer.state)


def test_a_label_that_is_not_learned_and_lines_that_occur_once_shift_nothing() -> None:
    lines = start_in("labels", noisy(), steps=1).training_data
    assert isinstance(lines, LabelBatches)
    assert prior_shift(lines.lines, lines.lines, 5).tolist() == [0] * 5
    params = {"W_out": np.ones((2, 3)), "b_out": np.ones(3)}
    assert calibration.calibrated(params, 1.0, np.zeros(3)) is params


def test_it_is_about_as_sure_as_it_is_right() -> None:
    trainer = run(start_in("labels", TEXTS["labels"], steps=300, lr=0.02, eval_every=50, dropout=0.0))
    log_p, labels = held_out(trainer, trainer.best)
    right = log_p.argmax(axis=1) == labels
    assert abs(np.exp(log_p.max(axis=1)).mean() - right.mean()) < 0.1


@pytest.mark.parametrize("steps", [90, 100])
def test_a_resumed_classifier_is_calibrated_before_its_next_evaluation(steps: int, tmp_path: Path) -> None:
    whole = run(start_in("labels", noisy(), steps=steps, eval_every=45, lr=0.03, val_fraction=0.3))
    again = resumed(whole, noisy(), tmp_path, steps=120)
    files = saved_bytes(again, tmp_path)
    assert again.temperatures == [1]
    log_p, labels = held_out(again, uncalibrated(again))
    losses = [loss_at(T, log_p, labels) for T in TEMPERATURES]
    log_q, _ = held_out(again, again.latest)
    assert loss_at(1, log_q, labels) == pytest.approx(min(losses), rel=1e-5)
    assert min(losses) < 0.97 * loss_at(1, log_p, labels)
    assert again.temperatures == [TEMPERATURES[int(np.argmin(losses))]]
    if steps == 90:
        assert again.temperatures == whole.temperatures, "an evaluation was the last thing before the save"
    assert saved_bytes(again, tmp_path) == files, "no file has the temperature"
