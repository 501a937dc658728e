"""The compiled version of `layers.softmax`: all passes over a row while it is in the first-level cache."""

import numpy as np

from charrnn.engine.kernels.embedding import flat_indices
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.simd import exponentials
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array, Ids

__all__ = ["cross_entropy", "log_softmax", "token_nll"]


def token_nll(logits: Array, targets: Ids) -> Array:
    """As `layers.softmax.token_nll`."""
    nll = np.empty(len(logits), logits.dtype)
    _token_nll(logits, flat_indices(targets, logits.shape[1]), nll)
    return nll


def cross_entropy(logits: Array, targets: Ids) -> tuple[float, Array]:
    """As `layers.softmax.cross_entropy`."""
    return _cross_entropy(logits, flat_indices(targets, logits.shape[1])), logits


@kernel
def _token_nll(logits: Array, targets: Ids, nll: Array) -> None:
    for n in range(len(logits)):
        total, at_target = exponentials_of_row(logits, n, targets[n])
        nll[n] = np.log(total) - at_target


@kernel(error_model="numpy")
def _cross_entropy(logits: Array, targets: Ids) -> float:
    loss = 0.0
    for n in range(len(logits)):
        total, at_target = exponentials_of_row(logits, n, targets[n])
        loss += np.log(total) - at_target
        for v in range(logits.shape[1]):
            logits[n, v] /= logits.dtype.type(total)
        logits[n, targets[n]] -= 1
    return loss


@kernel
def exponentials_of_row(logits: Array, n: int, target: int) -> tuple[float, float]:
    """Replaces the logits y of row n by exp(y - max y); returns their sum, and y - max y at the target."""
    y, V = logits[n], logits.shape[1]
    y_max = y[0]
    for v in range(1, V):
        y_max = max(y_max, y[v])
    for v in range(V):
        y[v] -= y_max
    at_target = y[target]
    exponentials(V, (logits,), (n * V,), (logits,), (n * V,))
    total = 0.0
    for v in range(V):
        total += y[v]
    return total, at_target
