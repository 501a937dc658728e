"""Threads that compute the shards of a batch in parallel."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from charrnn.resources import blas

Item = TypeVar("Item")
Result = TypeVar("Result")


def row_shards(B: int, n: int) -> list[slice]:
    """B rows in n shards that are as even as possible."""
    return [slice(a, b) for a, b in itertools.pairwise(B * k // n for k in range(n + 1))]


def deal(items: Sequence[Item], n: int) -> list[Sequence[Item]]:
    """The items dealt in turn to n threads, or to as many as there are items: none gets nothing."""
    return [items[k::n] for k in range(min(n, len(items)))]


class Threads:
    """Runs a function on n shards in n threads; a single shard runs in the calling thread, which is faster.

    A `with` block waits for them at its end, also after an error. If the function uses BLAS, do all of it within
    `blas.limit()` or `blas.limited`, so that the shards do not compete for cores. Compiled kernels need neither.
    """

    def __init__(self, n: int):
        self.pool = ThreadPoolExecutor(n, initializer=blas.limit_thread) if n > 1 else None

    def map(self, function: Callable[..., Result], *shards: Iterable[Any]) -> list[Result]:
        """The results of the function for each shard, in order. As in `map`, each argument has one item per shard."""
        calls = list(zip(*shards, strict=False))
        if self.pool is None or len(calls) < 2:
            return [function(*call) for call in calls]
        return list(self.pool.map(lambda call: function(*call), calls))

    def start(self, function: Callable[..., Result], *shards: Iterable[Any]) -> Callable[[], list[Result]]:
        """`map` of at most n shards, which begins here if there are several; what it returns waits for the results."""
        calls = list(zip(*shards, strict=False))
        if self.pool is None or len(calls) < 2:
            return lambda: [function(*call) for call in calls]
        running = [self.pool.submit(function, *call) for call in calls]
        return lambda: [each.result() for each in running]

    def beside(self, function: Callable[[], object]) -> Callable[[], object]:
        """Runs a function in one of several threads; what it returns keeps it from running if it has not begun."""
        if self.pool is None:
            raise ValueError("there is no other thread")
        return self.pool.submit(function).cancel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:  # its shards may still run, if one of them raised an error
            self.pool.shutdown()
