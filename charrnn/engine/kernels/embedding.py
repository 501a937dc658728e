"""The compiled twin of `layers.embedding`."""

import numpy as np
from numba import njit

from charrnn.engine.kernels.simd import fused
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids

_fused_sum = fused(lambda row, total: (row + total,), 1)


def forward(ids: Ids, W_ih: Array, b: Array, workspace: Workspace) -> Array:
    """As `layers.embedding.forward`."""
    x = workspace.empty("x", (*ids.shape, len(b)), b.dtype)
    _look_up(places(ids, len(W_ih)), np.ascontiguousarray(W_ih), b, x)
    return x


def places(ids: Ids, V: int) -> Ids:
    """Ids as flat indices. Raises `IndexError` for one that no character has: compiled code doesn't look."""
    found = ids.astype(np.uintp).ravel()  # one below 0 becomes huge
    if found.max(initial=0) >= V:
        raise IndexError(f"there are {V} characters, and an id is none of them")
    return found.view(np.intp)


@njit(nogil=True, cache=True)
def _look_up(ids: Ids, W_ih: Array, b: Array, x: Array) -> None:
    GH = len(b)
    for n in range(len(ids)):
        _fused_sum(GH, (x,), (n * GH,), (W_ih, b), (ids[n] * GH, 0))


def backward(dx: Array, ids: Ids, V: int, workspace: Workspace) -> Array:
    """As `layers.embedding.backward`."""
    dW_ih = workspace.zeros("dW_ih", (V, dx.shape[-1]), dx.dtype)
    _add_rows(np.ascontiguousarray(dx), places(ids, V), dW_ih)
    return dW_ih


@njit(nogil=True, cache=True)
def _add_rows(dx: Array, ids: Ids, sums: Array) -> None:
    GH = sums.shape[1]
    for n in range(len(ids)):
        at = ids[n] * GH
        _fused_sum(GH, (sums,), (at,), (dx, sums), (n * GH, at))
