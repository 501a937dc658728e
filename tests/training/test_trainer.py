"""The trainer: it learns, follows from its seed alone, and yields what each step does."""

import copy
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import LAYOUTS, OPTIMIZERS, SCHEDULES
from charrnn.layers.softmax import log_softmax
from charrnn.model.masks import Masks
from charrnn.training.trainer import Trainer
from support.cells import CELLS, cell_options
from support.descent import assert_learns
from support.processes import TEXT
from support.trainings import flat, run, saved_bytes, start_in, start_on


def start(text: str | bytes = TEXT, **options: Any) -> Trainer:
    return start_in("stream", text, **options)


def mean_losses(trainer: Trainer, text: str) -> tuple[float, float]:
    """The loss of a text before and after the training."""
    before = charrnn.score(trainer.latest, text).nats_per_char
    return before, charrnn.score(run(trainer).latest, text).nats_per_char


# It learns


@pytest.mark.parametrize("cell", CELLS)
def test_a_tiny_text_can_be_overfitted(cell: str, engine_name: str) -> None:
    line = "the cat sat on the mat, and the rat that the cat had at sat on a hat.\n"
    shape = {"batch_size": 4, "seq_length": 70, "val_fraction": 0}
    trainer = run(
        start(line * 8, engine=engine_name, hidden_size=40, steps=250, lr=0.01, **cell_options(cell), **shape)
    )
    assert charrnn.score(trainer.latest, line).nats_per_char < 0.1
    greedy = charrnn.SamplingConfig(temp=0)
    assert "".join(charrnn.generate(trainer.latest, prime=line, length=len(line), config=greedy)) == line


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(optimizer: str) -> None:
    assert_learns(optimizer)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_lowers_the_loss(schedule: str) -> None:
    before, after = mean_losses(start(schedule=schedule, steps=60, lr=0.01, warmup=10), TEXT)
    assert after < before - 0.3


@pytest.mark.parametrize("length", [2, 3, 10, 99, 1000])
def test_texts_of_any_length_train(length: int) -> None:
    trainer = run(start_on((TEXT * 2)[:length], hidden_size=8, steps=5, seed=1))
    assert trainer.state.counters.step == 5
    assert trainer.best.n_params == sum(p.size for p in trainer.state.params.values())
    (row,) = trainer.history
    assert math.isfinite(row.train_loss or math.nan)
    assert (row.val_loss is None) == (length < 1000)


def test_a_training_of_no_steps_leaves_the_initial_weights() -> None:
    trainer = run(start(steps=0))
    np.testing.assert_array_equal(flat(trainer.best.params), flat(start(steps=5).state.params))
    assert [(row.step, row.train_loss) for row in trainer.history] == [(0, None)]


def test_bytes_give_a_model_of_bytes() -> None:
    trainer = run(start(bytes(range(256)) * 4, steps=3))
    assert trainer.best.vocabulary.is_bytes
    assert len("".join(charrnn.generate(trainer.best, length=64)).encode("utf-8", "surrogateescape")) == 64


# It follows from its seed


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_seed_gives_the_same_bytes(layout: str, threads: int, engine_name: str, tmp_path: Path) -> None:
    options = {"steps": 15 if layout == "stream" else 40, "dropout": 0.3, "threads": threads, "engine": engine_name}
    first, again = (saved_bytes(run(start_in(layout, **options)), tmp_path) for _ in range(2))
    assert first == again


def test_another_seed_gives_other_weights() -> None:
    one, other = (run(start(steps=2, seed=seed)).state.params for seed in (1, 2))
    assert all((one[name] != other[name]).any() for name in one)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_threads_agree_with_one_to_rounding(layout: str, engine_name: str) -> None:
    options = {"steps": 15 if layout == "stream" else 40, "dropout": 0.3, "engine": engine_name}
    one, two = (run(start_in(layout, threads=threads, **options)).state for threads in (1, 2))
    atol = 1e-5 if layout == "stream" else 1e-4
    np.testing.assert_allclose(flat(one.params), flat(two.params), rtol=1e-3, atol=atol)
    if layout == "stream":
        np.testing.assert_allclose(one.rnn_state, two.rnn_state, rtol=1e-3, atol=1e-4)


# What it yields


def test_it_yields_each_step_and_each_evaluation() -> None:
    trainer = start(steps=12, eval_every=5)
    progress = list(trainer)
    assert [p.step for p in progress if p.chars] == list(range(1, 13))
    assert [p.step for p in progress if p.evaluation] == [5, 10, 12]
    assert [p.evaluation for p in progress if p.evaluation] == trainer.history
    data = trainer.training_data
    T = [len(data.epoch(0)(k).inputs) for k in range(data.steps_per_epoch)]
    assert [p.chars for p in progress if p.chars] == [8 * T[k % len(T)] for k in range(12)]
    assert [p.epoch for p in progress if p.chars] == [1 + k // len(T) for k in range(12)]


@pytest.mark.parametrize("reset_every", [100, 3])
def test_the_state_is_carried_until_the_epoch_ends_or_a_stream_is_reset(
    reset_every: int, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.dataset.streams.RESET_EVERY", reset_every)
    trainer = start(steps=15, lr=0, engine=engine_name, layers=2)
    model, data = trainer.latest, trainer.training_data
    expected, seen = model.zero_state(data.batch_size), 0
    for progress in trainer:
        if progress.chars:
            k = seen % data.steps_per_epoch
            batch = data.epoch(trainer.state.counters.order)(k)
            if k == 0:
                expected = model.zero_state(data.batch_size)
            for row in range(data.batch_size):
                if row % reset_every == k % reset_every:
                    expected[:, :, row] = 0
            logits, expected = model.forward(batch.inputs, expected)
            np.testing.assert_allclose(trainer.state.rnn_state, expected, rtol=1e-4, atol=1e-5)
            nll = np.take_along_axis(-log_softmax(logits), batch.targets[..., None].astype(int), axis=-1)
            assert progress.loss == pytest.approx(nll.mean(), rel=1e-5)
            seen += 1
    assert seen == 15 > data.steps_per_epoch


def test_the_rate_and_the_clip_are_those_of_the_steps() -> None:
    trainer = start(steps=6, schedule="linear", lr=0.06, optimizer="sgd", momentum=0, clip=1e-3)
    weights = [flat(trainer.state.params).copy()]
    steps = []
    for progress in trainer:
        if progress.chars:
            steps.append(progress)
            weights.append(flat(trainer.state.params).copy())
    assert [p.lr for p in steps] == pytest.approx([0.06, 0.05, 0.04, 0.03, 0.02, 0.01])
    assert all(p.grad_norm > 1e-3 for p in steps)
    moved = [float(np.linalg.norm(after - before)) for before, after in pairwise(weights)]
    assert moved == pytest.approx([p.lr * 1e-3 for p in steps], rel=1e-2)


def test_a_constant_rate_does_not_depend_on_the_end() -> None:
    options = {"schedule": "linear", "hold": 12, "eval_every": 5}
    short, long = (run(start(steps=12, cooldown=n, **options)).state for n in (5, 50))
    np.testing.assert_array_equal(flat(short.params), flat(long.params))


def test_a_step_does_not_change_the_recurrent_weights_that_drop_connect_drops(engine_name: str) -> None:
    trainer = start(steps=1, drop_connect=0.5, optimizer="sgd", clip=0, engine=engine_name)
    before = trainer.state.params["W_hh0"].copy()
    masks, mask = Masks.draw(trainer.network, _rng_of_first_step(trainer)), np.ones_like(before)
    assert masks is not None
    masks.drop_weights(0, mask, slice(0, len(mask)), mask)
    after = run(trainer).state.params["W_hh0"]
    assert 0.4 < (mask == 0).mean() < 0.6
    np.testing.assert_array_equal(after[mask == 0], before[mask == 0])
    assert (after[mask > 0] != before[mask > 0]).mean() > 0.9


def _rng_of_first_step(trainer: Trainer) -> np.random.Generator:
    """A copy of the random generator of a training, as it will be when the masks of its first step are drawn."""
    rng = copy.deepcopy(trainer.state.rng)
    rng.integers(trainer.training_data.n_orders)
    return rng


def test_a_warm_up_leaves_no_trace() -> None:
    options: dict[str, Any] = {"hidden_size": 8, "batch_size": 4, "seq_length": 8, "steps": 12, "seed": 1}
    options |= {"dropout": 0.3, "drop_connect": 0.2, "ema_decay": 0.9, "eval_every": 5, "threads": 2, "engine": "numpy"}
    plain, warm = start_on(TEXT, **options), start_on(TEXT, **options)
    for progress in warm:
        if progress.step == 7:
            break
    warm.warm_up()
    warm.warm_up()
    run(warm)
    run(plain)
    for group in ("params", "moments", "ema", "best"):
        found, wanted = getattr(warm.state, group), getattr(plain.state, group)
        assert wanted
        assert {name: p.tobytes() for name, p in found.items()} == {name: p.tobytes() for name, p in wanted.items()}
    assert warm.history == plain.history
    assert warm.state.counters == plain.state.counters
