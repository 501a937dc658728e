"""The layouts of whole texts: `labels`, a text and its label a line, and `tags`, a text and a tag for each character.

Both are pairs, whose source is read at once by a network that sees all of it: a batch has whole texts of similar length
side by side, and what there is to predict of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from charrnn.dataset.batch import NO_ROWS, Batch
from charrnn.dataset.id_counts import count_ids
from charrnn.dataset.line_rows import Rows
from charrnn.dataset.lines import LineBatches, Lines
from charrnn.dataset.pairs import Pairs
from charrnn.types import Array, Ids, Indices


@dataclass(frozen=True)
class TextBatches(LineBatches):
    """Texts in groups of B side by side, each group a batch; texts of more than `seq_length` characters are cut there.

    The lines are the texts alone: their lengths are those of the sources.
    """

    @cached_property
    def rows(self) -> Rows:
        """Each text is one row, however much longer than the others it is."""
        return Rows(self.lines.starts, self.lines.lengths)

    @property
    def chars_read(self) -> int:
        """The characters of an epoch that are read."""
        return int(np.minimum(self.lines.lengths, self.seq_length).sum(dtype=np.int64))

    def _needed(self) -> Indices:
        """A text is a single batch. [R]"""
        return np.ones(len(self.lines), np.int64)

    def _rows(self, chosen: Indices) -> tuple[Indices, Indices]:
        """Where the texts of a batch begin [B], and how many of their characters are read [B]; 0 in an empty row."""
        starts, lengths = np.zeros(self.batch_size, np.int64), np.zeros(self.batch_size, np.int64)
        starts[: len(chosen)] = self.lines.starts[chosen]
        lengths[: len(chosen)] = np.minimum(self.lines.lengths[chosen], self.seq_length)
        return starts, lengths

    def _inputs(self, starts: Indices, lengths: Indices) -> tuple[Indices, Ids]:
        """The steps [T, 1] of a batch, and the inputs [T, B]; padding is id 0: not every id in the text is read."""
        t = np.arange(int(lengths.max()))[:, None]
        ids = self.lines.ids
        return t, np.where(t < lengths, ids.take(starts + t, mode="clip"), ids.dtype.type(0))


@dataclass(frozen=True)
class LabelBatches(TextBatches):
    """Texts with a label each, an index in `Lines.labels`."""

    @property
    def size(self) -> int:
        """The labels of an epoch."""
        return len(self.lines)

    def label_counts(self, n: int) -> Indices:
        """How many texts have each of the `n` labels. [n]"""
        assert self.lines.labels is not None
        return np.bincount(self.lines.labels, minlength=n)

    def _batch(self, chosen: Indices, piece: int, pieces: int) -> Batch:
        """The texts of a group and their labels [1, B]."""
        assert self.lines.labels is not None
        starts, lengths = self._rows(chosen)
        _, inputs = self._inputs(starts, lengths)
        labels: Ids = np.zeros((1, self.batch_size), np.uint16)
        labels[0, : len(chosen)] = self.lines.labels[chosen]
        mask = np.arange(self.batch_size)[None] < len(chosen)
        weight = len(chosen) / self.chars_per_step
        return Batch(inputs, labels, NO_ROWS, mask, weight, lengths, int(lengths.sum()))


@dataclass(frozen=True)
class TagBatches(TextBatches):
    """Texts with a tag for each character. The tags stand in the ids, after the tab that ends the text."""

    tag_of: Ids
    """[V]: the index of the tag that a character stands for."""

    @property
    def size(self) -> int:
        """The tags of an epoch."""
        return self.chars_read

    def label_counts(self, n: int) -> Indices:
        """How many characters have each of the `n` tags. [n]"""
        lines = self.lines
        counts = count_ids(lines.ids, lines.starts + lines.lengths + 1, lines.lengths, len(self.tag_of))
        return np.bincount(self.tag_of[counts > 0], counts[counts > 0], n).astype(np.int64)

    def _batch(self, chosen: Indices, piece: int, pieces: int) -> Batch:
        """The texts of a group and their tags [T, B]."""
        starts, lengths = self._rows(chosen)
        t, inputs = self._inputs(starts, lengths)
        ends = np.zeros_like(starts)
        ends[: len(chosen)] = self.lines.lengths[chosen]
        tags = self.tag_of[self.lines.ids.take(starts + ends + 1 + t, mode="clip")]
        weight = int(lengths.sum()) / self.chars_per_step
        return Batch(inputs, tags, NO_ROWS, t < lengths, weight, lengths, int(lengths.sum()))


def distinct(lines: Lines) -> Lines:
    """Each text once for each of its labels."""
    assert lines.labels is not None
    _, text = np.unique(lines.digests, return_inverse=True)
    _, first = np.unique(text * (int(lines.labels.max(initial=0)) + 1) + lines.labels, return_index=True)
    chosen = np.zeros(len(lines), bool)
    chosen[first] = True
    return lines.select(chosen)


def prior_shift(lines: Lines, learned: Lines, n: int) -> Array:
    """log of the share of each of n labels among the lines, over its share among those that are learned [n].

    It is what the logits of a network gain that has learned `distinct` lines, so that its probabilities are those of
    all lines (M. Saerens et al., "Adjusting the Outputs of a Classifier to New a Priori Probabilities", 2002). It is 0
    for a label that none of them has.
    """
    assert lines.labels is not None
    assert learned.labels is not None
    counts, once = (np.bincount(labels, minlength=n) for labels in (lines.labels, learned.labels))
    shares, shares_once = counts / max(1, len(lines)), once / max(1, len(learned))
    shift: Array = np.log(np.divide(shares, shares_once, out=np.ones(n), where=once > 0))
    return shift


def texts_alone(pairs: Pairs, labels: Indices | None = None) -> Lines:
    """The sources of pairs as lines, with a label each [R]; equal sources are held out together."""
    lines = pairs.lines
    assert lines.firsts is not None
    return replace(lines, lengths=lines.firsts - 1, firsts=None, labels=labels, digests=pairs.source_digests)
