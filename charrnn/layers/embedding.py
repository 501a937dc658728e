"""The first layer's input: a one-hot vector times a matrix is a row of the matrix, so nothing is multiplied.

x_t = onehot(id_t) W_ih + b = (W_ih + b)[id_t]
"""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids

MAX_ONE_HOT = 300
"""Characters up to which BLAS, with a one-hot matrix after all, sums rows faster than sorting them does."""


def forward(ids: Ids, W_ih: Array, b: Array, workspace: Workspace) -> Array:
    """Looks up x [T, B, G·H] for ids [T, B], with W_ih [V, G·H] and b [G·H]."""
    if ids.max(initial=0) >= len(W_ih):
        raise IndexError(f"there are {len(W_ih)} characters, and none has the id {ids.max()}")
    x = workspace.empty("x", (*ids.shape, len(b)), b.dtype)
    # mode="clip" lets take write to `out` at once
    if ids.size < len(W_ih):
        np.take(W_ih, ids, axis=0, out=x, mode="clip")
        x += b
        return x
    return np.take(W_ih + b, ids, axis=0, out=x, mode="clip")


def backward(dx: Array, ids: Ids, V: int, workspace: Workspace) -> Array:
    """Undoes `forward`: dW_ih [V, G·H], in which row v sums dx [T, B, G·H] over the places where v was read.

    db is the sum of those rows in turn.
    """
    rows, places = dx.reshape(ids.size, -1), ids.ravel()
    if V <= MAX_ONE_HOT:
        onehot = workspace.zeros("onehot", (V, ids.size), dx.dtype)
        onehot[places, np.arange(ids.size)] = 1
        return onehot @ rows
    dW_ih = np.zeros((V, rows.shape[1]), dx.dtype)
    order = np.argsort(places, kind="stable")
    seen, first = np.unique(places[order], return_index=True)
    dW_ih[seen] = np.add.reduceat(rows[order], first, axis=0)
    return dW_ih
