"""The compiled twin of `cells.embedding`."""

import numpy as np
from numba import njit

from charrnn.cells.embedding import forward
from charrnn.memory import Memory
from charrnn.notation import Array, Ids

__all__ = ["backward", "forward"]


def backward(dx: Array, ids: Ids, V: int, memory: Memory) -> Array:
    """As `cells.embedding.backward`."""
    GH = dx.shape[-1]
    dW_ih = memory.zeros("dW_ih", (V, GH), dx.dtype)
    _add_rows(dx.reshape(-1, GH), ids.astype(np.intp).ravel(), dW_ih)
    return dW_ih


@njit(nogil=True, cache=True)
def _add_rows(rows: Array, ids: Ids, sums: Array) -> None:
    for n in range(len(ids)):
        for g in range(rows.shape[1]):
            sums[ids[n], g] += rows[n, g]
