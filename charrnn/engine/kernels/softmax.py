"""The compiled twin of `layers.softmax`: one pass over each row while it is in the first cache."""

import numpy as np
from numba import njit

from charrnn.engine.kernels.embedding import places
from charrnn.engine.kernels.simd import exponentials
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array, Ids

__all__ = ["cross_entropy", "log_softmax", "token_nll"]


def token_nll(logits: Array, targets: Ids) -> Array:
    """As `layers.softmax.token_nll`."""
    found = np.empty(len(logits), logits.dtype)
    _token_nll(logits, places(targets, logits.shape[1]), found)
    return found


def cross_entropy(logits: Array, targets: Ids) -> tuple[float, Array]:
    """As `layers.softmax.cross_entropy`."""
    return _cross_entropy(logits, places(targets, logits.shape[1])), logits


@njit(nogil=True, cache=True)
def _token_nll(logits: Array, targets: Ids, found: Array) -> None:
    for n in range(len(logits)):
        total, at_target = _exponentials(logits, n, targets[n])
        found[n] = np.log(total) - at_target


@njit(nogil=True, cache=True, error_model="numpy")
def _cross_entropy(logits: Array, targets: Ids) -> float:
    loss = 0.0
    for n in range(len(logits)):
        total, at_target = _exponentials(logits, n, targets[n])
        loss += np.log(total) - at_target
        for v in range(logits.shape[1]):
            logits[n, v] /= logits.dtype.type(total)
        logits[n, targets[n]] -= 1
    return loss


@njit(nogil=True, cache=True)
def _exponentials(logits: Array, n: int, target: int) -> tuple[float, float]:
    """Makes exp(y - max y) of a row, in place; returns its sum, and y - max y at the target."""
    y, V = logits[n], logits.shape[1]
    top = y[0]
    for v in range(1, V):
        top = max(top, y[v])
    for v in range(V):
        y[v] -= top
    at_target = y[target]
    exponentials(V, (logits,), (n * V,), (logits,), (n * V,))
    total = 0.0
    for v in range(V):
        total += y[v]
    return total, at_target
