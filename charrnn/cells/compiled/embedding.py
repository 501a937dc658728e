"""The compiled twin of `cells.embedding`."""

import numpy as np
from numba import njit

from charrnn.cells.compiled.vectors import fused
from charrnn.memory import Memory
from charrnn.notation import Array, Ids

_fused_sum = fused(lambda row, total: (row + total,), 1)


def forward(ids: Ids, W_ih: Array, b: Array, memory: Memory) -> Array:
    """As `cells.embedding.forward`."""
    if ids.max(initial=0) >= len(W_ih):
        raise IndexError(f"there are {len(W_ih)} characters, and none has the id {ids.max()}")
    x = memory.empty("x", (*ids.shape, len(b)), b.dtype)
    _look_up(ids.astype(np.intp).ravel(), W_ih, b, x)
    return x


@njit(nogil=True, cache=True)
def _look_up(ids: Ids, W_ih: Array, b: Array, x: Array) -> None:
    GH = len(b)
    for n in range(len(ids)):
        _fused_sum(GH, (x,), (n * GH,), (W_ih, b), (ids[n] * GH, 0))


def backward(dx: Array, ids: Ids, V: int, memory: Memory) -> Array:
    """As `cells.embedding.backward`."""
    dW_ih = memory.zeros("dW_ih", (V, dx.shape[-1]), dx.dtype)
    _add_rows(np.ascontiguousarray(dx), ids.astype(np.intp).ravel(), dW_ih)
    return dW_ih


@njit(nogil=True, cache=True)
def _add_rows(dx: Array, ids: Ids, sums: Array) -> None:
    GH = sums.shape[1]
    for n in range(len(ids)):
        at = ids[n] * GH
        _fused_sum(GH, (sums,), (at,), (dx, sums), (n * GH, at))
