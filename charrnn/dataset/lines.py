"""The records: the lines of a text, each a text of its own, read side by side in batches of similar length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.batch import Batch
from charrnn.dataset.line_set import Digests, line_digests
from charrnn.dataset.vocabulary import Vocabulary, smallest_type
from charrnn.types import Ids

Indices = NDArray[np.integer[Any]]

SCAN_BLOCK = 1 << 20
"""Characters that are looked through at once."""
POOL_BATCHES = 32
"""Batches whose records are drawn together and then parted by length.

More of them make batches of more equal length, fewer make batches more random. With 32 of 50 place names each, 96 of
100 places hold text; with 16 it is 92, with 4 it is 79, and none has learned better than another.
"""
N_ORDERS = 1 << 53
"""How many orders of an epoch there are to draw from."""


@dataclass(frozen=True)
class Lines:
    """R lines of a text, none of them empty, as places in its ids [N].

    A record is read after a line end, from a fresh state, up to and with its own line end, whether or not that stands
    in the text: so one of n characters has n + 1 to predict. It counts as often as its line stands there.
    """

    ids: Ids
    end: int
    """The id of the line end."""
    starts: Indices
    """[R]"""
    lengths: Indices
    """[R], without line ends."""
    line_digests: Digests
    """[R], by which lines are known again."""

    @classmethod
    def of(cls, ids: Ids, vocabulary: Vocabulary) -> "Lines":
        """All lines of a text that are not empty."""
        end = vocabulary.characters.index("\n") if "\n" in vocabulary.characters else len(vocabulary)
        dtype = np.promote_types(smallest_type(len(ids) + 2), np.uint32)
        blocks = (
            start + np.flatnonzero(ids[start : start + SCAN_BLOCK] == end) for start in range(0, len(ids), SCAN_BLOCK)
        )
        ends = np.concatenate([np.asarray(found, dtype) for found in (*blocks, [len(ids)])])
        starts = np.concatenate([np.zeros(1, dtype), ends[:-1] + 1])
        lengths = ends - starts
        starts, lengths = starts[lengths > 0], lengths[lengths > 0]
        return cls(ids, end, starts, lengths, line_digests(_lines(ids, starts, lengths, vocabulary)))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """How many characters there are to predict, line ends included."""
        return int(self.lengths.sum(dtype=np.int64)) + len(self)

    def text(self, most: int) -> Ids:
        """The last of them, in at most so many characters, one after the other, each with its line end."""
        lengths = self.lengths.astype(np.int64) + 1
        first = int(np.searchsorted(np.cumsum(lengths[::-1]), most, side="right"))
        lengths, starts = lengths[len(self) - first :], self.starts[len(self) - first :]
        stops = np.cumsum(lengths)
        places = np.arange(lengths.sum()) + np.repeat(starts - (stops - lengths), lengths)
        text: Ids = self.ids.take(places, mode="clip").astype(smallest_type(self.end + 1))
        text[stops - 1] = self.end
        return text

    @property
    def longest(self) -> int:
        """The length of the longest record, without its line end."""
        return int(self.lengths.max(initial=0))

    def split(self, fraction: float, least: int, seed: int) -> tuple["Lines", "Lines"]:
        """The records to learn from and those to hold out, which the seed chooses.

        A line and its duplicates are on one side, so that none that is held out was learned. Different lines are held
        out in random order while what they add up to is no more than the fraction of all: one that stands too often
        for the room that is left is learned. None are held out if they have less than `least` characters together.
        """
        _, line, counts = np.unique(self.digests, return_inverse=True, return_counts=True)
        room, apart = int(len(self) * fraction), np.zeros(len(counts), bool)
        for n in np.random.default_rng(seed).permutation(len(counts)):
            if not room:
                break
            if counts[n] <= room:
                apart[n] = True
                room -= int(counts[n])
        held_out = self._only(apart[line])
        if held_out.size < least:
            apart[:] = False
        return self._only(~apart[line]), self._only(apart[line])

    def _only(self, which: NDArray[np.bool_]) -> "Lines":
        return replace(self, starts=self.starts[which], lengths=self.lengths[which], digests=self.digests[which])


def _lines(ids: Ids, starts: Indices, lengths: Indices, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of each record."""
    points = np.array([ord(c) for c in vocabulary.characters], "<u4")
    firsts = np.searchsorted(
        starts, np.arange(0, len(ids), SCAN_BLOCK)
    )  # of the records that begin in a block, or later
    for a, b in pairwise(np.unique([*firsts, len(starts)]).tolist()):
        block = ids[starts[a] : starts[b - 1] + lengths[b - 1]]
        if vocabulary.is_bytes:
            text = block.tobytes().decode("utf-8", "surrogateescape")
        else:
            text = points[block].tobytes().decode("utf-32-le", "surrogatepass")
        yield from filter(None, text.split("\n"))


def even_batch_size(R: int, batch_size: int) -> int:
    """How many records stand side by side, of R, in batches of at most `batch_size` that are as even as can be."""
    return -(-R // -(-R // batch_size)) if R else 0


@dataclass(frozen=True)
class LineBatches:
    """Records in batches of B side by side, and these cut into chunks of at most T characters.

    Each epoch has another order, in which the batches are put together anew. The records of a batch are of similar
    length, and are filled up to that of the longest. All epochs have the same number of chunks: records go to batches
    by how many chunks they need, and it is drawn only which of those that need as many goes where.
    """

    records: Lines
    batch_size: int
    seq_length: int

    @property
    def size(self) -> int:
        """The characters of an epoch, line ends included."""
        return self.records.size

    def text(self, most: int) -> Ids:
        """As `Lines.text`."""
        return self.records.text(most)

    @property
    def lines(self) -> int:
        """The records of an epoch."""
        return len(self.records)

    @property
    def rows(self) -> int:
        """B; some batches have a record less than this, and a row in which nothing counts."""
        return even_batch_size(self.lines, self.batch_size)

    @property
    def offsets(self) -> int:
        """How many orders there are of an epoch."""
        return N_ORDERS

    @cached_property
    def chunks(self) -> int:
        """The chunks of one epoch, which is its steps."""
        return int(self._pieces.sum())

    @property
    def per_step(self) -> float:
        """The characters that a mean step reads.

        By these a step is weighed. When each counted the same, the characters of short records, of which few make a
        step, counted for more than others, and the validation loss on place names was 0.02 to 0.03 nats higher.
        """
        return self.size / self.chunks

    @cached_property
    def _borders(self) -> Indices:
        """Where the batches begin and end among the records in the order of an epoch: [batches + 1]."""
        batches = -(-self.lines // self.batch_size)
        return np.arange(batches + 1) * self.lines // max(1, batches)

    @cached_property
    def _pieces(self) -> Indices:
        """The chunks that each batch is cut into: as many as its longest record needs. [batches]"""
        return np.sort(self._needed())[self._borders[1:] - 1]

    def _needed(self) -> Indices:
        """The chunks of each record alone: ⌈(n + 1) / T⌉ for n characters and a line end. [R]"""
        return self.records.lengths // self.seq_length + 1

    def epoch(self, offset: int) -> Callable[[int], Batch]:
        """The chunks of an epoch, whose order is that of this number, by their numbers."""
        rng = np.random.default_rng(offset)
        order, visits = self._shuffled(rng), rng.permutation(len(self._pieces))
        upto = np.cumsum(self._pieces[visits])

        def chunk(k: int) -> Batch:
            visit = int(np.searchsorted(upto, k, side="right"))
            batch, left = visits[visit], int(upto[visit]) - k
            which = order[self._borders[batch] : self._borders[batch + 1]]
            return self._chunk(which, int(self._pieces[batch]) - left, int(self._pieces[batch]))

        return chunk

    def _shuffled(self, rng: np.random.Generator) -> Indices:
        """The records in an order for batches: random, but first by the chunks they need, and in a pool by length."""
        order = rng.permutation(self.lines)
        order = order[np.argsort(self._needed()[order], kind="stable")]
        pool = np.repeat(np.arange(len(self._pieces)) // POOL_BATCHES, np.diff(self._borders))
        return order[np.lexsort((self.records.lengths[order], pool))]

    def _chunk(self, which: Indices, piece: int, pieces: int) -> Batch:
        """One of the pieces, as even as can be, of a batch of some records."""
        records, B = self.records, self.rows
        starts, lengths = np.zeros(B, np.int64), np.full(B, -1)  # a row without a record has no place that counts
        starts[: len(which)], lengths[: len(which)] = records.starts[which], records.lengths[which]
        begin, end = ((int(lengths.max()) + 1) * border // pieces for border in (piece, piece + 1))
        t = np.arange(begin - 1, end)[:, None]  # the first input stands before the first target
        inside = (t >= 0) & (t < lengths)
        text = np.where(inside, records.ids.take(starts + t, mode="clip"), records.ids.dtype.type(records.end))
        real = t[1:] <= lengths
        share = np.count_nonzero(real) / self.per_step
        return Batch(text[:-1], text[1:], slice(None) if piece == 0 else slice(0, 0), real, share)
