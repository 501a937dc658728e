"""The loss: softmax and cross-entropy, through log-sum-exp, so that no logit is too large or too small.

log p_v = y_v - log Σ_w exp(y_w)        loss = -log p_target        dy_v = p_v - [v = target]

Edits here show with `--engine numpy`. `engine/kernels/softmax.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.types import Array, Ids


def log_softmax(logits: Array) -> Array:
    """The log-probabilities [..., V] of logits [..., V]."""
    shifted: Array = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def token_nll(logits: Array, targets: Ids) -> Array:
    """-log p, in nats, of each of the targets [N], given logits [N, V], which it overwrites."""
    total, at_target = _exponentials(logits, targets)
    nll: Array = np.log(total[:, 0]) - at_target
    return nll


def cross_entropy(logits: Array, targets: Ids) -> tuple[float, Array]:
    """The summed loss, in nats, of logits [N, V] and targets [N]; and its gradient d_logits [N, V].

    The gradient overwrites the logits: for a large vocabulary they are the largest array of a training step, and
    nothing needs them any more.
    """
    total, at_target = _exponentials(logits, targets)
    loss = float(np.log(total).sum(dtype=np.float64) - at_target.sum(dtype=np.float64))
    # log p = y - log Σ exp(y): the gradient of -log p_target is p - onehot(target)
    logits /= total
    logits[np.arange(len(targets)), targets] -= 1
    return loss, logits


def _exponentials(logits: Array, targets: Ids) -> tuple[Array, Array]:
    """Replaces the logits y [N, V] by exp(y - max y); returns the sum of each row [N, 1], and y - max y at targets [N].

    Raises `IndexError` for a target outside the vocabulary.
    """
    logits -= logits.max(axis=-1, keepdims=True)
    at_target = logits[np.arange(len(targets)), targets]
    np.exp(logits, out=logits)
    return logits.sum(axis=-1, keepdims=True), at_target
