"""The epoch of a step, also where only the model is known."""

import pytest

from charrnn.training.epochs import epoch_of, steps_per_epoch
from charrnn.training.state import Evaluation
from support.trainings import run, start_in


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (1, 1), (7, 1), (8, 2), (14, 2), (15, 3)])
def test_the_last_step_of_an_epoch_lies_in_it(step: int, epoch: int) -> None:
    assert epoch_of(step, 7) == epoch


@pytest.mark.parametrize("layout", ["stream", "lines", "labels", "tags", "translations"])
def test_the_steps_of_an_epoch_follow_from_a_model(layout: str) -> None:
    trainer = run(start_in(layout, steps=12, eval_every=5))
    state, wanted = trainer.state, trainer.training_data.steps_per_epoch
    found = steps_per_epoch(state.corpus, state.training_config, trainer.history)
    for row in trainer.history:
        assert epoch_of(row.step, found) == epoch_of(row.step, wanted) == trainer.epoch_of(row.step)


@pytest.mark.parametrize("S", [1, 2, 7, 50, 120])
def test_without_a_corpus_they_are_the_most_that_the_history_allows(S: int) -> None:
    history = [Evaluation(step, step // S, 0.1, 1.0, 1.0) for step in range(S, 10 * S, S)]
    assert steps_per_epoch(None, None, history) == S
    rows = [Evaluation(step, 0, 0.1, 1.0, 1.0) for step in (3, 6)]
    assert epoch_of(6, steps_per_epoch(None, None, rows)) == 1
    assert epoch_of(0, steps_per_epoch(None, None, [])) == 0


@pytest.mark.parametrize(("step", "epoch"), [(0, 5), (3, 1 << 50), (1 << 50, 1), (1, 1)])
def test_a_history_that_makes_no_sense_has_some_epochs(step: int, epoch: int) -> None:
    rows = [Evaluation(step, epoch, 0.1, 1.0, 1.0), Evaluation(9, 0, 0.1, 1.0, 1.0)]
    assert epoch_of(step, steps_per_epoch(None, None, rows)) >= 0
