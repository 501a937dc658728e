"""The machine: the speed of one process, or of all ranks of a job together."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.config import ModelConfig
from charrnn.training import autoconfig, budget, machine
from charrnn.training.machine import Machine

MODEL = ModelConfig(5, "rnn", 4, 1)


def test_a_single_process_has_its_own_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "measure_throughput", lambda *args: 1000.0)
    assert Machine().size == 1
    assert Machine().throughput("numpy", "float32", 2, MODEL, 3, 4) == 1000.0


def test_the_slowest_rank_and_the_exchange_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(machine, "measure_throughput", lambda *args: 1000.0)
    monkeypatch.setattr(machine, "Exchange", lambda *args: lambda loss, grads: None)
    others = iter([[1000.0, 500.0], [0.001, 0.006]])
    ranks: Any = SimpleNamespace(
        size=2, busy=nullcontext, tell=lambda *args: told.append(args), collect=lambda own: next(others)
    )
    found = Machine(ranks, "bfloat16").throughput("numpy", "float32", 2, MODEL, 3, 4)
    # a step of 2 ranks with 2 threads of 3 rows of 4 characters takes 24/500 s, and its exchange 0.006
    assert found == pytest.approx(48 / (24 / 500 + 0.006))
    options = {"exchange": "bfloat16", "sync_every": 0, "sync_grows": False}
    assert told == [("measure", options, ("numpy", "float32", 2, MODEL, 3, 4, None))]


@pytest.mark.parametrize(("grows", "exchange"), [(False, 0.6 / 4), (True, 24 / 500 / 9)])
def test_an_average_counts_once_in_its_steps_and_at_most_a_tenth_if_they_grow(
    grows: bool, exchange: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "measure_throughput", lambda *args: 1000.0)
    monkeypatch.setattr(machine, "Exchange", lambda *args: lambda loss, grads: None)
    others = iter([[1000.0, 500.0], [0.1, 0.6]])
    ranks: Any = SimpleNamespace(size=2, busy=nullcontext, tell=lambda *args: None, collect=lambda own: next(others))
    found = Machine.of(ranks, {"sync_every": 4, "sync_grows": grows, "hidden_size": 8})
    assert found == Machine(ranks, "float32", 4, grows)
    speed = found.throughput("numpy", "float32", 2, MODEL, 3, 4)
    assert speed == pytest.approx(48 / (24 / 500 + exchange))


@pytest.mark.parametrize(("processes", "rows"), [(1, 32), (2, 32), (4, 64), (8, 128)])
def test_the_batch_has_rows_for_each_process(processes: int, rows: int) -> None:
    assert budget.choose(1e13, 10**9, 70, {}, processes=processes)["batch_size"] == rows
    assert autoconfig.THIS_PROCESS.size == 1
