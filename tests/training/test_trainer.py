"""Training, in process: that it learns, that it follows from its seed alone, and that it can be left and taken up."""

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import MISSING, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from support.processes import TEXT
from support.trainings import files, run, taken_up

import charrnn
from charrnn.checkpoint import model_file, training_file
from charrnn.config import CELLS, OPTIMIZERS, SCHEDULES, Config, ModelConfig, SamplingConfig, TrainingConfig
from charrnn.dataset import split
from charrnn.dataset.corpus import Corpus, from_text
from charrnn.dataset.streams import RESET_EVERY
from charrnn.engine import cores
from charrnn.errors import CheckpointError, ConfigError, CorpusError, DivergenceError, VocabularyError
from charrnn.layers.softmax import log_softmax
from charrnn.model import dropout
from charrnn.training import autoconfig, budget, memory_estimate, optimizers, options, schedules
from charrnn.training.deadline import Deadline
from charrnn.training.state import CorpusInfo, Counters, Evaluation
from charrnn.training.trainer import MAX_ROLLBACKS, Trainer, resume, train

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "layers": 1,
    "batch_size": 8,
    "seq_length": 16,
    "schedule": "constant",
    "seed": 1,
    "engine": "numpy",
    "threads": 1,
}
NOISE = "".join(np.random.default_rng(0).choice(list("abcdefghijklmnop"), 600))
"""What can't be learned, only learned by heart."""


def begun(text: str | bytes | Corpus = TEXT, **options: Any) -> Trainer:
    return train(text, **(SMALL | options))


def flat(params: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([params[name].ravel() for name in sorted(params)])


def mean_losses(training: Trainer, text: str) -> tuple[float, float]:
    """The loss of a text before and after the training."""
    before = charrnn.score(training.latest, text).nats_per_char
    return before, charrnn.score(run(training).latest, text).nats_per_char


# It learns


@pytest.mark.parametrize("cell", CELLS)
def test_a_tiny_text_is_learned_by_heart(cell: str, engine_name: str) -> None:
    line = "the cat sat on the mat, and the rat that the cat had at sat on a hat.\n"
    streams = {"batch_size": 4, "seq_length": 70, "val_fraction": 0}
    training = run(begun(line * 8, cell=cell, engine=engine_name, hidden_size=40, steps=250, lr=0.01, **streams))
    assert charrnn.score(training.latest, line).nats_per_char < 0.1
    greedy = charrnn.SamplingConfig(temp=0)
    assert "".join(charrnn.generate(training.latest, prime=line, length=len(line), config=greedy)) == line


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(optimizer: str) -> None:
    before, after = mean_losses(begun(optimizer=optimizer, steps=60, weight_decay=1e-4), TEXT)
    assert after < before - 0.3


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_lowers_the_loss(schedule: str) -> None:
    before, after = mean_losses(begun(schedule=schedule, steps=60, lr=0.01, warmup=10), TEXT)
    assert after < before - 0.3


@pytest.mark.parametrize("length", [2, 3, 10, 99, 1000])
def test_texts_of_any_length_train(length: int) -> None:
    training = run(train((TEXT * 2)[:length], hidden_size=8, steps=5, seed=1))
    assert training.state.counters.step == 5
    assert training.best.size == sum(p.size for p in training.state.params.values())
    (row,) = training.history
    assert math.isfinite(row.train_loss)
    assert (row.val_loss is None) == (length < 1000)


@pytest.mark.parametrize("text", ["", "a", b"", b"a"])
def test_a_text_of_less_than_two_characters_is_refused(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="needs two characters"):
        train(text, steps=1)


def test_no_steps_leave_the_first_weights() -> None:
    training = run(begun(steps=0))
    np.testing.assert_array_equal(flat(training.best.params), flat(begun(steps=5).state.params))
    assert [(row.step, row.train_loss) for row in training.history] == [(0, None)]


# It follows from its seed


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bytes(threads: int, engine_name: str, tmp_path: Path) -> None:
    options = {"steps": 15, "dropout": 0.3, "threads": threads, "engine": engine_name}
    first, again = (files(run(begun(**options)), tmp_path) for _ in range(2))
    assert first == again


def test_another_seed_gives_other_weights() -> None:
    one, other = (run(begun(steps=2, seed=seed)).state.params for seed in (1, 2))
    assert all((one[name] != other[name]).any() for name in one)


def test_two_threads_agree_with_one_to_rounding(engine_name: str) -> None:
    options = {"steps": 15, "dropout": 0.3, "engine": engine_name}
    one, two = (run(begun(threads=threads, **options)).state for threads in (1, 2))
    np.testing.assert_allclose(flat(one.params), flat(two.params), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(one.state, two.state, rtol=1e-3, atol=1e-4)


# It can be left and taken up

BORDERS = {"dropout": 0.3, "layers": 2, "eval_every": 5}
"""Of evaluations, beside those of the epochs, which have eleven steps."""


@pytest.mark.parametrize("steps", [0, 3, 5, 8, 11, 17, 25])
@pytest.mark.parametrize(("cell", "optimizer"), [("lstm", "adam"), ("gru", "sgd")])
def test_some_steps_and_the_rest_equal_all_at_once(
    steps: int, cell: str, optimizer: str, engine_name: str, tmp_path: Path
) -> None:
    options = BORDERS | {"cell": cell, "optimizer": optimizer, "engine": engine_name}
    whole = run(begun(steps=25, **options))
    assert whole.streams.chunks == 11
    part = run(begun(steps=steps, **options))
    assert part.state.counters.step == steps
    assert files(run(taken_up(part, TEXT, tmp_path, steps=25)), tmp_path) == files(whole, tmp_path)


LEFT = BORDERS | {"steps": 23, "schedule": "cosine", "warmup": 4, "threads": 2}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[bytes, bytes], int]:
    """The files of a training that was never left, and how often it yields."""
    training = begun(**LEFT)
    yields = sum(1 for _ in training)
    return files(training, tmp_path_factory.mktemp("uninterrupted")), yields


@hypothesis(deadline=None, max_examples=25)
@given(data=st.data())
def test_it_may_be_left_at_any_yield(
    uninterrupted: tuple[tuple[bytes, bytes], int], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    expected, yields = uninterrupted
    folder = tmp_path_factory.mktemp("left")
    training = begun(**LEFT)
    for left_after in sorted(data.draw(st.lists(st.integers(1, yields), min_size=1, max_size=3))):
        for n, _ in enumerate(training, 1):
            if n == left_after:
                break
        training = taken_up(training, TEXT, folder)
    assert files(run(training), folder) == expected


def test_a_finished_training_taken_up_stays_as_it_is(tmp_path: Path) -> None:
    training = run(begun(steps=12, **BORDERS))
    before = files(training, tmp_path)
    assert files(run(taken_up(training, TEXT, tmp_path)), tmp_path) == before


def test_another_corpus_is_refused(tmp_path: Path) -> None:
    training = run(begun(steps=2))
    with pytest.raises(CorpusError, match="not the one"):
        taken_up(training, TEXT + ".", tmp_path)


@pytest.mark.parametrize(
    "option",
    [
        {"cell": "gru"},
        {"hidden_size": 17},
        {"layers": 2},
        {"batch_size": 9},
        {"seq_length": 17},
        {"optimizer": "sgd"},
        {"val_fraction": 0.2},
        {"seed": 2},
    ],
    ids=lambda option: next(iter(option)),
)
def test_what_is_fixed_can_not_change_on_the_way(option: dict[str, Any], tmp_path: Path) -> None:
    training = run(begun(steps=2))
    (name,) = option
    with pytest.raises(ConfigError, match=f"{name} is .* can't become"):
        taken_up(training, TEXT, tmp_path, **option)
    assert taken_up(training, TEXT, tmp_path, **{name: (SMALL | {"cell": "lstm", "optimizer": "adam"}).get(name, 0.1)})


def test_what_is_free_may_change_on_the_way(tmp_path: Path) -> None:
    training = run(begun(steps=2))
    rest = taken_up(training, TEXT, tmp_path, steps=4, lr=0.5, dropout=0.25, eval_every=3, threads=2, clip=1)
    assert [p.lr for p in rest if p.chars] == [0.5, 0.5]
    assert rest.state.model_config.dropout == 0.25
    assert [row.step for row in rest.history] == [3, 4]


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no training to resume"):
        training_file.load_state(tmp_path / "none.resume.safetensors")


# What it tells of itself


def test_it_yields_each_step_and_each_evaluation() -> None:
    training = begun(steps=12, eval_every=5)
    progress = list(training)
    assert [p.step for p in progress if p.chars] == list(range(1, 13))
    assert [p.step for p in progress if p.evaluation] == [5, 10, 12]
    assert [p.evaluation for p in progress if p.evaluation] == training.history
    T = [training.training_data.chunk(0, k)[0].shape[0] for k in range(training.training_data.chunks)]
    assert [p.chars for p in progress if p.chars] == [8 * T[k % len(T)] for k in range(12)]
    assert [p.epoch for p in progress if p.chars] == [k // len(T) for k in range(1, 13)]


@pytest.mark.parametrize("afresh", [RESET_EVERY, 3])
def test_the_state_is_carried_until_the_epoch_ends_or_the_stream_begins_afresh(
    afresh: int, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.dataset.streams.RESET_EVERY", afresh)
    training = begun(steps=15, lr=0, engine=engine_name, layers=2)
    model, streams = training.latest, training.training_data
    expected, seen = model.zero_state(streams.rows), 0
    for progress in training:
        if progress.chars:
            at = training.state.counters
            inputs, targets = streams.chunk(at.offset, seen % streams.chunks)
            if seen % streams.chunks == 0:
                expected = model.zero_state(streams.rows)
            for row in range(streams.rows):
                if row % afresh == seen % streams.chunks % afresh:
                    expected[:, :, row] = 0
            logits, expected = model.forward(inputs, expected)
            np.testing.assert_allclose(training.state.rnn_state, expected, rtol=1e-4, atol=1e-5)
            told = np.take_along_axis(log_softmax(logits), targets[..., None].astype(int), axis=-1)
            assert progress.loss == pytest.approx(-told.mean(), rel=1e-5)
            seen += 1
    assert seen == 15 > streams.chunks


def test_the_training_loss_of_a_row_is_the_mean_since_the_row_before() -> None:
    training = begun(steps=12, eval_every=5)
    losses = [p.loss for p in training if p.chars]
    means = [np.mean(losses[a:b]) for a, b in ((0, 5), (5, 10), (10, 12))]
    np.testing.assert_allclose([row.train_loss for row in training.history], means)


@pytest.mark.parametrize("steps", [10, 12])
def test_validation_reads_all_of_the_held_out_text(steps: int) -> None:
    text = TEXT * 2  # more than one chunk of `Model.losses` is held out
    training = run(begun(text, steps=steps, eval_every=5, val_fraction=0.45))
    held_out = text[len(text) - int(len(text) * 0.45) :]
    scored = charrnn.score(training.latest, held_out)
    assert scored.chars == len(held_out) == training.state.corpus.validation > 1024
    assert training.history[-1].val_loss == pytest.approx(scored.nats_per_char, rel=1e-6)


@pytest.mark.parametrize("size", [160, 161, 399, 400, 1111, 5000])
def test_a_long_text_read_in_parts_has_the_same_loss(
    size: int, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run(begun(TEXT * 4, steps=30, engine=engine_name, layers=2)).latest
    ids = model.vocabulary.encode((TEXT * 4)[:size])
    nats = sum(nats for nats, _ in model.losses(ids))
    for name, value in (("PART", 80), ("BEFORE", 300), ("CHUNK", 100)):
        monkeypatch.setattr(reading, name, value)
    pieces = list(split.ValidationStream(ids).losses(model))
    assert sum(chars for _, chars in pieces) == size
    assert sum(nats for nats, _ in pieces) == pytest.approx(nats, rel=1e-5)


def test_dropout_does_not_disturb_the_validation() -> None:
    training = run(begun(steps=10, dropout=0.9))
    scored = charrnn.score(training.latest, TEXT[-training.validation_data.size :])
    assert training.history[-1].val_loss == pytest.approx(scored.nats_per_char, rel=1e-6)


def test_the_best_weights_are_those_of_the_best_evaluation() -> None:
    training, copies = begun(NOISE, steps=120, eval_every=10, lr=0.02, val_fraction=0.3), {}
    for progress in training:
        if progress.evaluation:
            copies[progress.step] = flat(training.latest.params).copy()
    best = min(training.history, key=lambda row: row.val_loss)
    assert best.step < 120, "noise that is learned by heart is expected ever less well"
    assert training.best_step == best.step
    np.testing.assert_array_equal(flat(training.best.params), copies[best.step])
    assert charrnn.score(training.best, NOISE[-180:]).nats_per_char == pytest.approx(best.val_loss, rel=1e-6)


def test_where_nothing_is_held_out_the_latest_weights_are_the_best() -> None:
    training = run(begun(steps=12, eval_every=5, val_fraction=0))
    assert [row.val_loss for row in training.history] == [None] * 3
    assert training.best_step == 12
    np.testing.assert_array_equal(flat(training.best.params), flat(training.state.params))


def test_evaluations_become_rarer_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.trainer.MAX_DENSE_EVALUATIONS", 4)
    options: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 8, "seed": 1, "engine": "numpy"}
    done = run(train(TEXT, steps=70, eval_every=2, **options))
    assert [row.step for row in done.history] == [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 70]


def test_a_rehearsal_leaves_no_trace() -> None:
    options: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 8, "steps": 12, "seed": 1}
    options |= {"dropout": 0.3, "drop_connect": 0.2, "average": 0.9, "eval_every": 5, "threads": 2, "engine": "numpy"}
    plain, rehearsed = train(TEXT, **options), train(TEXT, **options)
    for progress in rehearsed:
        if progress.step == 7:
            break
    rehearsed.rehearse()
    rehearsed.rehearse()
    run(rehearsed)
    run(plain)
    for group in ("params", "moments", "average", "best"):
        ours, theirs = getattr(rehearsed.state, group), getattr(plain.state, group)
        assert {name: p.tobytes() for name, p in ours.items()} == {name: p.tobytes() for name, p in theirs.items()}
    assert rehearsed.history == plain.history
    assert rehearsed.state.counters == plain.state.counters


def test_a_divergence_is_told_before_it_reaches_the_weights() -> None:
    start = run(begun(steps=0)).latest
    huge = {name: np.float32(3e38) * np.sign(p) for name, p in start.params.items()}
    training = begun(init_from=replace(start, params=huge), steps=5, optimizer="sgd", lr=1e6, clip=0)
    with pytest.raises(DivergenceError, match="diverged at step 1: try a lower --lr"):
        run(training)
    assert (training.state.counters.step, training.state.counters.tries) == (0, 0)
    np.testing.assert_array_equal(flat(training.state.params), flat(huge))


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_overflow_are_told_and_not_evaluated(cell: str, engine_name: str) -> None:
    wild = {"optimizer": "sgd", "lr": 1e6, "weight_decay": 1e3, "clip": 0}
    training = begun(steps=40, eval_every=1, cell=cell, engine=engine_name, **wild)
    with pytest.raises(DivergenceError, match=r"diverged (at|before) step [1-9]: try a lower --lr"):
        run(training)
    assert len(training.history) == training.state.counters.step < 9
    assert np.isfinite(flat(training.state.params)).all()


def test_a_rate_that_is_too_high_is_halved_until_it_is_not() -> None:
    training = begun(steps=60, eval_every=20, optimizer="sgd", lr=200, clip=0)
    found = list(training)
    taken_back = [progress for progress in found if progress.diverged is not None]
    assert 1 <= len(taken_back) <= MAX_ROLLBACKS
    assert [progress.lr for progress in taken_back] == [200 / 2**n for n in range(1, len(taken_back) + 1)]
    assert training.state.counters.tries == len(taken_back)
    assert (training.state.counters.step, training.state.training_config.lr) == (60, 200 / 2 ** len(taken_back))
    assert all(progress.step in (0, 20, 40) for progress in taken_back)
    assert min(row.val_loss for row in training.history) < math.log(len(training.state.vocabulary))
    again = begun(steps=60, eval_every=20, optimizer="sgd", lr=200, clip=0)
    run(again)
    np.testing.assert_array_equal(flat(again.state.params), flat(training.state.params))


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_poisoned_gradient_costs_the_steps_since_the_last_evaluation(poison: float, monkeypatch: Any) -> None:
    training, poisoned = begun(steps=30, eval_every=10), []
    real = training._loss_and_gradients

    def once(*args: Any) -> Any:
        loss, grads, state = real(*args)
        if training.state.counters.step == 17 and not poisoned:
            poisoned.append(True)
            grads["W_hh0"][0, 0] = poison
        return loss, grads, state

    monkeypatch.setattr(training, "_loss_and_gradients", once)
    at_ten = None
    for progress in training:
        if progress.evaluation and progress.step == 10:
            at_ten = training.state.copy()
        if progress.diverged is not None:
            assert (progress.diverged, progress.step, training.state.counters.tries) == (17, 10, 1)
            np.testing.assert_array_equal(flat(training.state.params), flat(at_ten.params))
            np.testing.assert_array_equal(flat(training.state.moments), flat(at_ten.moments))
            np.testing.assert_array_equal(training.state.rnn_state, at_ten.state)
            assert training.state.rng.bit_generator.state == at_ten.rng.bit_generator.state
            assert training.state.training_config == replace(at_ten.training, lr=at_ten.training.lr / 2)
    assert (training.state.counters.step, len(training.history)) == (30, 3)
    assert training.history[-1].val_loss < training.history[0].val_loss


def test_a_loss_that_explodes_is_a_divergence() -> None:
    training = begun(steps=30, eval_every=10)
    for progress in training:
        if progress.step == 15 and progress.diverged is None and not training.state.counters.tries:
            training.state.params["W_out"] *= 1000
    assert training.state.counters.tries == 1
    assert training.history[-1].val_loss < training.history[0].val_loss


def test_a_network_that_does_not_fit_is_refused_before_it_is_made() -> None:
    with pytest.raises(ConfigError, match=r"would take about [\d.]+ GB of memory, and [\d.]+ GB are free: a smaller"):
        begun(hidden_size=65_000, layers=64, steps=1)


def test_a_training_that_does_not_fit_here_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    training = run(begun(steps=1))
    monkeypatch.setattr(footprint, "available", lambda: 1 << 20)
    with pytest.raises(ConfigError, match=r"about [\d.]+ GB of memory, and 0\.0 GB are free: fewer --threads"):
        resume(from_text(TEXT), training.state, steps=2)


@pytest.mark.parametrize("change", [{"hidden_size": 2}, {"layers": 2}, {"batch_size": 2}, {"seq_length": 2}])
def test_more_of_anything_takes_more_memory(change: dict[str, int]) -> None:
    model, config = ModelConfig(65, "lstm", 100, 1), TrainingConfig(1, 32, 64)
    (name, factor), *_ = change.items()
    more = [replace(c, **{name: getattr(c, name) * factor}) if hasattr(c, name) else c for c in (model, config)]
    assert (
        memory_estimate.estimate(*more, 10**6)
        > memory_estimate.estimate(model, config, 10**6)
        > memory_estimate.BASE_BYTES
    )


# Rates and gradients


def rates(points: Iterable[tuple[int, int]], **options: Any) -> list[float]:
    """The rate at some (step, epoch), where it is 1 before any schedule."""
    config = TrainingConfig(lr=1, **({"steps": 100} | options))
    return [schedules.learning_rate(step, epoch, config) for step, epoch in points]


def test_the_constant_rate() -> None:
    assert rates([(0, 0), (50, 30), (99, 90), (1000, 0)], schedule="constant") == [1, 1, 1, 1]


def test_the_step_schedule_falls_by_the_epoch() -> None:
    points = [(0, 0), (50, 10), (51, 11), (99, 13), (1000, 13)]
    assert rates(points, schedule="step") == pytest.approx([1, 1, 0.97, 0.97**3, 0.97**3])
    points = [(0, 0), (1, 1), (2, 2)]
    assert rates(points, schedule="step", lr_decay=0.5, lr_decay_after=0) == [1, 0.5, 0.25]


def test_the_linear_schedule_falls_to_zero() -> None:
    points = [(0, 0), (25, 9), (50, 0), (99, 0), (100, 0), (200, 0)]
    assert rates(points, schedule="linear") == pytest.approx([1, 0.75, 0.5, 0.01, 0, 0])


def test_the_cosine_schedule_falls_to_zero() -> None:
    points = [(0, 0), (25, 9), (50, 0), (75, 0), (100, 0), (200, 0)]
    r = 0.5**0.5 / 2
    assert rates(points, schedule="cosine") == pytest.approx([1, 0.5 + r, 0.5, 0.5 - r, 0, 0])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_over_the_warmup_and_no_further(schedule: str) -> None:
    points = [(0, 0), (4, 0), (8, 0), (9, 0)]
    assert rates(points, schedule=schedule, warmup=9) == pytest.approx([0.1, 0.5, 0.9, 1])
    assert max(rates(((step, 0) for step in range(100)), schedule=schedule, warmup=9)) == 1


def test_linear_and_cosine_fall_over_what_the_warmup_leaves() -> None:
    for schedule in ("linear", "cosine"):
        assert rates([(20, 0), (60, 0), (100, 0)], schedule=schedule, warmup=20) == pytest.approx([1, 0.5, 0])


def test_linear_and_cosine_can_be_held_and_fall_faster() -> None:
    points = [(0, 0), (30, 0), (50, 0), (70, 0), (100, 0)]
    for schedule in ("linear", "cosine"):
        found = rates(points, schedule=schedule, warmup=10, hold=20, cooldown=40)
        assert found[1:] == pytest.approx([1, 0.5, 0, 0])
        found = rates(points, schedule=schedule, hold=40)
        assert found == pytest.approx([1, 1, 1 - (10 / 60 if schedule == "linear" else 0.0669873), 0.5, 0], abs=1e-6)


def test_steps_that_the_rate_is_held_for_do_not_depend_on_the_end() -> None:
    options = {"schedule": "linear", "hold": 12, "eval_every": 5}
    short, long = (run(begun(steps=12, cooldown=n, **options)).state for n in (5, 50))
    np.testing.assert_array_equal(flat(short.params), flat(long.params))


def clipped(**options: Any) -> tuple[float, dict[str, list[float]]]:
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[-4.0]])}
    norm = optimizers.clip(grads, TrainingConfig(steps=1, **options))
    return norm, {name: d.ravel().tolist() for name, d in grads.items()}


def test_clipping_by_norm_scales_all_together() -> None:
    norm, grads = clipped(clip=1)
    assert norm == 5
    assert grads == {"a": pytest.approx([0.6, 0]), "b": pytest.approx([-0.8])}
    assert clipped(clip=5) == clipped(clip=6) == clipped(clip=0) == (5, {"a": [3, 0], "b": [-4]})


def test_clipping_by_value_holds_each_within_bounds() -> None:
    assert clipped(clip=3.5, clip_by="value") == (5, {"a": [3, 0], "b": [-3.5]})
    assert clipped(clip=1, clip_by="value") == (5, {"a": [1, 0], "b": [-1]})
    assert clipped(clip=0, clip_by="value") == (5, {"a": [3, 0], "b": [-4]})


def test_the_rate_and_the_clip_are_those_of_the_steps() -> None:
    training = begun(steps=6, schedule="linear", lr=0.06, optimizer="sgd", momentum=0, clip=1e-3)
    weights = [flat(training.state.params).copy()]
    steps = []
    for progress in training:
        if progress.chars:
            steps.append(progress)
            weights.append(flat(training.state.params).copy())
    assert [p.lr for p in steps] == pytest.approx([0.06, 0.05, 0.04, 0.03, 0.02, 0.01])
    assert all(p.grad_norm > 1e-3 for p in steps)
    moved = [float(np.linalg.norm(after - before)) for before, after in pairwise(weights)]
    assert moved == pytest.approx([p.lr * 1e-3 for p in steps], rel=1e-2)


# Another model's weights


def test_it_starts_from_another_models_weights_and_leaves_them_alone() -> None:
    model = run(begun(steps=5)).latest
    before = flat(model.params).copy()
    training = train(TEXT[:200], init_from=model, steps=3, seed=2)
    np.testing.assert_array_equal(flat(training.state.params), before)
    assert training.state.vocabulary == model.vocabulary != from_text(TEXT[:200]).vocabulary
    assert (training.state.model_config.hidden_size, training.state.model_config.layers) == (16, 1)
    assert (flat(run(training).latest.params) != before).any()
    np.testing.assert_array_equal(flat(model.params), before)


def test_it_can_not_start_from_a_model_that_does_not_fit() -> None:
    model = run(begun(steps=1)).latest
    with pytest.raises(VocabularyError, match="U\\+0416"):
        train(TEXT + "Ж", init_from=model)
    with pytest.raises(VocabularyError, match="--bytes"):
        train(TEXT.encode(), init_from=model)
    for option in ({"cell": "gru"}, {"hidden_size": 32}, {"layers": 2}):
        with pytest.raises(ConfigError, match="another"):
            train(TEXT, init_from=model, **option)
    assert train(TEXT, init_from=model, cell="lstm", hidden_size=16, layers=1)


# What keeps a network from learning by heart


def test_a_locked_mask_is_the_same_for_a_whole_chunk() -> None:
    rng, config = np.random.default_rng(0), ModelConfig(5, "lstm", 64, 2, dropout=0.25)
    free = dropout.dropout_masks(config, 40, 30, rng)
    locked = dropout.dropout_masks(replace(config, locked=True), 40, 30, rng)
    assert (free.shape, locked.shape) == ((2, 40, 30, 64), (2, 1, 30, 64))
    for mask in (free, locked):
        assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
        assert mask.mean() == pytest.approx(1, abs=0.05)
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("dropped", [1e-9, 1e-4, 0.5, 0.99])
def test_masks_keep_the_mean_for_any_probability(dropped: float) -> None:
    masks = dropout.dropout_masks(ModelConfig(5, "rnn", 100, 1, dropout=dropped), 50, 200, np.random.default_rng(1))
    assert masks.mean() == pytest.approx(1, abs=0.03)


def test_what_drop_connect_leaves_out_of_a_step_the_step_does_not_change(engine_name: str) -> None:
    training = begun(steps=1, drop_connect=0.5, optimizer="sgd", clip=0, engine=engine_name)
    before = training.state.params["W_hh0"].copy()
    (masks,) = dropout.dropconnect_masks(
        training.state.model_config, training.engine, np.random.Generator(_ahead(training))
    ).values()
    after = run(training).state.params["W_hh0"]
    assert 0.4 < (masks == 0).mean() < 0.6
    np.testing.assert_array_equal(after[masks == 0], before[masks == 0])
    assert (after[masks > 0] != before[masks > 0]).mean() > 0.9


def _ahead(training: Trainer) -> np.random.BitGenerator:
    """A copy of the random state of a training, as it will be when the masks of its first step are drawn."""
    rng = copy.deepcopy(training.state.rng)
    rng.integers(training.training_data.offsets)
    return rng.bit_generator


@pytest.mark.parametrize("option", [{"drop_connect": 0.4}, {"dropout": 0.4, "locked": True}, {"average": 0.9}])
def test_runs_with_them_can_be_left_and_taken_up(option: dict[str, Any], engine_name: str, tmp_path: Path) -> None:
    options = option | {"engine": engine_name, "eval_every": 5, "layers": 2}
    whole = run(begun(steps=25, **options))
    part = run(begun(steps=13, **options))
    again = run(taken_up(part, TEXT, tmp_path, steps=25))
    assert files(whole, tmp_path) == files(again, tmp_path)


def test_the_average_is_that_of_the_formula() -> None:
    training = begun(steps=9, average=0.6)
    expected = {name: p.copy() for name, p in training.state.params.items()}
    for progress in training:
        if progress.chars:
            alpha = min(0.6, (1 + progress.step) / (10 + progress.step))
            for name, p in training.state.params.items():
                expected[name] = alpha * expected[name] + (1 - alpha) * p
    np.testing.assert_allclose(flat(training.state.ema), flat(expected), rtol=1e-4, atol=1e-6)


def test_the_average_is_kept_where_it_is_better() -> None:
    training = run(begun(TEXT * 4, steps=120, lr=0.08, average=0.97, eval_every=20))
    assert any(row.averaged for row in training.history)
    best = min(training.history, key=lambda row: row.rank)
    assert best.averaged
    tail = training.validation_data.ids
    nats = sum(nats for nats, _ in training.best.losses(tail))
    assert nats / len(tail) == pytest.approx(best.val_loss, rel=1e-5)
    plain = run(begun(TEXT * 4, steps=120, lr=0.08, eval_every=20))
    assert best.val_loss < min(row.val_loss for row in plain.history)


def test_an_average_can_begin_and_end_on_the_way(tmp_path: Path) -> None:
    part = run(begun(steps=10))
    again = run(taken_up(part, TEXT, tmp_path, steps=20, average=0.9))
    assert set(again.state.ema) == set(again.state.params)
    assert run(taken_up(again, TEXT, tmp_path, steps=25, average=0.0)).state.ema == {}


def test_patience_ends_a_run_that_learns_by_heart() -> None:
    noise = "".join(np.random.default_rng(1).choice(list("abcdefgh"), 1500))
    training = run(begun(noise, steps=3000, lr=0.02, eval_every=10, patience=3))
    losses = [row.val_loss for row in training.history]
    assert training.out_of_patience
    assert losses.index(min(losses)) == len(losses) - 4
    assert training.state.counters.step == 10 * len(losses) < 3000
    assert training.best_step == 10 * (len(losses) - 3)


@pytest.mark.parametrize(("option", "value"), [("patience", 3), ("average", 0.9)])
def test_what_compares_validation_losses_needs_some(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"--{option}"):
        begun(val_fraction=0, **{option: value})


# The recipe


def test_the_recipe_completes_the_options() -> None:
    corpus = from_text(TEXT * 40)
    model, config = options.plan(corpus, {"steps": 7})
    assert model == ModelConfig(len(corpus.vocabulary))
    assert config == TrainingConfig(7, seed=config.seed, threads=config.threads, engine=config.engine)
    assert config.threads == cores.available_cores() >= 1


@pytest.mark.parametrize("option", [{"steps": 70}, {"epochs": 3}])
def test_a_run_of_given_length_keeps_the_step_schedule(option: dict[str, int]) -> None:
    _, config = options.plan(from_text(TEXT * 40), option)
    assert config.schedule == "step"
    assert config.steps == option.get("steps", 3 * begun(TEXT * 40, batch_size=50, seq_length=50).streams.chunks)


@pytest.mark.parametrize(
    ("optimizer", "lr"), [("adam", 5e-3), ("adamw", 5e-3), ("rmsprop", 2e-3), ("adagrad", 0.1), ("sgd", 0.1)]
)
def test_the_rate_is_the_optimizers(optimizer: str, lr: float) -> None:
    corpus = from_text(TEXT)
    assert options.plan(corpus, {"steps": 1, "optimizer": optimizer})[1].lr == lr
    assert options.plan(corpus, {"steps": 1, "optimizer": optimizer, "lr": 0.5})[1].lr == 0.5


def test_the_seed_is_drawn_where_none_is_given() -> None:
    seeds = {options.plan(from_text(TEXT), {"steps": 1})[1].seed for _ in range(5)}
    assert len(seeds) > 1
    assert all(0 <= seed < 1_000_000 for seed in seeds)


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that learns with a billion operations a second."""
    monkeypatch.setattr(recipe, "speed", lambda engine, threads, model, B, T: 1e9 / budget.operations(model))


def test_in_a_given_time_what_is_not_given_is_chosen(slow_machine: None) -> None:
    corpus = from_text(TEXT * 40)
    found = autoconfig.fit_to_time(
        corpus, {"seed": 3, "cell": "gru", "eval_every": 7, "engine": "numpy"}, Deadline(100, 0.6)
    )
    assert found.items() >= {"seed": 3, "cell": "gru", "eval_every": 7, "engine": "numpy", "schedule": "linear"}.items()
    model, config = options.plan(corpus, found)
    assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, abs=1)
    read = config.steps * begun(corpus, batch_size=config.batch_size, seq_length=config.seq_length).streams.per_step
    assert read * budget.operations(model) == pytest.approx(100e9, rel=0.1)
    assert config.val_fraction == 0.1


def test_a_text_too_long_to_validate_on_in_time_is_held_out_in_part(slow_machine: None) -> None:
    corpus, pace = from_text(TEXT * 700), Deadline(20, 0.6)
    found = autoconfig.fit_to_time(corpus, {"hidden_size": 128}, pace)
    assert 0.001 < found["val_fraction"] < 0.1
    assert pace.evaluation == pytest.approx(20 / 15, rel=0.5)
    assert autoconfig.fit_to_time(corpus, {"hidden_size": 128, "val_fraction": 0.2}, pace)["val_fraction"] == 0.2


@pytest.mark.parametrize(("option", "schedule"), [({"lr_decay": 0.5}, "step"), ({"schedule": "constant"}, "constant")])
def test_a_schedule_that_does_not_anneal_is_not_told_when_to(
    option: dict[str, Any], schedule: str, slow_machine: None
) -> None:
    found = autoconfig.fit_to_time(from_text(TEXT * 40), option, Deadline(10, 0.6))
    assert found["schedule"] == schedule
    assert not {"hold", "cooldown"} & set(found)


@pytest.mark.parametrize("option", ["hold", "cooldown"])
def test_in_a_given_time_the_rate_can_not_be_told_when_to_fall(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is only for a known length"):
        train(TEXT, time=5, **{option: 10})


def test_the_same_time_of_another_engine_is_kept(engine_name: str) -> None:
    began, seconds = time.monotonic(), 6
    training = run(train(TEXT, time=seconds, hidden_size=16, engine=engine_name, seed=1))
    took = time.monotonic() - began
    assert 0.8 * seconds < took < (1.5 * seconds if engine_name == "numpy" else 60)  # which may have to compile
    assert training.state.training_config.engine == engine_name
    assert training.state.counters.step == training.state.training_config.steps


def test_an_average_doubles_what_an_evaluation_takes(slow_machine: None) -> None:
    paces = [Deadline(100, 0.6) for _ in range(2)]
    for pace, options in zip(paces, ({}, {"average": 0.9}), strict=True):
        autoconfig.fit_to_time(from_text(TEXT * 40), {"hidden_size": 32, "val_fraction": 0.1} | options, pace)
    assert paces[1].evaluation == pytest.approx(2 * paces[0].evaluation)


@pytest.mark.parametrize("more", [{"steps": 60}, {"epochs": 6}, {"time": 3}])
def test_a_run_whose_rate_has_fallen_is_never_gone_on_with_at_a_rate_of_zero(
    more: dict[str, Any], tmp_path: Path
) -> None:
    ended = run(begun(steps=30, schedule="linear", warmup=4, hold=10, cooldown=16))
    again = taken_up(ended, TEXT, tmp_path, **more)
    rates = [progress.lr for progress in again if progress.chars]
    assert rates[0] == pytest.approx(0.005)
    assert min(rates) > 0
    assert rates == sorted(rates, reverse=True)
    assert again.state.counters.step > 50
    assert rates[-1] < 0.001


def test_a_fall_that_was_planned_is_gone_on_with(tmp_path: Path) -> None:
    options = {"schedule": "linear", "warmup": 2, "hold": 10, "cooldown": 18, "eval_every": 5}
    whole, part = run(begun(steps=30, **options)), run(begun(steps=17, **options))
    assert files(whole, tmp_path) == files(run(taken_up(part, TEXT, tmp_path, steps=30)), tmp_path)


def test_what_was_told_when_to_fall_can_become_what_does_not(tmp_path: Path) -> None:
    part = run(begun(steps=5, schedule="linear", hold=10, cooldown=18))
    assert run(taken_up(part, TEXT, tmp_path, steps=9, schedule="constant")).state.training_config.hold == 0
    with pytest.raises(ConfigError, match="linear or cosine"):
        taken_up(run(begun(steps=5)), TEXT, tmp_path, steps=9, cooldown=3)
    with pytest.raises(ConfigError, match="cooldown"):
        taken_up(part, TEXT, tmp_path, time=9, cooldown=3)


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="no option hiden_size, step"):
        options.check({"hiden_size": 3, "step": 1})
    with pytest.raises(ConfigError, match="vocab_size"):
        options.check({"vocab_size": 3})


@pytest.mark.parametrize(
    "option",
    [
        {"lr": math.nan},
        {"lr": -1.0},
        {"dropout": 1.0},
        {"drop_connect": 1.0},
        {"average": 1.0},
        {"patience": -1},
        {"hold": -1},
        {"cooldown": -1},
        {"steps": 9, "hold": 5},
        {"steps": 9, "schedule": "step", "cooldown": 5},
        {"time": 0},
        {"time": math.nan},
        {"time": "3m"},
        {"steps": -1},
        {"epochs": -1},
        {"cell": "cnn"},
        {"optimizer": "foo"},
        {"schedule": "foo"},
        {"clip_by": "foo"},
        {"val_fraction": 1.0},
        {"batch_size": 0},
        {"threads": 0},
        {"steps": 1.5},
        {"steps": True},
        {"hidden_size": "16"},
        {"epochs": 10**400},
        {"engine": "foo"},
        {"clip": math.inf},
    ],
    ids=lambda option: "{}={:.9}".format(*(str(part) for part in next(iter(option.items())))),
)
def test_settings_out_of_range_are_refused(option: dict[str, Any]) -> None:
    *_, name = option
    with pytest.raises(ConfigError, match=name):
        train(TEXT, **option)


@pytest.mark.parametrize("kind", [ModelConfig, TrainingConfig, SamplingConfig, CorpusInfo, Evaluation, Counters])
@pytest.mark.parametrize(
    "value", [10**400, -(10**400), math.inf, -math.inf, math.nan, "5", b"5", True, [5], 5j], ids=lambda v: f"{v!r:.9}"
)
def test_what_is_no_number_is_refused_wherever_one_is_wanted(kind: type[Config], value: Any) -> None:
    good = {"vocab_size": 5, "steps": 1, "name": "a", "size": 1, "digest": "", "training": 2, "validation": 0}
    good |= {"step": 1, "epoch": 1, "lr": 0.1, "train_loss": None, "val_loss": None}
    given = {f.name: good[f.name] for f in fields(kind) if f.default is MISSING}
    kind(**given)
    numeric = [f.name for f in fields(kind) if f.type in (int, float, float | None)]
    for name in numeric:
        with pytest.raises(ConfigError, match=f"^{name} (must be|can't be)"):
            kind(**given | {name: value})
    assert numeric


# The public face, as its docstring shows it


def test_the_public_face(tmp_path: Path) -> None:
    training = charrnn.train(TEXT, epochs=2, seed=1, hidden_size=16, batch_size=8, seq_length=16, engine="numpy")
    told = [(progress.step, progress.loss) for progress in training]
    assert told[0][0] == 1
    assert told[-1][0] == training.state.counters.step == 2 * training.training_data.chunks
    assert all(math.isfinite(loss) for _, loss in told)

    text = "".join(charrnn.generate(training.best, length=200, seed=1))
    assert len(text) == 200
    assert set(text) <= set(TEXT)
    sample, second = charrnn.samples(training.best, count=2, length=200, seed=1)
    assert (sample.text, sample.seed, second.seed) == (text, 1, 2)

    scored = charrnn.score(training.best, "It is a truth")
    assert scored.chars == 13
    assert scored.bpc == pytest.approx(scored.nats / math.log(2) / 13)
    assert sample.bpc == pytest.approx(charrnn.score(training.best, text).bpc)

    path = tmp_path / "m.safetensors"
    charrnn.save(path, model_file.Checkpoint(training.best))
    model = charrnn.load(path).model
    assert "".join(charrnn.generate(model, length=200, seed=1)) == text
    assert charrnn.score(model, TEXT) == charrnn.score(training.best, TEXT)


def test_the_public_face_hands_on_all_that_it_promises() -> None:
    assert {name for name in charrnn.__all__ if callable(getattr(charrnn, name))} == set(charrnn.__all__)
    assert dir(charrnn) == sorted(charrnn.__all__)
    assert charrnn.Checkpoint is model_file.Checkpoint
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = charrnn.trian


def test_bytes_give_a_model_of_bytes() -> None:
    training = run(begun(bytes(range(256)) * 4, steps=3))
    assert training.best.vocabulary.is_bytes
    assert len("".join(charrnn.generate(training.best, length=64)).encode("utf-8", "surrogateescape")) == 64
