"""The rows of a batch of lines: a line each, or a part of a line that is much longer than the others."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.streams import RESET_EVERY
from charrnn.types import Indices

USUAL = 0.95
"""The share of the lines whose greatest length is that of a usual line."""
MUCH_LONGER = 4
"""How many times as long as a usual line another one may be and not count as much longer."""
MIN_LONG = 100
"""The most characters of a line that is never much longer than the rest."""


class Rows(NamedTuple):
    """R rows, as positions in the ids of a text."""

    starts: Indices
    """[R]"""
    lengths: Indices
    """[R]: the targets before the last one, which is the end of the line unless the row is `unfinished`."""
    follows: NDArray[np.bool_] | None = None
    """[R]: whether the row goes on with a line after another row, and so is read after the character before it; None:
    none of them does."""
    unfinished: NDArray[np.bool_] | None = None
    """[R]: whether another row goes on with the line; None: as `follows`."""

    @property
    def n_cut(self) -> int:
        """The lines that are several rows."""
        if self.follows is None or self.unfinished is None:
            return 0
        return int(np.count_nonzero(self.unfinished & ~self.follows))


def usual_longest(lengths: Indices) -> int:
    """The length of the longest of some lines [R], without those that are much longer than the rest."""
    limit = max(MIN_LONG, MUCH_LONGER * _usual(lengths))
    return int(lengths.max(initial=0, where=lengths <= limit))


def cut_rows(starts: Indices, lengths: Indices, seq_length: int) -> Rows:
    """Lines [R], those that are much longer than the rest cut into rows as evenly as possible.

    A line is cut if it needs more than `MUCH_LONGER` times the batches of a usual line, or more than `RESET_EVERY`: so
    no batch has the text of one row beside the padding of all others, and in a text of few and long records the network
    begins from a zero state as often as in a continuous text. A line of n characters has n + 1 targets, of which a row
    has a part; the state of each row begins at zero.
    """
    needed = lengths // seq_length + 1
    limit = min(MUCH_LONGER * _usual(needed), RESET_EVERY)
    if not (needed > limit).any():
        return Rows(starts, lengths)
    parts = -(-needed.astype(np.int64) // limit)
    line = np.repeat(np.arange(len(lengths)), parts)
    part = np.arange(len(line)) - np.repeat(np.cumsum(parts) - parts, parts)
    targets, parts = lengths[line].astype(np.int64) + 1, parts[line]
    begins, ends = targets * part // parts, targets * (part + 1) // parts
    return Rows(starts[line] + begins, ends - begins - 1, part > 0, part + 1 < parts)


def _usual(values: Indices) -> int:
    """The value that all but the greatest are not above."""
    return int(np.quantile(values, USUAL, method="lower")) if len(values) else 0
