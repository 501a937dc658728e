"""The usable time: gaps are left out, whatever the system's clock does in them, and nothing else is."""

import json
import signal
import sys
import time
import weakref
from subprocess import PIPE, Popen

import pytest

from charrnn.training import usable_time
from charrnn.training.usable_time import UsableTime
from support.clock import Clock
from support.processes import environment, posix

STEPS = """
import json, time
from charrnn.config import TrainingConfig
from charrnn.training.deadline import Deadline
from charrnn.training.schedules import learning_rate

config, step, rates = TrainingConfig(100, schedule="linear", lr=1.0, hold=40, cooldown=60), 0, []
deadline = Deadline(3.0, 0.6)
deadline.clock.watch()
while step < (config := deadline.plan(config, step)).steps:
    rates.append(learning_rate(step, 0, config))
    time.sleep(0.01)
    step += 1
    if step == 3:
        print("begun", flush=True)
print(json.dumps({"gaps": deadline.clock.gaps, "first": rates[0], "last": rates[-1]}))
"""
"""Takes steps for three seconds."""


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


@posix
def test_steps_that_are_really_stopped_for_longer_than_their_time_still_cool_down() -> None:
    with Popen([sys.executable, "-c", STEPS], stdout=PIPE, env=environment(), text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.5)
        process.send_signal(signal.SIGCONT)
        found = json.loads(process.stdout.read())
        assert process.wait(60) == 0
    assert found["gaps"] >= 3.5  # on a busy machine there may be more of them
    assert found["first"] == 1
    assert found["last"] < 1, "the run that is cut off ends at its full rate"
