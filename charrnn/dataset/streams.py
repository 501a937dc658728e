"""The `stream` layout: a continuous text in parallel streams, read batch by batch with the state carried along."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from charrnn.dataset.batch import Batch
from charrnn.dataset.id_counts import blocks_of
from charrnn.types import Ids

RESET_EVERY = 100
"""Batches after which the state of a stream is reset to zero; each stream is reset at a time of its own.

A sample starts from a zero state, and an epoch may be long or the only one. A network that sees a zero state once in
thousands of steps may never learn to start from it: in an experiment in which every stream was carried to the end of
the epoch, half of the LSTMs had a validation loss of 5 nats after their first epoch, the other half 2.
"""


@dataclass(frozen=True)
class Streams:
    """Ids [N] cut into B parallel streams, and each stream into pieces of at most T characters, one for each batch.

    Every epoch begins at a new offset, so that the borders between batches move; all epochs have the same number of
    batches. A batch is a view of the ids, so a step costs the same for a text of any length. A text that is too short
    for `max_batch_size` streams of `seq_length` characters has fewer streams.
    """

    ids: Ids
    max_batch_size: int
    seq_length: int
    n_lines: int = 0
    """A continuous text is not divided into lines."""

    @property
    def size(self) -> int:
        """N: the characters to learn from."""
        return len(self.ids)

    @property
    def chars_read(self) -> int:
        """All characters are read, and count."""
        return self.size

    def excerpt(self, limit: int) -> Ids:
        """The last `limit` ids of the text."""
        return self.ids[-limit:]

    def blocks(self) -> Iterator[Ids]:
        """The text in blocks."""
        return blocks_of(self.ids)

    @property
    def batch_size(self) -> int:
        """B: the number of streams."""
        return max(1, min(self.max_batch_size, (len(self.ids) - 1) // self.seq_length))

    @property
    def n_orders(self) -> int:
        """The number of offsets at which an epoch can begin: those of one batch, but at most a tenth of the text."""
        return min(self.seq_length, (len(self.ids) - 1) // 10 + 1)

    @property
    def stream_length(self) -> int:
        """The characters of one stream."""
        return (len(self.ids) - self.n_orders) // self.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """The batches of one epoch."""
        return -(-self.stream_length // self.seq_length)

    @property
    def chars_per_step(self) -> float:
        """The characters of a full batch."""
        return self.batch_size * min(self.seq_length, self.stream_length)

    @property
    def chars_read_per_step(self) -> float:
        """The characters of a full batch: all of them count."""
        return self.chars_per_step

    def epoch(self, order: int) -> Callable[[int], Batch]:
        """The batches, by their number, of an epoch that begins at the offset `order`."""

        def batch(k: int) -> Batch:
            return Batch(*self.ids_of_batch(order, k), slice(k % RESET_EVERY, None, RESET_EVERY) if k else slice(None))

        return batch

    def range_of(self, rows: slice) -> tuple[int, int]:
        """Where the characters that some streams read begin and end, in any epoch."""
        return rows.start * self.stream_length, rows.stop * self.stream_length + self.n_orders

    def ids_of_batch(self, order: int, k: int) -> tuple[Ids, Ids]:
        """Inputs [T, B] and targets [T, B] of batch k of an epoch that begins at the offset `order`.

        The batches of an epoch are as even as possible: their lengths differ by one at most.
        """
        start, stop = (self.stream_length * border // self.steps_per_epoch for border in (k, k + 1))
        end = order + self.batch_size * self.stream_length
        inputs = self.ids[order:end].reshape(self.batch_size, self.stream_length)
        targets = self.ids[order + 1 : end + 1].reshape(self.batch_size, self.stream_length)
        return inputs[:, start:stop].T, targets[:, start:stop].T
