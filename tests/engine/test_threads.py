"""Shards and the threads that run them."""

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.engine.threads import Threads, deal, row_shards


@given(st.integers(0, 100), st.integers(1, 20))
def test_row_shards_are_even_and_cover_every_row_once(B: int, n: int) -> None:
    shards = row_shards(B, n)
    sizes = [len(range(B)[rows]) for rows in shards]
    assert len(shards) == n
    assert [row for rows in shards for row in range(B)[rows]] == list(range(B))
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("B", "n", "borders"), [(8, 1, [0, 8]), (8, 3, [0, 2, 5, 8]), (7, 4, [0, 1, 3, 5, 7]), (0, 2, [0, 0, 0])]
)
def test_where_row_shards_begin(B: int, n: int, borders: list[int]) -> None:
    assert row_shards(B, n) == [slice(a, b) for a, b in pairwise(borders)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_results_come_in_the_order_of_the_shards(n: int) -> None:
    with Threads(n) as threads:
        assert threads.map(lambda a, b: (a, b), range(20), "abcdefghijklmnopqrst") == list(
            zip(range(20), "abcdefghijklmnopqrst", strict=True)
        )
        assert threads.map(lambda a: a, []) == []


@pytest.mark.parametrize("n", [1, 4])
def test_a_single_shard_runs_in_the_calling_thread(n: int) -> None:
    with Threads(n) as threads:
        assert threads.map(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]


def test_shards_run_in_parallel_each_in_its_thread() -> None:
    barrier = threading.Barrier(3, timeout=30)
    with Threads(3) as threads:
        found = threads.map(lambda _: (barrier.wait(), threading.get_ident())[1], range(3))
    assert len(set(found)) == 3
    assert threading.get_ident() not in found


def test_what_is_started_runs_while_the_caller_goes_on() -> None:
    went_on = threading.Event()
    with Threads(2) as threads:
        results = threads.start(lambda n: (went_on.wait(30), n), [3, 4])
        went_on.set()
        assert results() == [(True, 3), (True, 4)]
        failing = threads.start(lambda n: 1 / n, [1, 0])
        with pytest.raises(ZeroDivisionError):
            failing()


@pytest.mark.parametrize("n", [1, 4])
def test_a_single_shard_that_is_started_runs_in_the_calling_thread(n: int) -> None:
    with Threads(n) as threads:
        assert threads.start(lambda _: threading.get_ident(), [0])() == [threading.get_ident()]


def test_an_error_in_a_shard_is_raised() -> None:
    with Threads(2) as threads, pytest.raises(ZeroDivisionError):
        threads.map(lambda n: 1 / n, [1, 0])


def test_the_block_ends_when_every_shard_has_ended_also_after_an_error() -> None:
    started = threading.Event()
    ended: list[int] = []

    def shard(n: int) -> None:
        if n == 0:
            assert started.wait(30)
            raise ZeroDivisionError
        started.set()
        time.sleep(0.3)
        ended.append(n)

    with Threads(2) as threads, pytest.raises(ZeroDivisionError):
        threads.map(shard, [0, 1])
    assert ended == [1]


@pytest.mark.parametrize(("n", "dealt"), [(1, ["abcde"]), (2, ["ace", "bd"]), (5, [*"abcde"]), (9, [*"abcde"])])
def test_items_are_dealt_in_turn(n: int, dealt: list[str]) -> None:
    assert deal("abcde", n) == dealt
    assert deal("", n) == []
