"""The selection of samples: draws until there are as many as were asked for, without those that are not wanted."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from charrnn.errors import SamplingError

MAX_SKIPPED = 1000
"""Samples that are skipped in a row before it is an error."""
EMPTY = "is empty"
"""Why a sample of nothing but white space is not wanted."""

Drawn = TypeVar("Drawn")
OnFailure = Callable[[int, SamplingError], None]
"""What is done about a sample that the constraints do not allow: it is given the seed and the error."""


class Failed:
    """Counts the samples that the constraints do not allow; without `report`, each is an error."""

    def __init__(self, report: OnFailure | None) -> None:
        self.report, self.n = report, 0

    def __call__(self, seed: int, error: SamplingError) -> None:
        if self.report is None:
            raise error
        self.n += 1
        self.report(seed, error)


def select(
    draw: Callable[[range], Iterator[Drawn]],
    count: int,
    seed: int,
    max_batch: int,
    is_wanted: Callable[[Drawn], bool],
    error: SamplingError,
    failed: Failed,
) -> Iterator[Drawn]:
    """`count` samples that are wanted, in the order of their seeds, from `seed` on; at most `max_batch` side by side.

    None replaces one of those that `failed` counts. Raises the error if `MAX_SKIPPED` in a row were not wanted.
    """
    left, skipped = count, 0
    while left > failed.n:
        seeds = range(seed, seed + min(max_batch, left - failed.n + skipped))
        seed = seeds.stop
        for sample in draw(seeds):
            if left <= failed.n:
                break
            if not is_wanted(sample):
                skipped += 1
                if skipped == MAX_SKIPPED:
                    raise error
                continue
            yield sample
            left, skipped = left - 1, 0
            if left <= failed.n:
                break


def is_empty(text: str) -> bool:
    """Whether a text is nothing but white space."""
    return not text.strip()


def exhausted(what: str, reasons: Sequence[str]) -> SamplingError:
    """The error for too many samples in a row that are not wanted; `reasons` says why they may not have been."""
    why = " or ".join(reasons)
    return SamplingError(
        f"the model writes no more {what}: each of the last {MAX_SKIPPED:,} {why}; raise `temp`, or ask for fewer"
    )
