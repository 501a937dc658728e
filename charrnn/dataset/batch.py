"""The chunk: what one step of training reads, T characters of B rows of text side by side, and what follows each."""

from typing import NamedTuple

import numpy as np

from charrnn.types import Ids, Mask


class Batch(NamedTuple):
    """The inputs [T, B] of a step and its targets [T, B], the characters that follow them."""

    inputs: Ids
    targets: Ids
    afresh: slice
    """The rows whose text begins here: their state is zero before the first input."""
    real: Mask | None = None
    """The places [T, B] that hold text, where rows are filled up to the length of the longest; None: all do."""
    share: float = 1.0
    """What its mean loss counts for: its characters over those of a mean step, so that all characters weigh the same.

    1 where all chunks are of one size.
    """

    @property
    def chars(self) -> int:
        """How many characters there are to be predicted."""
        return self.targets.size if self.real is None else int(np.count_nonzero(self.real))
