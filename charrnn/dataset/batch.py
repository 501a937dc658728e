"""The batch: what one training step reads, T characters of B rows side by side, and the targets to predict."""

from typing import NamedTuple

import numpy as np

from charrnn.types import Ids, Indices, Mask

CHARS_PER_READ = 1024
"""Characters of a long text to read at once: enough to make the matrix products large."""

NO_ROWS = slice(0, 0)
"""The value of `Batch.reset` if no row is reset."""


class Batch(NamedTuple):
    """The inputs [T, B] of a step and their targets.

    A language model's targets [T, B] are the next characters, a tagger's [T, B] the tags of the inputs, a classifier's
    [1, B] the labels of the rows. A translator's inputs and targets are those of its decoder.
    """

    inputs: Ids
    targets: Ids
    reset: slice | Indices = NO_ROWS
    """The rows where a new text begins: their state is set to zero before the first input."""
    mask: Mask | None = None
    """Which of the targets count in the loss, in the shape of those; None: all of them.

    It alone says what counts. So a row of padding, of length 0, has a mask without a True; a classifier's row of length
    0 that does count is an empty text.
    """
    weight: float = 1.0
    """The weight of the mean loss: the batch's characters over those of an average batch; all characters count alike.

    1 if all batches have the same size.
    """
    lengths: Indices | None = None
    """How many inputs of each row [B] are text, or how many of its sources; the rest is padding, of any ids; None: all.

    A network that reads whole texts needs them, so that its reverse cells begin at the last character of a row.
    """
    n_read: int | None = None
    """The inputs and sources that are text, not padding; None: as many as targets count."""
    sources: Ids | None = None
    """What a translator's encoder reads, [S, B]; None for other networks."""

    @property
    def steps(self) -> int:
        """The time steps of the inputs, and of the sources if there are any."""
        return len(self.inputs) + (0 if self.sources is None else len(self.sources))

    @property
    def chars_read(self) -> int:
        """The number of inputs that are text."""
        return self.chars if self.n_read is None else self.n_read

    @property
    def chars(self) -> int:
        """The number of targets that count."""
        return self.targets.size if self.mask is None else int(np.count_nonzero(self.mask))

    def shard(self, rows: slice) -> "Batch":
        """Some rows of the batch; their state has already been reset."""
        mask = None if self.mask is None else self.mask[:, rows]
        lengths = None if self.lengths is None else self.lengths[rows]
        sources = None if self.sources is None else self.sources[:, rows]
        return Batch(self.inputs[:, rows], self.targets[:, rows], NO_ROWS, mask, self.weight, lengths, sources=sources)
