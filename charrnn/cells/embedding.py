"""The first layer's input: a one-hot vector times a matrix is a row of the matrix, so nothing is multiplied.

x_t = onehot(id_t) W_ih + b = (W_ih + b)[id_t]
"""

import numpy as np

from charrnn.memory import Memory
from charrnn.notation import Array, Ids


def forward(ids: Ids, W_ih: Array, b: Array, memory: Memory) -> Array:
    """Looks up x [T, B, G·H] for ids [T, B], with W_ih [V, G·H] and b [G·H]."""
    x = memory.empty("x", (*ids.shape, len(b)), b.dtype)
    # mode="clip" lets take write to `out` at once; the ids are within bounds
    if ids.size < len(W_ih):
        np.take(W_ih, ids, axis=0, out=x, mode="clip")
        x += b
        return x
    return np.take(W_ih + b, ids, axis=0, out=x, mode="clip")


def backward(dx: Array, ids: Ids, V: int, memory: Memory) -> Array:
    """Undoes `forward`: dW_ih [V, G·H], in which row v sums dx [T, B, G·H] over the places where v was read.

    db is the sum of those rows in turn.
    """
    # A one-hot matrix after all, for BLAS sums the rows of dx far faster than np.add.at does
    onehot = memory.zeros("onehot", (V, ids.size), dx.dtype)
    onehot[ids.ravel(), np.arange(ids.size)] = 1
    dW_ih: Array = onehot @ dx.reshape(ids.size, -1)
    return dW_ih
