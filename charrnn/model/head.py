"""The head: from the outputs of the last layer to logits, and to the loss of the targets that count.

    y = h W_out + b_out        a logit for each character, label or tag that is possible

A language model and a tagger have outputs h [T, B, N] for each position, a classifier one for each row, [1, B, N]; the
targets and the mask have the same first two axes. Every form of network ends like this, with `W_out` and `b_out`; the
head of a language model is also called its decoder.
"""

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.engine import Engine
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Mask, Params


def logits(engine: Engine, params: Params, h: Array, workspace: Workspace) -> Array:
    """The logits [T, B, outputs] for outputs h [T, B, N]."""
    T, B, N = h.shape
    return engine.linear.forward(h.reshape(T * B, N), params["W_out"], params["b_out"], workspace).reshape(T, B, -1)


def loss(engine: Engine, params: Params, h: Array, batch: Batch, workspace: Workspace) -> float:
    """The summed loss of the batch's targets that count, in nats."""
    h, targets = select(h, batch.targets, batch.mask, workspace)
    y = engine.linear.forward(h, params["W_out"], params["b_out"], workspace)
    return float(engine.softmax.token_nll(y, targets).sum(dtype=np.float64))


def loss_and_gradients(
    engine: Engine, params: Params, h: Array, batch: Batch, workspace: Workspace
) -> tuple[float, Array, Params]:
    """The summed loss of the targets that count, in nats, its gradient dh [T, B, N], and those of W_out and b_out."""
    h_masked, targets = select(h, batch.targets, batch.mask, workspace)
    y = engine.linear.forward(h_masked, params["W_out"], params["b_out"], workspace)
    total, dy = engine.softmax.cross_entropy(y, targets)
    # y = h_masked W_out + b_out
    d_masked, dW, db = engine.linear.backward(dy, h_masked, params["W_out"], workspace.scope("W_out"))
    # h_masked = h[mask]
    dh = unselect(d_masked, h.shape, batch.mask, workspace)
    return total, dh, {"W_out": dW, "b_out": db}


def nll_and_gradients(
    engine: Engine, params: Params, h: Array, targets: Ids, workspace: Workspace
) -> tuple[Array, Array, Params]:
    """-log p [T, B] of each of the targets [T, B], in nats, and the gradients of their sum as `loss_and_gradients`."""
    T, B, N = h.shape
    y = engine.linear.forward(h.reshape(T * B, N), params["W_out"], params["b_out"], workspace)
    nats = engine.softmax.token_nll(y.copy(), targets.ravel())
    _, dy = engine.softmax.cross_entropy(y, targets.ravel())
    # y = h W_out + b_out
    dh, dW, db = engine.linear.backward(dy, h.reshape(T * B, N), params["W_out"], workspace.scope("W_out"))
    return nats.reshape(T, B), dh.reshape(T, B, N), {"W_out": dW, "b_out": db}


def select(h: Array, targets: Ids, mask: Mask | None, workspace: Workspace) -> tuple[Array, Ids]:
    """The K outputs [K, N] and targets [K] that the mask [T, B] selects from h [T, B, N] and targets [T, B]."""
    h, targets = h.reshape(-1, h.shape[-1]), targets.ravel()
    if mask is None:
        return h, targets
    places = np.flatnonzero(mask)
    out = workspace.empty("masked", (len(places), h.shape[1]), h.dtype)
    # mode="clip" lets take write to `out` directly; the places are within bounds
    return np.take(h, places, axis=0, out=out, mode="clip"), targets[places]


def unselect(d: Array, shape: tuple[int, ...], mask: Mask | None, workspace: Workspace) -> Array:
    """Undoes `select`: the gradient [T, B, N] of all outputs; zero for those that were not selected."""
    if mask is None:
        return d.reshape(shape)
    dh = workspace.zeros("d_masked", shape, d.dtype)
    dh[mask] = d
    return dh
