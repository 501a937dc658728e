"""The spread split: blocks from all over a continuous text are held out, and what lies between them is learned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from charrnn.dataset.batch import CHARS_PER_READ, NO_ROWS, Batch
from charrnn.dataset.id_counts import blocks_of
from charrnn.dataset.streams import RESET_EVERY
from charrnn.types import Ids, Indices

BLOCK, MAX_BLOCKS = 2000, 64
"""The characters of a block, unless there would be more than so many blocks: then they are longer.

A block is read from a zero state, so that its first characters cost more than the others. Longer blocks cost less, and
more blocks are a better sample of the text.
"""
SMALL_BLOCK, FEW_BLOCKS = 100, 5
"""The characters of a block of a short text, and the most blocks that it is cut into instead of longer ones."""


def place_blocks(N: int, held_out: int, seed: int) -> tuple[Indices, int]:
    """Where the blocks begin [K] in a text of N characters, and how many characters each of them has.

    The text is cut into K parts of equal length, each of which has a block at a place that the seed chooses. Together
    the blocks have at most `held_out` characters.
    """
    K = min(MAX_BLOCKS, max(held_out // BLOCK, min(FEW_BLOCKS, held_out // SMALL_BLOCK)))
    size = held_out // max(1, K)
    borders = np.arange(K + 1) * N // max(1, K)
    return np.random.default_rng(seed).integers(borders[:-1], borders[1:] - size, endpoint=True), size


def split_blocks(
    ids: Ids, held_out: int, seed: int, batch_size: int, seq_length: int
) -> tuple["SegmentStreams", "ValidationBlocks"]:
    """The segments of a text [N] to learn from, and the blocks between them: see `place_blocks`."""
    blocks, size = place_blocks(len(ids), held_out, seed)
    starts, stops = np.append(0, blocks + size), np.append(blocks, len(ids))
    return SegmentStreams(ids, starts, stops - starts, batch_size, seq_length), ValidationBlocks(ids, blocks, size)


@dataclass(frozen=True)
class SegmentStreams:
    """S segments of the ids [N], cut into pieces of T characters, which B parallel streams read in order.

    No stream runs across the end of a segment: its last piece may be shorter, and the state is zero at the start of the
    next one. As in `Streams`, every epoch begins at a new offset, and all epochs have the same number of batches.
    """

    ids: Ids
    starts: Indices
    """[S]"""
    lengths: Indices
    """[S]"""
    max_batch_size: int
    seq_length: int
    n_lines: int = 0
    """A continuous text is not divided into lines."""

    @property
    def size(self) -> int:
        """The characters to learn from."""
        return int(self.lengths.sum())

    @property
    def chars_read(self) -> int:
        """All characters are read, and count."""
        return self.size

    def excerpt(self, limit: int) -> Ids:
        """The last `limit` ids of the segments, one after the other."""
        after = np.cumsum(self.lengths[::-1])[::-1] - self.lengths
        stops, lengths = self.starts + self.lengths, np.clip(limit - after, 0, self.lengths)
        return np.concatenate([self.ids[stop - n : stop] for stop, n in zip(stops, lengths, strict=True)])

    def blocks(self) -> Iterator[Ids]:
        """The segments, in blocks."""
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield from blocks_of(self.ids[start : start + length])

    @cached_property
    def _orders(self) -> Indices:
        """The offsets at which each segment can begin: those of one batch, but at most a tenth of the segment. [S]

        One, also where a segment is empty, since a block begins or ends the text.
        """
        orders: Indices = np.clip((self.lengths - 1) // 10 + 1, 1, self.seq_length)
        return orders

    @cached_property
    def _targets(self) -> Indices:
        """The targets of each segment in an epoch; a segment of one character has none. [S]"""
        targets: Indices = np.maximum(self.lengths - self._orders, 0)
        return targets

    @cached_property
    def _ends(self) -> Indices:
        """The pieces up to the end of each segment. [S]"""
        ends: Indices = np.cumsum(-(-self._targets // self.seq_length))
        return ends

    @property
    def batch_size(self) -> int:
        """B: the number of streams."""
        return max(1, min(self.max_batch_size, int(self._ends[-1])))

    @cached_property
    def _borders(self) -> Indices:
        """The first piece of each stream, and the number of all pieces. [B + 1]"""
        borders: Indices = np.arange(self.batch_size + 1) * self._ends[-1] // self.batch_size
        return borders

    @property
    def n_orders(self) -> int:
        """The number of offsets at which an epoch can begin."""
        return int(self._orders.max())

    @property
    def steps_per_epoch(self) -> int:
        """The batches of one epoch."""
        return -(-int(self._ends[-1]) // self.batch_size)

    @property
    def chars_per_step(self) -> float:
        """The characters of an average batch."""
        return int(self._targets.sum()) / self.steps_per_epoch

    @property
    def chars_read_per_step(self) -> float:
        """The characters of an average batch: all of them count."""
        return self.chars_per_step

    def epoch(self, order: int) -> Callable[[int], Batch]:
        """The batches, by their number, of an epoch that begins at the offset `order`."""
        begins = self.starts + order % self._orders

        def batch(k: int) -> Batch:
            piece = self._borders[:-1] + k
            segment = np.minimum(np.searchsorted(self._ends, piece, side="right"), len(self.starts) - 1)
            place = piece - np.append(0, self._ends)[segment]
            offset = place * self.seq_length
            lengths = np.clip(self._targets[segment] - offset, 0, self.seq_length)
            lengths[piece >= self._borders[1:]] = 0  # this stream has fewer pieces
            t = np.arange(lengths.max())[:, None]
            places = (begins[segment] + offset) + t
            inputs, targets = (self.ids.take(places + after, mode="clip") for after in (0, 1))
            mask = None if lengths.min() == len(t) else t < lengths
            rows = np.arange(len(piece))
            reset = np.flatnonzero((place == 0) | (rows % RESET_EVERY == k % RESET_EVERY))
            weight = int(lengths.sum()) / self.chars_per_step
            return Batch(inputs, targets, reset if k else slice(None), mask, weight)

        return batch


@dataclass(frozen=True)
class ValidationBlocks:
    """K blocks of the ids [N], of equal size, read side by side with the state carried within each of them."""

    ids: Ids
    starts: Indices
    """[K]"""
    block_size: int
    n_lines: int = 0

    @property
    def size(self) -> int:
        """The number of characters."""
        return len(self.starts) * self.block_size

    @property
    def chars_read(self) -> int:
        """All characters are read, and count."""
        return self.size

    def excerpt(self, limit: int) -> Ids:
        """The first `limit` ids of the blocks, one after the other."""
        blocks = islice(self.blocks(), -(-limit // max(1, self.block_size)))
        return np.concatenate([*blocks, self.ids[:0]])[:limit]

    def blocks(self) -> Iterator[Ids]:
        """The blocks."""
        for start in self.starts.tolist():
            yield self.ids[start : start + self.block_size]

    @property
    def batch_size(self) -> int:
        """B: all blocks."""
        return max(1, len(self.starts))

    def batches(self, start: int) -> Iterator[Batch]:
        """See `ValidationData.batches`."""
        T = max(1, CHARS_PER_READ // self.batch_size)
        for begin in range(0, self.block_size, T):
            places = np.arange(begin, min(begin + T, self.block_size))[:, None] + self.starts
            inputs, targets = self.ids.take(places - 1, mode="clip"), self.ids.take(places)
            if not begin:
                inputs[0] = start
            yield Batch(inputs, targets, NO_ROWS if begin else slice(None))
