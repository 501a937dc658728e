"""Threads that compute the shards of a batch in parallel, each with single-threaded BLAS."""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


def row_shards(B: int, n: int) -> list[slice]:
    """B rows in n shards that are as even as possible."""
    return [slice(a, b) for a, b in itertools.pairwise(B * k // n for k in range(n + 1))]


class Threads:
    """Runs a function on n shards in n threads; a single shard runs in the calling thread, which is faster.

    Use it in a `with` block if the function uses BLAS: within it, BLAS has one thread per shard, so that the shards do
    not compete for cores. Compiled kernels need no such block.
    """

    def __init__(self, n: int):
        self.pool = ThreadPoolExecutor(n) if n > 1 else None

    def map(self, function: Callable[..., Result], *shards: Iterable[Any]) -> list[Result]:
        """The results of the function for each shard, in order. As in `map`, each argument has one item per shard."""
        calls = list(zip(*shards, strict=False))
        if self.pool is None or len(calls) < 2:
            return [function(*call) for call in calls]
        return list(self.pool.map(lambda call: function(*call), calls))

    def __enter__(self) -> Self:
        from threadpoolctl import threadpool_limits  # a short sample does not need it

        self._limits = threadpool_limits(1)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.pool is not None:  # its shards may still run, if one of them raised an error
                self.pool.shutdown()
        finally:
            self._limits.restore_original_limits()
