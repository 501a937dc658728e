"""The array types, and the letters of their axes, that the whole package uses.

    T   time steps of a batch             V   vocabulary size
    B   batch rows                        H   hidden size
    G   gates of a cell: 1, 3 or 4        L   layers
    S   arrays in a cell's state: 1 for h, 2 for h and c

Arrays are time-major, `[T, B, …]`. Weights are `(in, out)`, so that the code reads `x @ W`. `dx` is the gradient of the
loss with respect to `x`; `da_r` is the gradient of the pre-activation of gate `r`. Losses are in nats.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Floating-point values; the dtype of the parameters is the dtype of the computation."""

Ids = NDArray[np.unsignedinteger[Any]]
"""Characters as indices into the vocabulary."""

Indices = NDArray[np.integer[Any]]
"""Positions, lengths and counts."""

Mask = NDArray[np.bool_]
"""Which entries count: which targets [T, B] enter the loss, or which characters [V] may come next."""

Params = dict[str, Array]
"""Parameters, their gradients or their moments: one flat dictionary, so that clipping and saving are plain loops."""

Receiver = Callable[[Params], None]
"""What gets gradients as soon as they are known, while backpropagation goes on through the layers below."""

Shapes = dict[str, tuple[int, ...]]
"""The shape of every parameter, in the order in which they are initialized."""
