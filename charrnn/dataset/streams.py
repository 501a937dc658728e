"""The streams: a running text cut into parallel parts, which are read chunk by chunk with the state carried along."""

from collections.abc import Callable
from dataclasses import dataclass

from charrnn.dataset.batch import Batch
from charrnn.types import Ids

RESET_EVERY = 100
"""Chunks after which a stream's state is set to zero again, each stream at its own time.

A sample starts from zeros, and an epoch may be the only one and long. A network that met them once in thousands of
steps may take them for anything and never find into the text: with every stream carried to the epoch's end, half of
some LSTMs had a validation loss of 5 nats after their first epoch, the others 2.
"""


@dataclass(frozen=True)
class Streams:
    """Ids [N] cut into B parallel streams, and these into chunks of at most T characters, the next one its target.

    Every epoch begins at another offset, so that the borders between chunks move; all have the same number of chunks.
    A chunk is a view of the ids: a step costs the same however long the text is. Where the text is too short for B
    streams of T characters there are fewer of them.
    """

    ids: Ids
    batch_size: int
    seq_length: int
    lines: int = 0
    """A running text has no records."""

    @property
    def size(self) -> int:
        """N: the characters there are to learn from."""
        return len(self.ids)

    def text(self, most: int) -> Ids:
        """The last of these characters, so many at most."""
        return self.ids[-most:]

    @property
    def rows(self) -> int:
        """B: how many streams there really are."""
        return max(1, min(self.batch_size, (len(self.ids) - 1) // self.seq_length))

    @property
    def offsets(self) -> int:
        """How many places there are for an epoch to begin at: one chunk's, but no more than a tenth of the text."""
        return min(self.seq_length, (len(self.ids) - 1) // 10 + 1)

    @property
    def length(self) -> int:
        """The characters of one stream."""
        return (len(self.ids) - self.offsets) // self.rows

    @property
    def chunks(self) -> int:
        """The chunks of one epoch, which is its steps."""
        return -(-self.length // self.seq_length)

    @property
    def per_step(self) -> float:
        """The characters that a full step reads."""
        return self.rows * min(self.seq_length, self.length)

    def epoch(self, offset: int) -> Callable[[int], Batch]:
        """The chunks of an epoch that begins at `offset`, by their numbers."""

        def chunk(k: int) -> Batch:
            return Batch(*self.chunk(offset, k), slice(k % RESET_EVERY, None, RESET_EVERY) if k else slice(None))

        return chunk

    def chunk(self, offset: int, k: int) -> tuple[Ids, Ids]:
        """Chunk k of an epoch that begins at `offset`: inputs [T, B] and targets [T, B].

        The chunks of an epoch are as even as can be: their lengths differ by one at the most.
        """
        start, stop = (self.length * border // self.chunks for border in (k, k + 1))
        end = offset + self.rows * self.length
        inputs = self.ids[offset:end].reshape(self.rows, self.length)
        targets = self.ids[offset + 1 : end + 1].reshape(self.rows, self.length)
        return inputs[:, start:stop].T, targets[:, start:stop].T
