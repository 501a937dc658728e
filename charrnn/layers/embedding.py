"""The first layer's input: a one-hot vector times a matrix is a row of the matrix, so a look-up replaces the product.

    x_t = onehot(id_t) W_ih + b = (W_ih + b)[id_t]

Backward, each row of W_ih gets the gradients of all time steps and batch rows that read it:

    x_t = (W_ih + b)[id_t]        dW_ih[v] = Σ dx_t over all t with id_t = v        db = Σ_v dW_ih[v]

Edits here show with `--engine numpy`. `engine/kernels/embedding.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids

MAX_ONE_HOT_VOCAB = 300
"""The largest vocabulary for which a product with a one-hot matrix sums the rows faster than sorting them does."""


def forward(ids: Ids, W_ih: Array, b: Array, workspace: Workspace) -> Array:
    """Looks up x [T, B, G·H] for ids [T, B], with W_ih [V, G·H] and b [G·H].

    Raises `IndexError` for an id outside the vocabulary.
    """
    if ids.max(initial=0) >= len(W_ih):
        raise IndexError(f"id {ids.max()} is out of range for a vocabulary of {len(W_ih)} characters")
    x = workspace.empty("x", (*ids.shape, len(b)), b.dtype)
    # mode="clip" lets take write to `out` directly; the ids are within bounds
    if ids.size < len(W_ih):
        np.take(W_ih, ids, axis=0, out=x, mode="clip")
        x += b
        return x
    return np.take(W_ih + b, ids, axis=0, out=x, mode="clip")


def backward(dx: Array, ids: Ids, V: int, workspace: Workspace) -> Array:
    """dW_ih [V, G·H] from dx [T, B, G·H] and the ids [T, B] that were read; db is the sum of its rows."""
    d_rows, ids = dx.reshape(ids.size, -1), ids.ravel()
    # x = onehot W_ih + b
    if V <= MAX_ONE_HOT_VOCAB:
        onehot_T = workspace.zeros("onehot_T", (V, ids.size), dx.dtype)
        onehot_T[ids, np.arange(ids.size)] = 1
        return onehot_T @ d_rows
    # x = (W_ih + b)[ids]: equal ids are sorted side by side, and each run of them is summed
    dW_ih = np.zeros((V, d_rows.shape[1]), dx.dtype)
    order = np.argsort(ids, kind="stable")
    distinct, first = np.unique(ids[order], return_index=True)
    dW_ih[distinct] = np.add.reduceat(d_rows[order], first, axis=0)
    return dW_ih
