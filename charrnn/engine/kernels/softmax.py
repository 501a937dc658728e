"""The compiled version of `layers.softmax`: all passes over a row while it is in the first-level cache."""

import numpy as np

from charrnn.engine.kernels.embedding import flat_indices
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.reductions import largest, sum_of
from charrnn.engine.kernels.simd import exp, fused
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array, Ids

__all__ = ["cross_entropy", "log_softmax", "token_nll"]

_exponentials = fused(lambda y, y_max: (exp(y - y_max),), 1)
_quotients = fused(lambda y, total: (y / total,), 1)


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
    loss, V = 0.0, logits.shape[1]
    for n in range(len(logits)):
        total, at_target = exponentials_of_row(logits, n, targets[n])
        loss += np.log(total) - at_target
        _quotients(V, (logits,), (n * V,), (logits, logits.dtype.type(total)), (n * V, 0))
        logits[n, targets[n]] -= 1
    return loss


@kernel
def exponentials_of_row(logits: Array, n: int, target: int) -> tuple[float, float]:
    """Replaces the logits y of row n by exp(y - max y); returns their sum, and y - max y at the target."""
    V = logits.shape[1]
    y_max = largest(V, logits, n * V)
    at_target = logits[n, target] - y_max
    _exponentials(V, (logits,), (n * V,), (logits, y_max), (n * V, 0))
    return sum_of(V, logits, n * V), at_target
