"""The deadline: a training ends on time, whatever the machine does, and its options repeat it."""

import math
from dataclasses import replace

import pytest

from charrnn.config import TrainingConfig
from charrnn.training.deadline import Deadline
from charrnn.training.schedules import learning_rate
from charrnn.training.state import Evaluation
from support.clock import Clock

COOLDOWN = 0.6


def run(
    clock: Clock, config: TrainingConfig, seconds: float, step_seconds: list[float], evaluation: float = 0.0
) -> tuple[TrainingConfig, float, list[float]]:
    """A training whose steps take these seconds, and the last of them from then on.

    Returns its configuration at the end, the seconds that it took, and the learning rate of each step.
    """
    began, deadline, step, rates = clock.now, Deadline(seconds, COOLDOWN), 0, list[float]()
    deadline.evaluation = evaluation
    while True:
        config = deadline.plan(config, step)
        if step >= config.steps:
            return config, clock.now - began + evaluation, rates
        rates.append(learning_rate(step, 0, config))
        clock.now += step_seconds[min(step, len(step_seconds) - 1)]
        step += 1


LINEAR = TrainingConfig(400, schedule="linear", lr=1.0, warmup=10, hold=150, cooldown=240)


@pytest.mark.parametrize("step_seconds", [[0.1], [0.05], [0.4], [20.0, 0.1], [0.1] * 300 + [0.12], [0.2] * 30 + [0.1]])
@pytest.mark.parametrize("evaluation", [0.0, 3.0])
def test_it_ends_on_time_at_a_rate_of_nearly_zero(clock: Clock, step_seconds: list[float], evaluation: float) -> None:
    config, took, rates = run(clock, LINEAR, 60.0, step_seconds, evaluation)
    assert took == pytest.approx(60, rel=0.05)
    assert max(rates) == 1.0
    assert rates[-1] < 0.2
    assert config.steps == len(rates)
    assert rates == [learning_rate(step, 0, config) for step in range(config.steps)], "the options repeat the training"


def test_if_steps_take_as_long_as_planned_the_cooldown_has_its_share(clock: Clock) -> None:
    config, _, rates = run(clock, LINEAR, 60.0, [0.1])
    assert config.hold + config.warmup == pytest.approx(0.4 * len(rates), rel=0.05)


def test_it_ends_at_once_if_the_machine_stalls(clock: Clock) -> None:
    config, took, rates = run(clock, LINEAR, 60.0, [0.1] * 200 + [25.0])
    assert took <= 60 + 25
    assert config.steps == len(rates)


def test_a_rate_that_is_still_rising_falls_to_zero_too(clock: Clock) -> None:
    config, took, rates = run(clock, replace(LINEAR, warmup=200), 60.0, [0.2])
    assert took == pytest.approx(60, rel=0.05)
    assert rates[-1] < 0.1
    assert config.warmup + config.hold + config.cooldown == pytest.approx(config.steps, rel=0.05)


def test_one_step_is_taken_however_late_it_is(clock: Clock) -> None:
    assert run(clock, LINEAR, 1.0, [5.0])[0].steps == 1


def test_a_rate_that_does_not_anneal_stays_until_the_end(clock: Clock) -> None:
    config, took, rates = run(clock, replace(LINEAR, schedule="constant", hold=0, cooldown=0), 60.0, [0.1])
    assert took == pytest.approx(60, abs=0.2)
    assert set(rates[10:]) == {1.0}
    assert math.isclose(config.steps, 600, abs_tol=2)


def test_a_pause_is_not_taken_for_slow_steps(clock: Clock) -> None:
    deadline, step, config = Deadline(60, COOLDOWN), 0, LINEAR
    began = clock.now
    while step < (config := deadline.plan(config, step)).steps:
        clock.now += 0.1
        step += 1
        if step == 30:
            clock.now += 12  # a compilation, for instance
            deadline.pause(12)
    assert clock.now - began == pytest.approx(60, rel=0.05)
    assert step == pytest.approx(480, rel=0.05)


@pytest.mark.parametrize("at_step", [1, 100, 300, 550])
@pytest.mark.parametrize("gap", [2.0, 45.0, 4000.0])
def test_time_in_which_the_process_cannot_run_does_not_count(clock: Clock, at_step: int, gap: float) -> None:
    unstopped, *_ = run(clock, LINEAR, 60.0, [0.1])
    deadline, step, config, rates = Deadline(60, COOLDOWN), 0, LINEAR, list[float]()
    began = clock.now
    while step < (config := deadline.plan(config, step)).steps:
        rates.append(learning_rate(step, 0, config))
        clock.now += 0.1
        step += 1
        if step == at_step:
            clock.sleep(gap)
    assert deadline.clock.gaps == pytest.approx(gap, abs=0.2)
    assert clock.now - began == pytest.approx(60 + gap, abs=2)
    assert step == pytest.approx(unstopped.steps, rel=0.02)
    assert config.cooldown == pytest.approx(unstopped.cooldown, rel=0.02)
    assert rates[-1] < 0.05


@pytest.mark.parametrize("step_seconds", [0.05, 0.1])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_a_text_that_is_used_up_ends_the_run_early_with_a_full_cooldown(
    clock: Clock, schedule: str, step_seconds: float
) -> None:
    deadline, step, rates, began = Deadline(60, COOLDOWN), 0, list[float](), clock.now
    config = replace(LINEAR, schedule=schedule, **({} if schedule != "constant" else {"hold": 0, "cooldown": 0}))
    deadline.max_steps = 250
    while step < (config := deadline.plan(config, step)).steps:
        rates.append(learning_rate(step, 0, config))
        clock.now += step_seconds
        step += 1
    assert (step, config.steps) == (250, 250)
    assert clock.now - began < 30
    assert rates[-1] == 1 if schedule == "constant" else rates[-1] < 0.02
    assert rates == [learning_rate(step, 0, config) for step in range(250)]


def falling(until: int, share: float) -> list[Evaluation]:
    """Evaluations every five steps: doubling the steps lowers the loss by a share, and nothing does after `until`."""
    losses = {step: 4.0 * (1 - share) ** math.log2(min(step, until) / 5) for step in range(5, 2000, 5)}
    return [Evaluation(step, 0, 1.0, None, loss) for step, loss in losses.items()]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(
    ("until", "share", "steps"),
    [(2000, 0.19, 100), (30, 0.3, 100), (2000, 0.3, 600), (100, 0.3, None)],
)
def test_a_run_whose_loss_falls_steeply_when_a_text_is_used_up_goes_on(
    clock: Clock, schedule: str, until: int, share: float, steps: int | None
) -> None:
    deadline, step, rates, rows = Deadline(60, COOLDOWN), 0, list[float](), falling(until, share)
    config = replace(LINEAR, schedule=schedule, **({} if schedule != "constant" else {"hold": 0, "cooldown": 0}))
    deadline.max_steps = 100
    while step < (config := deadline.plan(config, step, rows[: step // 5])).steps:
        rates.append(learning_rate(step, 0, config))
        clock.now += 0.1
        step += 1
    if steps is None:  # it ends when its loss is no longer steep, and not with the time
        assert 110 < step < 400
        assert step == deadline.max_steps
    else:
        assert step == pytest.approx(steps, rel=0.05)
    assert rates[-1] == 1 if schedule == "constant" else rates[-1] < 0.1
    assert rates == [learning_rate(step, 0, config) for step in range(step)], "the options repeat the training"
