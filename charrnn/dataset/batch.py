"""The batch: what one training step reads, T characters of B rows side by side, and the targets that follow them."""

from typing import NamedTuple

import numpy as np

from charrnn.types import Ids, Mask

CHARS_PER_READ = 1024
"""Characters of a long text to read at once: enough to make the matrix products large."""

NO_ROWS = slice(0, 0)
"""The value of `Batch.reset` if no row is reset."""


class Batch(NamedTuple):
    """The inputs [T, B] of a step and their targets [T, B], the next characters."""

    inputs: Ids
    targets: Ids
    reset: slice = NO_ROWS
    """The rows where a new text begins: their state is set to zero before the first input."""
    mask: Mask | None = None
    """The targets [T, B] that count in the loss; None: all of them."""
    weight: float = 1.0
    """The weight of the mean loss: the batch's characters over those of an average batch; all characters count alike.

    1 if all batches have the same size.
    """
    n_read: int | None = None
    """The inputs that are text, not padding; None: as many as targets count."""

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
        return Batch(self.inputs[:, rows], self.targets[:, rows], NO_ROWS, mask, self.weight)
