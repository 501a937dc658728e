"""The alphabet that every file of the package is written in: the letters of the axes and the types of the arrays.

    T   time steps of a chunk             V   size of the vocabulary
    B   batch rows, parallel streams      H   hidden size
    G   gates of a cell: 1, 3 or 4        L   layers
    S   arrays in a cell's state: 1 for h, 2 for h and c

Arrays are time-major, `[T, B, …]`. Weights are `(in, out)`, so that the code reads `x @ W`. `dx` is the gradient of
the loss with respect to `x`. A loss is in nats: natural logarithms.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Floating-point values; the dtype of the parameters is the dtype of the computation."""

Ids = NDArray[np.unsignedinteger[Any]]
"""Characters as indices into the vocabulary."""

Mask = NDArray[np.bool_]
"""Which places [T, B] of a batch hold text, where some rows are shorter than others."""

Params = dict[str, Array]
"""Parameters, their gradients or their moments: one flat dictionary, so that each thing done to all is one loop."""
