"""The compiled version of `layers.embedding`."""

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.rows import Rows
from charrnn.engine.kernels.simd import fused
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Indices

_fused_sum = fused(lambda row, total: (row + total,), 1)


def forward(ids: Ids, W_ih: Array, b: Array, workspace: Workspace) -> Rows:
    """As `layers.embedding.forward`, but the rows are only named: a cell looks them up when it reads them."""
    indices, table_rows = flat_indices(ids, len(W_ih)), np.arange(len(W_ih))
    if len(indices) < len(W_ih):
        indices, table_rows = np.arange(len(indices)), indices
    table = workspace.empty("table", (len(table_rows), len(b)), b.dtype)
    _look_up(table_rows, np.ascontiguousarray(W_ih), b, table)
    return Rows(table, indices, (*ids.shape, len(b)))


def flat_indices(ids: Ids, V: int) -> Ids:
    """The ids as flat indices. Raises `IndexError` for an id outside the vocabulary: compiled code does not check."""
    indices = ids.astype(np.uintp).ravel()  # a negative id becomes huge
    if indices.max(initial=0) >= V:
        raise IndexError(f"an id is out of range for a vocabulary of {V} characters")
    return indices.view(np.intp)


@kernel
def _look_up(ids: Indices, W_ih: Array, b: Array, x: Array) -> None:
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
