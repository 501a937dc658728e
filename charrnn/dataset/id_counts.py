"""The counts of ids: how often each occurs in a text, and which occur in one text alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.types import Ids, Indices

LINES_AT_ONCE = 1 << 16
"""Lines whose ids are counted at once."""
COUNT_BLOCK = 1 << 20
"""Ids to count at once: NumPy makes a number of eight bytes from each."""


@dataclass(frozen=True)
class CharacterCount:
    """Some characters of a text."""

    distinct: int
    """How many different characters they are."""
    occurrences: int
    """How often they occur together."""
    share: float
    """Their share of the text."""

    @classmethod
    def from_counts(cls, counts: Indices, size: int) -> "CharacterCount":
        """The characters with these counts, those of 0 left out, in a text of this size."""
        return cls(int(np.count_nonzero(counts)), int(counts.sum()), int(counts.sum()) / max(1, size))


def blocks_of(ids: Ids) -> Iterator[Ids]:
    """A text in blocks of `COUNT_BLOCK` ids."""
    return (ids[start : start + COUNT_BLOCK] for start in range(0, len(ids), COUNT_BLOCK))


def count(blocks: Iterable[Ids], V: int) -> Indices:
    """How often each id occurs in a text that comes in blocks: [V]."""
    counts = np.zeros(V, np.int64)
    for block in blocks:
        counts += np.bincount(block, minlength=V)
    return counts


def count_only_in(blocks: Iterable[Ids], others: Iterable[Ids], V: int) -> Indices:
    """How often each id occurs in a text, but 0 if another text has it too: [V].

    The other text is read only as far as that takes.
    """
    counts = count(blocks, V)
    for other in others:
        if not counts.any():
            break
        counts[np.bincount(other, minlength=V) > 0] = 0
    return counts


def ids_of_parts(ids: Ids, begins: Indices, lengths: Indices) -> Iterator[Ids]:
    """The parts of a text that begin at some places [R] and have some lengths [R], in blocks of ids."""
    for n in range(0, len(begins), LINES_AT_ONCE):
        some = lengths[n : n + LINES_AT_ONCE].astype(np.int64)
        stops = np.cumsum(some)
        shifts = begins[n : n + LINES_AT_ONCE] - (stops - some)
        for start in range(0, int(stops[-1]), COUNT_BLOCK):  # a part may be longer than a block
            stop = min(start + COUNT_BLOCK, int(stops[-1]))
            first, last = np.searchsorted(stops, (start, stop - 1), side="right")
            inside = slice(first, last + 1)
            here = np.minimum(stops[inside], stop) - np.maximum((stops - some)[inside], start)
            yield ids[np.arange(start, stop) + np.repeat(shifts[inside], here)]


def count_ids(ids: Ids, begins: Indices, lengths: Indices, V: int) -> Indices:
    """How often each id occurs in the parts of a text that begin at some places [R] and have some lengths [R]: [V]."""
    return count(ids_of_parts(ids, begins, lengths), V)
