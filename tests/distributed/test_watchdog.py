"""The watchdog: the connections of ranks, here threads of one process, and what it takes for a failure."""

import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from charrnn.distributed import watchdog
from charrnn.distributed.watchdog import MAX_EXCHANGE, Watchdog


class Thread:
    """A rank of two, which are threads."""

    size, hosts, waiting_since, n_exchanges = 2, ("a", "a"), None, 0

    def __init__(self, rank: int, said: dict[int, Any], barrier: threading.Barrier):
        self.rank, self.said, self.barrier = rank, said, barrier
        self.is_leader, self.ends = rank == 0, 0

    def name(self, rank: int) -> str:
        return f"rank {rank}"

    def collect(self, value: Any) -> list[Any]:
        self.said[self.rank] = value
        self.barrier.wait(10)
        found = [self.said[0], self.said[1]]
        self.barrier.wait(10)
        return found

    def share(self, value: Any = None) -> Any:
        return self.collect(value)[0]

    def abort(self) -> None:
        self.ends += 1


def watched() -> list[Watchdog]:
    """The watchdogs of two ranks, which watch for a while."""
    said: dict[int, Any] = {}
    barrier, lines = threading.Barrier(2), list[str]()
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda rank: Watchdog(Thread(rank, said, barrier), lines.append), (0, 1))]  # type: ignore[arg-type]
    time.sleep(0.3)
    assert [each.ranks.ends for each in found] == [0, 0]  # type: ignore[attr-defined]
    assert lines == []
    for each in found:
        each.close()
    for each in found:
        each.thread.join(10)
        for connection in each.connections.values():
            connection.close()
    return found


def test_each_of_two_ranks_watches_the_other() -> None:
    assert [[*each.connections] for each in watched()] == [[1], [0]]


def test_ranks_that_can_not_connect_are_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(watchdog, "_addresses", refuse)
    assert [(each.unwatched, each.connections) for each in watched()] == [([1], {})] * 2


def test_a_connection_that_a_follower_has_given_up_does_not_count_as_its_death(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = Watchdog._accept

    def accept_late(self: Watchdog, *args: Any) -> None:
        time.sleep(0.5)
        accept(self, *args)

    monkeypatch.setattr(watchdog, "_addresses", list)
    monkeypatch.setattr(watchdog, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(Watchdog, "_accept", accept_late)
    assert [(each.unwatched, each.connections) for each in watched()] == [([1], {})] * 2


def waiting(seconds: float) -> tuple[Watchdog, list[str]]:
    """The watchdog of a leader that has waited for rank 1, which said something just now, and what it says."""
    found, lines = object.__new__(Watchdog), list[str]()
    ranks = SimpleNamespace(
        rank=0,
        is_leader=True,
        waiting_since=time.perf_counter() - seconds,
        n_exchanges=5,
        name=str,
        abort=lambda: None,
    )
    vars(found).update(ranks=ranks, tell=lines.append, silence=30.0, advice="", connections={}, woke=-math.inf)
    vars(found).update(closing=threading.Event(), heard={1: 1000.0}, exchanges={1: 4})
    return found, lines


def test_a_rank_that_does_not_come_to_an_exchange_ends_the_job() -> None:
    for seconds, wanted in ((MAX_EXCHANGE - 5, []), (MAX_EXCHANGE + 5, ["1 has not come to an exchange for 900 s"])):
        found, lines = waiting(seconds)
        found._check({1}, 1001.0)
        assert [line.split(":")[0] for line in lines] == wanted


def test_of_ranks_that_one_holds_up_that_one_is_named() -> None:
    found, lines = waiting(MAX_EXCHANGE + 5)
    vars(found).update(heard=dict.fromkeys((1, 2, 3), 1000.0), exchanges={1: 4, 2: 3, 3: 4})
    found._check({1, 2, 3}, 1001.0)
    assert lines == ["2 has not come to an exchange for 900 s: the job ends"]


def test_a_job_that_was_stopped_goes_on_when_it_wakes() -> None:
    found, lines = waiting(2000)
    found._compare(looked=1000.5, now=3000.5)
    found._check({1}, 3000.5)
    assert lines == []
    found.woke -= MAX_EXCHANGE + 1
    found._check({1}, 3001.5)
    assert len(lines) == 1


def test_a_later_rank_says_what_the_earlier_ones_can_not_say_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    found, lines = waiting(0)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for found.ranks.rank in (1, 2, 3):
        found._end(0, "has died")
    assert lines == ["0 has died: the job ends"] * 3
    assert slept == [3.2, 3.4]


def test_a_message_may_arrive_in_parts() -> None:
    one, other = socket.socketpair()
    with one, other:
        other.settimeout(5)
        one.sendall(b"abc")
        threading.Timer(0.1, one.sendall, (b"defgh",)).start()
        assert watchdog._receive(other, 5) == b"abcde"
        one.shutdown(socket.SHUT_WR)
        assert watchdog._receive(other, 5) == b"fgh"
