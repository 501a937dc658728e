"""The loss: softmax cross-entropy, by log-sum-exp, so that no logit is too large or too small for it.

log p_v = y_v - log Σ_w exp(y_w)        loss = -log p_target        ∂loss/∂y_v = p_v - [v = target]
"""

import numpy as np

from charrnn.types import Array, Ids


def log_softmax(logits: Array) -> Array:
    """Turns logits [..., V] into log-probabilities [..., V]."""
    shifted: Array = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def token_nll(logits: Array, targets: Ids) -> Array:
    """The loss in nats of each of the targets [N] by itself, -log p, after logits [N, V], which are overwritten."""
    total, at_target = _exponentials(logits, targets)
    found: Array = np.log(total[:, 0]) - at_target
    return found


def cross_entropy(logits: Array, targets: Ids) -> tuple[float, Array]:
    """Sums the loss in nats of logits [N, V] against targets [N]; returns it and its gradient d_logits [N, V].

    The gradient takes the place of the logits: the array is the largest of a step for a large vocabulary, and nobody
    wants the logits any more.
    """
    total, at_target = _exponentials(logits, targets)
    loss = float(np.log(total).sum(dtype=np.float64) - at_target.sum(dtype=np.float64))
    logits /= total
    logits[np.arange(len(targets)), targets] -= 1
    return loss, logits


def _exponentials(logits: Array, targets: Ids) -> tuple[Array, Array]:
    """Makes exp(y - max y) of the logits y [N, V], in place; returns its sums [N, 1], and y - max y at targets [N]."""
    logits -= logits.max(axis=-1, keepdims=True)
    at_target = logits[np.arange(len(targets)), targets]
    np.exp(logits, out=logits)
    return logits.sum(axis=-1, keepdims=True), at_target
