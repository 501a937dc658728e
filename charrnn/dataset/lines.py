"""The `lines` layout: each line is a text of its own; lines of similar length are read side by side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.batch import NO_ROWS, Batch
from charrnn.dataset.id_counts import ids_of_parts
from charrnn.dataset.line_rows import Rows, cut_rows, usual_longest
from charrnn.dataset.line_set import Digests, line_digests
from charrnn.dataset.vocabulary import Vocabulary, smallest_type
from charrnn.types import Ids, Indices

SCAN_BLOCK = 1 << 20
"""Ids to search for newlines at once."""
POOL_BATCHES = 32
"""Batches whose lines are drawn together, then sorted by length.

More of them make the lines of a batch more equal in length, fewer make the batches more random. With 32 batches of 50
place names each, 96 of 100 positions hold text; with 16 it is 92, with 4 it is 79. None of them learned better than
another.
"""
N_ORDERS = 1 << 53
"""The number of orders to draw the order of an epoch from."""


@dataclass(frozen=True)
class Lines:
    """R lines of a text, none of them empty, as positions in its ids [N]; or R other records, which have another end.

    A line is read after a newline, from a zero state, up to and including its own newline, whether or not the text has
    that newline: a line of n characters has n + 1 targets. A line that occurs several times counts that many times.
    """

    ids: Ids
    newline: int
    """The id of the newline, or of the character that ends each record: see `RecordForm.end`."""
    starts: Indices
    """[R]"""
    lengths: Indices
    """[R], without newlines."""
    digests: Digests
    """[R], by which equal lines are recognised."""
    firsts: Indices | None = None
    """[R]: the first character of each line that counts in the loss; None: all of them count."""
    labels: Indices | None = None
    """[R]: the index of each line's label, if it has one."""

    @classmethod
    def from_ids(cls, ids: Ids, vocabulary: Vocabulary, end: str = "\n") -> "Lines":
        """All lines of a text that are not empty, or the records that end with another character."""
        newline, starts, lengths = find_lines(ids, vocabulary, end)
        return cls(ids, newline, starts, lengths, line_digests(texts_of_lines(ids, starts, lengths, vocabulary, end)))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """The number of targets that count, newlines included."""
        return self.chars_read - (0 if self.firsts is None else int(self.firsts.sum(dtype=np.int64)))

    @property
    def chars_read(self) -> int:
        """The number of characters that are read, newlines included: a source is read, but does not count."""
        return int(self.lengths.sum(dtype=np.int64)) + len(self)

    def excerpt(self, limit: int) -> Ids:
        """The last lines with at most `limit` ids in total, one after the other, each with its newline.

        If the last one alone has more, it is the end of that.
        """
        lengths = self.lengths.astype(np.int64) + 1
        n = max(1, int(np.searchsorted(np.cumsum(lengths[::-1]), limit, side="right")))
        ends, lengths = (self.starts + lengths)[-n:], np.minimum(lengths[-n:], limit)
        starts, stops = ends - lengths, np.cumsum(lengths)
        places = np.arange(lengths.sum()) + np.repeat(starts - (stops - lengths), lengths)
        dtype = np.promote_types(self.ids.dtype, smallest_type(self.newline + 1))
        text: Ids = self.ids.take(places, mode="clip").astype(dtype)
        text[stops - 1] = self.newline
        return text

    @property
    def longest(self) -> int:
        """The length of the longest line, without its newline."""
        return int(self.lengths.max(initial=0))

    def split(self, fraction: float, min_chars: int, seed: int) -> tuple["Lines", "Lines"]:
        """The training lines and the validation lines, which the seed chooses.

        A line and its duplicates are on the same side, so that no validation line is learned. Different lines are held
        out in random order as long as they fit into the fraction. Learned are a line that occurs too often to fit into
        the rest of it, and one that is much longer than others and has more than this fraction of all characters. No
        lines are held out if they would have fewer than `min_chars` characters in total.
        """
        _, first, line, counts = np.unique(self.digests, return_index=True, return_inverse=True, return_counts=True)
        is_long = self.lengths[first] > max(usual_longest(self.lengths), self.size * fraction)
        room, held_out = int(len(self) * fraction), np.zeros(len(counts), bool)
        for n in np.random.default_rng(seed).permutation(len(counts)):
            if not room:
                break
            if counts[n] <= room and not is_long[n]:
                held_out[n] = True
                room -= int(counts[n])
        validation = self.select(held_out[line])
        if validation.size < min_chars:
            held_out[:] = False
        return self.select(~held_out[line]), self.select(held_out[line])

    def select(self, chosen: NDArray[np.bool_]) -> "Lines":
        """Some of the lines: those where `chosen` [R] is true."""
        per_line = {name: getattr(self, name) for name in ("starts", "lengths", "digests", "firsts", "labels")}
        return replace(self, **{name: a[chosen] for name, a in per_line.items() if a is not None})


def find_lines(ids: Ids, vocabulary: Vocabulary, end: str = "\n") -> tuple[int, Indices, Indices]:
    """The id of the end of a line, and the starts [R] and the lengths [R] of all lines of a text that are not empty."""
    newline = id_of(end, vocabulary)
    found = find(ids, newline)
    ends = np.append(found, found.dtype.type(len(ids)))
    starts = np.concatenate([np.zeros(1, ends.dtype), ends[:-1] + 1])
    lengths = ends - starts
    return newline, starts[lengths > 0], lengths[lengths > 0]


def id_of(character: str, vocabulary: Vocabulary) -> int:
    """The id of a character, or V, which occurs in no text, if the vocabulary lacks it."""
    return vocabulary.characters.index(character) if character in vocabulary.characters else len(vocabulary)


def find(ids: Ids, character: int) -> Indices:
    """The places in a text where a character stands, in the type for positions in this text."""
    dtype = np.promote_types(smallest_type(len(ids) + 2), np.uint32)
    blocks = (
        start + np.flatnonzero(ids[start : start + SCAN_BLOCK] == character) for start in range(0, len(ids), SCAN_BLOCK)
    )
    return np.concatenate([np.asarray(found, dtype) for found in (*blocks, [])])


def texts_of_lines(
    ids: Ids, starts: Indices, lengths: Indices, vocabulary: Vocabulary, end: str = "\n"
) -> Iterator[str]:
    """The text of each line; the starts and lengths are those of all lines that are not empty."""
    points = np.array([ord(c) for c in vocabulary.characters], "<u4")
    firsts = np.searchsorted(starts, np.arange(0, len(ids), SCAN_BLOCK))  # the first line that starts in each block
    for a, b in pairwise(np.unique([*firsts, len(starts)]).tolist()):
        block = ids[starts[a] : starts[b - 1] + lengths[b - 1]]
        if vocabulary.is_bytes:
            text = block.tobytes().decode("utf-8", "surrogateescape")
        else:
            text = points[block].tobytes().decode("utf-32-le", "surrogatepass")
        yield from filter(None, text.split(end))


def even_batch_size(R: int, max_batch_size: int) -> int:
    """The rows of a batch if R lines are divided as evenly as possible into batches of at most `max_batch_size`."""
    return -(-R // -(-R // max_batch_size)) if R else 0


@dataclass(frozen=True)
class LineBatches:
    """Lines in groups of B side by side, and each group cut into batches of at most T characters.

    Each epoch has an order of its own and forms the groups anew. The lines of a group have similar lengths, and are
    padded to the longest of them. All epochs have the same number of batches: lines are assigned to groups by the
    number of batches that they need, at random only among lines that need equally many. A line that is much longer than
    the rest is cut into several rows, which count as lines here: see `cut_rows`.
    """

    lines: Lines
    max_batch_size: int
    seq_length: int

    @property
    def size(self) -> int:
        """The characters of an epoch that count, newlines included."""
        return self.lines.size

    @property
    def chars_read(self) -> int:
        """The characters of an epoch that are read, newlines included."""
        return self.lines.chars_read

    def excerpt(self, limit: int) -> Ids:
        """See `Lines.excerpt`."""
        return self.lines.excerpt(limit)

    def blocks(self) -> Iterator[Ids]:
        """The lines without their newlines, in blocks."""
        return ids_of_parts(self.lines.ids, self.lines.starts, self.lines.lengths)

    @property
    def n_lines(self) -> int:
        """The lines of an epoch."""
        return len(self.lines)

    @property
    def batch_size(self) -> int:
        """B; some groups have one row fewer, and so a row in which no target counts."""
        return even_batch_size(len(self.rows.starts), self.max_batch_size)

    @cached_property
    def rows(self) -> Rows:
        """The rows that are read side by side: the lines, or parts of them; a target needs its source."""
        lines = self.lines.starts, self.lines.lengths
        return Rows(*lines) if self.lines.firsts is not None else cut_rows(*lines, self.seq_length)

    @property
    def n_orders(self) -> int:
        """The number of orders that an epoch can have."""
        return N_ORDERS

    @cached_property
    def steps_per_epoch(self) -> int:
        """The batches of one epoch."""
        return int(self._pieces.sum())

    @property
    def chars_per_step(self) -> float:
        """The characters of an average batch that count, which the weight of a batch is relative to.

        If all batches had the same weight, the characters of short lines, whose batches are small, would count for more
        than others. In an experiment on place names the validation loss was then 0.02 to 0.03 nats higher.
        """
        return self.size / self.steps_per_epoch

    @property
    def chars_read_per_step(self) -> float:
        """The characters of an average batch that are read."""
        return self.chars_read / self.steps_per_epoch

    @cached_property
    def _borders(self) -> Indices:
        """Where the groups begin and end among the rows in the order of an epoch: [groups + 1]."""
        R = len(self.rows.starts)
        groups = -(-R // self.max_batch_size)
        return np.arange(groups + 1) * R // max(1, groups)

    @cached_property
    def _pieces(self) -> Indices:
        """The batches that each group is cut into: as many as its longest line needs. [groups]"""
        return np.sort(self._needed())[self._borders[1:] - 1]

    def _needed(self) -> Indices:
        """The batches that each row needs alone: ⌈(n + 1) / T⌉ for n characters and a newline. [R]"""
        return self.rows.lengths // self.seq_length + 1

    def batches(self, start: int) -> Iterator[Batch]:
        """All batches, once, in a fixed order; the first input of a line is the newline, whatever `start` is."""
        return map(self.epoch(0), range(self.steps_per_epoch))

    def epoch(self, order: int) -> Callable[[int], Batch]:
        """The batches, by their number, of the epoch with this order."""
        rng = np.random.default_rng(order)
        lines, visits = self._shuffled(rng), rng.permutation(len(self._pieces))
        upto = np.cumsum(self._pieces[visits])

        def batch(k: int) -> Batch:
            visit = int(np.searchsorted(upto, k, side="right"))
            group, left = visits[visit], int(upto[visit]) - k
            chosen = lines[self._borders[group] : self._borders[group + 1]]
            return self._batch(chosen, int(self._pieces[group]) - left, int(self._pieces[group]))

        return batch

    def _shuffled(self, rng: np.random.Generator) -> Indices:
        """The rows in the order of an epoch: random, but sorted by the batches they need, and by length in a pool."""
        order = rng.permutation(len(self.rows.starts))
        order = order[np.argsort(self._needed()[order], kind="stable")]
        pool = np.repeat(np.arange(len(self._pieces)) // POOL_BATCHES, np.diff(self._borders))
        return order[np.lexsort((self.rows.lengths[order], pool))]

    def _batch(self, chosen: Indices, piece: int, pieces: int) -> Batch:
        """One piece of a group of rows, which is cut as evenly as possible."""
        lines, rows, B = self.lines, self.rows, self.batch_size
        starts, lengths = np.zeros(B, np.int64), np.full(B, -1)  # in a row without a line no target counts
        starts[: len(chosen)], lengths[: len(chosen)] = rows.starts[chosen], rows.lengths[chosen]
        firsts, before, after = (np.zeros(B, np.int64) for _ in range(3))
        if lines.firsts is not None:
            firsts[: len(chosen)] = lines.firsts[chosen]
        if rows.follows is not None and rows.unfinished is not None:
            before[: len(chosen)], after[: len(chosen)] = rows.follows[chosen], rows.unfinished[chosen]
        begin, end = ((int(lengths.max()) + 1) * border // pieces for border in (piece, piece + 1))
        t = np.arange(begin - 1, end)[:, None]  # the first input is the character before the first target
        inside = (t >= -before) & (t < lengths + after)
        ids = np.where(inside, lines.ids.take(starts + t, mode="clip"), lines.ids.dtype.type(lines.newline))
        is_text = t[1:] <= lengths
        mask = is_text & (t[1:] >= firsts)
        weight = np.count_nonzero(mask) / self.chars_per_step
        n_read = int(np.count_nonzero(is_text))
        return Batch(ids[:-1], ids[1:], slice(None) if piece == 0 else NO_ROWS, mask, weight, n_read=n_read)
