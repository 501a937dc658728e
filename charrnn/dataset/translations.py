"""The `translations` layout: sources beside their targets, for a network that reads all of a source first."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charrnn.dataset.batch import NO_ROWS, Batch
from charrnn.dataset.whole_texts import TextBatches
from charrnn.types import Ids, Indices, Mask

POOL_BATCHES, POOL_PARTS = 150, 12
"""The batches whose pairs are drawn together, and the parts into which these are sorted by the length of the source.

The pairs of each part are sorted by the length of the target. With as many parts as each part has batches, sources and
targets are padded alike: where both have any of 40 lengths, independent of each other, 92 of 100 positions hold text.
"""


@dataclass(frozen=True)
class TranslationBatches(TextBatches):
    """Pairs in groups of B side by side, each group a batch; a source or target is cut after `seq_length` characters.

    The lines are pairs: a line counts from the character after its tab on.
    """

    @cached_property
    def _source_lengths(self) -> Indices:
        """The characters of each source that are read. [R]"""
        assert self.lines.firsts is not None
        return np.minimum(self.lines.firsts.astype(np.int64) - 1, self.seq_length)

    @cached_property
    def _target_lengths(self) -> Indices:
        """The targets of each pair that count, with the newline if it is not cut. [R]"""
        assert self.lines.firsts is not None
        return np.minimum(self.lines.lengths - self.lines.firsts.astype(np.int64) + 1, self.seq_length)

    @property
    def size(self) -> int:
        """The characters of an epoch that count, newlines included."""
        return int(self._target_lengths.sum())

    @property
    def chars_read(self) -> int:
        """The characters of an epoch that are read."""
        return int(self._source_lengths.sum()) + self.size

    def _shuffled(self, rng: np.random.Generator) -> Indices:
        """The pairs in the order of an epoch: random, but in a pool sorted by the lengths of source and target."""
        order = rng.permutation(self.n_lines)
        pool = np.repeat(np.arange(len(self._pieces)) // POOL_BATCHES, np.diff(self._borders))
        order = order[np.lexsort((self._source_lengths[order], pool))]
        part = np.repeat(np.arange(len(self._pieces)) * POOL_PARTS // POOL_BATCHES, np.diff(self._borders))
        found: Indices = order[np.lexsort((self._target_lengths[order], part))]
        return found

    def _batch(self, chosen: Indices, piece: int, pieces: int) -> Batch:
        """The sources [S, B] of a group, and its targets [T, B]."""
        lines = self.lines
        assert lines.firsts is not None

        def column(values: Indices) -> Indices:
            """The values of the rows [B]; 0 for a row without a pair."""
            rows = np.zeros(self.batch_size, np.int64)
            rows[: len(chosen)] = values[chosen]
            return rows

        starts, lengths, counts = map(column, (lines.starts, self._source_lengths, self._target_lengths))
        _, sources = self._inputs(starts, lengths)
        inputs, targets, mask = self._targets(starts + column(lines.firsts) - 1, starts + column(lines.lengths), counts)
        weight, n_read = int(counts.sum()) / self.chars_per_step, int(lengths.sum() + counts.sum())
        return Batch(inputs, targets, NO_ROWS, mask, weight, lengths, n_read, sources)

    def _targets(self, tabs: Indices, ends: Indices, counts: Indices) -> tuple[Ids, Ids, Mask]:
        """The inputs and targets [T, B], and which of the targets count.

        The first input is the tab, and the last target the newline, whether or not the text has it.
        """
        t, inputs = self._inputs(tabs, counts)
        newline = self.lines.ids.dtype.type(self.lines.newline)
        targets = np.where(tabs + 1 + t < ends, self.lines.ids.take(tabs + 1 + t, mode="clip"), newline)
        return inputs, targets, t < counts
