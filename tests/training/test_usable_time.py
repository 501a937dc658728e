"""The usable time: gaps are left out, whatever the system's clock does in them, and nothing else is."""

import time
import weakref

import pytest

from charrnn.training import usable_time
from charrnn.training.usable_time import UsableTime
from support.clock import Clock


@pytest.mark.parametrize("gap", [1.0, 3.5, 100_000.0])
def test_a_gap_is_left_out(clock: Clock, gap: float) -> None:
    usable = UsableTime()
    began = usable.now()
    for seconds in (0.05, 0.05, gap, 0.05):
        clock.sleep(seconds) if seconds == gap else vars(clock).update(now=clock.now + seconds)
        usable.now()
    assert usable.now() - began == pytest.approx(0.15)
    assert usable.gaps == pytest.approx(gap)


@pytest.mark.parametrize("seconds", [0.9, 5.0, 500.0])
def test_work_is_no_gap_however_long_it_takes(clock: Clock, seconds: float) -> None:
    usable = UsableTime()
    began = usable.now()
    clock.now += seconds
    assert usable.now() - began == pytest.approx(seconds)
    assert usable.gaps == 0


def test_a_process_that_has_half_of_a_busy_processor_has_no_gap(clock: Clock) -> None:
    usable = UsableTime()
    for _ in range(10):
        clock.asleep += 0.45
        clock.now += 0.9
        usable.now()
    clock.asleep += 1.0
    clock.now += 2.0
    usable.now()
    assert usable.gaps == 0


def test_a_clock_that_stands_still_while_the_machine_sleeps_has_no_gap_to_leave_out(clock: Clock) -> None:
    usable = UsableTime()
    began = usable.now()
    for _ in range(3):
        clock.now += 0.05  # an hour of sleep between these does not show
        assert usable.now() - began < 1
    assert usable.gaps == 0


@pytest.mark.parametrize(("platform", "name"), [("linux", "CLOCK_BOOTTIME"), ("darwin", "CLOCK_MONOTONIC")])
def test_it_reads_a_clock_that_counts_sleep_where_there_is_one(
    platform: str, name: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    vars(clock).update({name: 7, "clock_gettime": lambda number: 5.0 + number + clock.asleep})
    usable = UsableTime()
    assert usable.now() == 12
    clock.asleep += 60.0
    assert usable.now() == 12
    assert usable.gaps == 60


def test_the_thread_ends_when_nobody_needs_the_clock_any_more() -> None:
    usable = UsableTime()
    reference = weakref.ref(usable)
    usable.watch()
    before = usable.now()
    deadline = time.monotonic() + 60
    del usable
    while reference() is not None and time.monotonic() < deadline:
        time.sleep(usable_time.BEAT)
    assert reference() is None
    assert before > 0
