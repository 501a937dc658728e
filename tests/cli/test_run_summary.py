"""The run summary: what it says about the losses of a run."""

import pytest

from charrnn.cli.train.run_summary import RunSummary
from charrnn.training.state import Evaluation
from support.trainings import start_in


@pytest.mark.parametrize(("layout", "advises"), [("labels", False), ("tags", True), ("translations", True)])
def test_losses_that_are_calibrated_are_not_compared_with_those_that_are_not(layout: str, advises: bool) -> None:
    trainer = start_in(layout, steps=40)
    rows = [Evaluation(10 * n, n, 0.01, train, 1.504 - n / 1000) for n, train in enumerate((1.5, 1.2, 0.9, 0.5), 1)]
    rows.append(Evaluation(50, 5, 0.01, 0.4, 1.6))
    trainer.state.history += rows
    summary = RunSummary(trainer)
    summary.start()
    lines = [*summary.lines(rows[3], None, trainer.latest)]
    assert lines[0].startswith("validation loss 1.500 is 2.16 bits")
    assert any("overfitting" in line for line in lines) == advises
    assert len(lines) == 1 + advises
