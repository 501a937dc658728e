"""The `translations` layout: sources beside their targets, for a network that reads all of a source first."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charrnn.dataset.batch import NO_ROWS, Batch
from charrnn.dataset.lines import LineBatches
from charrnn.types import Ids, Indices, Mask

POOL_BATCHES, POOL_PARTS = 150, 12
"""The batches whose pairs are drawn together, and the parts into which these are sorted by the length of the source.

The pairs of each part are sorted by the length of the target. With as many parts as each part has batches, sources and
targets are padded alike: where both have any of 40 lengths, independent of each other, 92 of 100 positions hold text.
"""


@dataclass(frozen=True)
class TranslationBatches(LineBatches):
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

    def _needed(self) -> Indices:
        """A pair is a single batch. [R]"""
        return np.ones(len(self.lines), np.int64)

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
        sources, _ = self._ids(starts, lengths)
        inputs, targets, mask = self._targets(starts + column(lines.firsts) - 1, starts + column(lines.lengths), counts)
        weight, n_read = int(counts.sum()) / self.chars_per_step, int(lengths.sum() + counts.sum())
        return Batch(inputs, targets, NO_ROWS, mask, weight, lengths, n_read, sources)

    def _ids(self, starts: Indices, lengths: Indices) -> tuple[Ids, Mask]:
        """The ids [T, B] of texts of these lengths [B], 0 in the padding, and which of them are no padding.

        What follows a text may be a line that is skipped, whose characters need not be in the vocabulary.
        """
        t = np.arange(int(lengths.max()))[:, None]
        mask: Mask = t < lengths
        ids = self.lines.ids
        return np.where(mask, ids.take(starts + t, mode="clip"), ids.dtype.type(0)), mask

    def _targets(self, tabs: Indices, ends: Indices, counts: Indices) -> tuple[Ids, Ids, Mask]:
        """The inputs and targets [T, B], and which of the targets count.

        The first input is the tab, and the last target the newline, whether or not the text has it.
        """
        inputs, mask = self._ids(tabs, counts)
        t = np.arange(len(inputs))[:, None]
        newline = self.lines.ids.dtype.type(self.lines.newline)
        targets = np.where(tabs + 1 + t < ends, self.lines.ids.take(tabs + 1 + t, mode="clip"), newline)
        return inputs, targets, mask
