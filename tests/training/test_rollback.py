"""The rollback: a training that diverges goes back to its last good state, or says that it diverged."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from charrnn.errors import DivergenceError
from charrnn.training.divergence import MAX_ROLLBACKS
from charrnn.training.trainer import Trainer
from support.cells import CELLS, cell_options
from support.processes import TEXT
from support.trainings import flat, run, start_in


def start(text: str | bytes = TEXT, **options: Any) -> Trainer:
    return start_in("stream", text, **options)


def test_a_divergence_is_found_before_it_reaches_the_weights() -> None:
    model = run(start(steps=0)).latest
    huge = {name: np.float32(3e38) * np.sign(p) for name, p in model.params.items()}
    trainer = start(init_from=replace(model, params=huge), steps=5, val_fraction=0, lr=1e6, clip=0)
    with pytest.raises(DivergenceError, match="diverged at step 1: try a lower `lr`"):
        run(trainer)
    assert (trainer.state.counters.step, trainer.state.counters.rollbacks) == (0, 0)
    np.testing.assert_array_equal(flat(trainer.state.params), flat(huge))


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_overflow_are_found_and_not_evaluated(cell: str, engine_name: str) -> None:
    extreme = {"optimizer": "sgd", "lr": 1e6, "weight_decay": 1e3, "clip": 0}
    trainer = start(steps=40, eval_every=1, engine=engine_name, **cell_options(cell), **extreme)
    with pytest.raises(DivergenceError, match=r"diverged (at|before) step [1-9]: try a lower `lr`"):
        run(trainer)
    assert len(trainer.history) == trainer.state.counters.step < 9
    assert np.isfinite(flat(trainer.state.params)).all()


def test_a_learning_rate_that_is_too_high_is_halved_until_it_is_not() -> None:
    trainer = start(steps=60, eval_every=20, optimizer="sgd", lr=200, clip=0)
    found = list(trainer)
    rollbacks = [progress for progress in found if progress.diverged is not None]
    assert 1 <= len(rollbacks) <= MAX_ROLLBACKS
    assert [progress.lr for progress in rollbacks] == [200 / 2**n for n in range(1, len(rollbacks) + 1)]
    assert trainer.state.counters.rollbacks == len(rollbacks)
    assert (trainer.state.counters.step, trainer.state.training_config.lr) == (60, 200 / 2 ** len(rollbacks))
    assert all(progress.step in (0, 20, 40) for progress in rollbacks)
    assert min(row.rank for row in trainer.history) < math.log(len(trainer.state.vocabulary))
    again = run(start(steps=60, eval_every=20, optimizer="sgd", lr=200, clip=0))
    np.testing.assert_array_equal(flat(again.state.params), flat(trainer.state.params))


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_poisoned_gradient_costs_the_steps_since_the_last_evaluation(poison: float, monkeypatch: Any) -> None:
    trainer, poisoned = start(steps=30, eval_every=10), []
    real = trainer.shards.loss_and_gradients

    def once(*args: Any) -> Any:
        loss, grads, norm, state = real(*args)
        if trainer.state.counters.step == 17 and not poisoned:
            poisoned.append(True)
            grads["W_hh0"][0, 0] = poison
        return loss, grads, norm, state

    monkeypatch.setattr(trainer.shards, "loss_and_gradients", once)
    at_ten, rollbacks = trainer.state, 0
    for progress in trainer:
        s = trainer.state
        if progress.evaluation and progress.step == 10:
            at_ten = s.copy()
        if progress.diverged is not None:
            rollbacks += 1
            assert (progress.diverged, progress.step, s.counters.rollbacks) == (17, 10, 1)
            np.testing.assert_array_equal(flat(s.params), flat(at_ten.params))
            np.testing.assert_array_equal(flat(s.moments), flat(at_ten.moments))
            np.testing.assert_array_equal(s.rnn_state, at_ten.rnn_state)
            assert s.rng.bit_generator.state == at_ten.rng.bit_generator.state
            assert s.training_config == replace(at_ten.training_config, lr=at_ten.training_config.lr / 2)
    assert rollbacks == 1
    assert (trainer.state.counters.step, len(trainer.history)) == (30, 3)
    assert trainer.history[-1].rank < trainer.history[0].rank


def test_a_loss_that_explodes_is_a_divergence() -> None:
    trainer = start(steps=30, eval_every=10)
    for progress in trainer:
        if progress.step == 15 and progress.diverged is None and not trainer.state.counters.rollbacks:
            trainer.state.params["W_out"] *= 1000
    assert trainer.state.counters.rollbacks == 1
    assert trainer.history[-1].rank < trainer.history[0].rank
