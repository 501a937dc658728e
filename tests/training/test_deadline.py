"""The pace: a run ends on time, whatever the machine does meanwhile, and what it has done can be done again."""

import math
from dataclasses import replace

import pytest

from charrnn.config import TrainingConfig
from charrnn.training import deadline
from charrnn.training.deadline import Deadline
from charrnn.training.schedules import learning_rate

COOLDOWN = 0.6


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(deadline.time, "monotonic", clock.monotonic)
    return clock


def run(clock: Clock, config: TrainingConfig, seconds: float, of_step: "list[float]", evaluation: float = 0.0):
    """A run whose steps take these seconds, the last of them for ever on; its pace, end and rates."""
    began, pace, step, rates = clock.now, Deadline(seconds, COOLDOWN), 0, []
    pace.evaluation = evaluation
    while True:
        config = pace.planned(config, step)
        if step >= config.steps:
            return config, clock.now - began + evaluation, rates
        rates.append(learning_rate(step, 0, config))
        clock.now += of_step[min(step, len(of_step) - 1)]
        step += 1


LINEAR = TrainingConfig(400, schedule="linear", lr=1.0, warmup=10, hold=150, cooldown=240)


@pytest.mark.parametrize("of_step", [[0.1], [0.05], [0.4], [20.0, 0.1], [0.1] * 300 + [0.12], [0.2] * 30 + [0.1]])
@pytest.mark.parametrize("evaluation", [0.0, 3.0])
def test_it_ends_on_time_at_a_rate_of_nearly_zero(clock: Clock, of_step: list[float], evaluation: float) -> None:
    config, took, rates = run(clock, LINEAR, 60.0, of_step, evaluation)
    assert took == pytest.approx(60, rel=0.05)
    assert max(rates) == 1.0
    assert rates[-1] < 0.2
    assert config.steps == len(rates)
    again = [learning_rate(step, 0, config) for step in range(config.steps)]
    assert rates == again  # so that the options it ends with repeat the run


def test_where_the_plan_was_right_the_time_is_shared_as_planned(clock: Clock) -> None:
    config, _, rates = run(clock, LINEAR, 60.0, [0.1])
    assert config.hold + config.warmup == pytest.approx(0.4 * len(rates), rel=0.05)


def test_it_is_over_at_once_where_the_machine_stands_still(clock: Clock) -> None:
    config, took, rates = run(clock, LINEAR, 60.0, [0.1] * 200 + [25.0])
    assert took <= 60 + 25
    assert config.steps == len(rates)


def test_a_rate_that_has_not_risen_yet_falls_to_zero_too(clock: Clock) -> None:
    config, took, rates = run(clock, replace(LINEAR, warmup=200), 60.0, [0.2])
    assert took == pytest.approx(60, rel=0.05)
    assert rates[-1] < 0.1
    assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, rel=0.05)


def test_one_step_is_taken_however_late_it_is(clock: Clock) -> None:
    assert run(clock, LINEAR, 1.0, [5.0])[0].steps == 1


def test_a_rate_that_does_not_anneal_goes_on_until_the_end(clock: Clock) -> None:
    config, took, rates = run(clock, replace(LINEAR, schedule="constant", hold=0, cooldown=0), 60.0, [0.1])
    assert took == pytest.approx(60, abs=0.2)
    assert set(rates[10:]) == {1.0}
    assert math.isclose(config.steps, 600, abs_tol=2)


def test_what_was_no_step_is_not_taken_for_slow_ones(clock: Clock) -> None:
    pace, step, config = Deadline(60, COOLDOWN), 0, LINEAR
    began = clock.now
    while step < (config := pace.planned(config, step)).steps:
        clock.now += 0.1
        step += 1
        if step == 30:
            clock.now += 12  # something that had to be compiled
            pace.pause(12)
    assert clock.now - began == pytest.approx(60, rel=0.05)
    assert step == pytest.approx(480, rel=0.05)
