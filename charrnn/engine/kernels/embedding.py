"""The compiled version of `layers.embedding`."""

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.simd import fused
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids

_fused_sum = fused(lambda row, total: (row + total,), 1)


def forward(ids: Ids, W_ih: Array, b: Array, workspace: Workspace) -> Array:
    """As `layers.embedding.forward`."""
    x = workspace.empty("x", (*ids.shape, len(b)), b.dtype)
    _look_up(flat_indices(ids, len(W_ih)), np.ascontiguousarray(W_ih), b, x)
    return x


def flat_indices(ids: Ids, V: int) -> Ids:
    """The ids as flat indices. Raises `IndexError` for an id outside the vocabulary: compiled code does not check."""
    indices = ids.astype(np.uintp).ravel()  # a negative id becomes huge
    if indices.max(initial=0) >= V:
        raise IndexError(f"an id is out of range for a vocabulary of {V} characters")
    return indices.view(np.intp)


@kernel
def _look_up(ids: Ids, W_ih: Array, b: Array, x: Array) -> None:
    GH = len(b)
    for n in range(len(ids)):
        _fused_sum(GH, (x,), (n * GH,), (W_ih, b), (ids[n] * GH, 0))


def backward(dx: Array, ids: Ids, V: int, workspace: Workspace) -> Array:
    """As `layers.embedding.backward`."""
    dW_ih = workspace.zeros("dW_ih", (V, dx.shape[-1]), dx.dtype)
    _add_rows(np.ascontiguousarray(dx), flat_indices(ids, V), dW_ih)
    return dW_ih


@kernel
def _add_rows(dx: Array, ids: Ids, dW_ih: Array) -> None:
    GH = dW_ih.shape[1]
    for n in range(len(ids)):
        row = ids[n] * GH
        _fused_sum(GH, (dW_ih,), (row,), (dx, dW_ih), (n * GH, row))
