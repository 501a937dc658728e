"""The teller: a line every ten seconds that says how far a run is."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from charrnn.cli.train import teller as module
from charrnn.cli.train.teller import Teller
from charrnn.training.progress import Progress
from charrnn.training.state import Evaluation
from support.clock import Clock

STEP = Progress(0, 0, 2.0, 0.01, 1.0, 100)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def teller(clock: Clock, deadline: float | None = None, step: int = 0, steps: int = 1000) -> Teller:
    """The teller of a run of 50 characters per second that begins now, from a step on."""
    began = clock.now
    trainer = SimpleNamespace(
        state=SimpleNamespace(counters=SimpleNamespace(step=step), training_config=SimpleNamespace(steps=steps)),
        deadline=None if deadline is None else SimpleNamespace(remaining=lambda: began + deadline - clock.now),
    )

    class Manager:
        chars_per_second = 1234.5

        @property
        def seconds(self) -> float:
            return clock.now - began

    manager = Manager()
    manager.trainer = trainer  # type: ignore[attr-defined]
    return Teller(manager)  # type: ignore[arg-type]


def lines(teller: Teller, clock: Clock, seconds: float, n: int) -> dict[float, str]:
    """The lines of n steps of so many seconds, by the seconds since the first."""
    began, found = clock.now, {}
    for k in range(1, n + 1):
        clock.now += seconds
        if line := teller.line(replace(STEP, step=teller.first + k), 2.0):
            found[round(clock.now - began, 3)] = line
    return found


@pytest.mark.parametrize("seconds", [0.01, 0.3, 3, 7])
def test_a_line_comes_before_ten_seconds_have_passed_and_not_sooner_than_necessary(
    clock: Clock, seconds: float
) -> None:
    times = [0.0, *lines(teller(clock), clock, seconds, int(100 / seconds))]
    assert len(times) > 9
    for one, other in itertools.pairwise(times):
        assert 10 - seconds - 1e-6 <= other - one <= 10 + 1e-6


def test_a_step_of_more_than_ten_seconds_has_a_line_of_its_own(clock: Clock) -> None:
    assert [*lines(teller(clock), clock, 25, 4)] == [25, 50, 75, 100]


def test_a_short_run_has_none(clock: Clock) -> None:
    assert not lines(teller(clock), clock, 0.1, 98)


def test_it_says_step_loss_speed_and_the_time_left(clock: Clock) -> None:
    (line,) = lines(teller(clock, step=200), clock, 0.1, 100).values()
    assert line == "step 299/1,000, epoch 0, loss 2.000 (2.885 bits), 1,234 chars/s, 01:10 left"
    (line,) = lines(teller(clock, deadline=75), clock, 0.1, 100).values()
    assert line.endswith("1,234 chars/s, 01:05 left")


def test_a_run_that_is_late_has_no_time_left(clock: Clock) -> None:
    assert next(iter(lines(teller(clock, deadline=5), clock, 20, 1).values())).endswith("00:00 left")


def test_an_evaluation_is_told_too(clock: Clock) -> None:
    told = teller(clock)
    assert lines(told, clock, 1, 8) == {}
    clock.now += 9
    part = replace(STEP, step=8, chars=0)
    assert told.line(part, 2.0).endswith(" left, evaluating")
    for done in (replace(part, evaluation=Evaluation(8, 0, 0.1, 2.0, 2.0)), replace(part, diverged=9)):
        clock.now += 20
        assert told.line(done, 2.0).endswith(" left")


def test_before_the_first_loss_an_evaluation_is_told_without_it(clock: Clock) -> None:
    told, part = teller(clock), replace(STEP, chars=0)
    assert not told.line(part, math.nan)
    clock.now += 99
    assert told.line(part, math.nan) == "step 0/1,000, evaluating"
