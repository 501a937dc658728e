"""The calibration: the temperature of a classifier's logits at which it is as sure of its labels as it is right.

    p = softmax(y / T + prior shift)

A network that goes on learning finds more and more labels, but becomes surer still, so that its loss rises while its
answers improve (C. Guo et al., "On Calibration of Modern Neural Networks", 2017). So the loss of each evaluation is the
lowest that a temperature reaches on the validation data. It says which weights are the best; they are kept with the
head divided by T, so that whoever loads them has calibrated probabilities from a plain softmax. T changes no answer.

A line that occurs twenty times is learned once: otherwise the network would know it by heart, and little else about its
label. What that changes in the frequency of the labels is made up for by the shift.
"""

from collections.abc import Iterator

import numpy as np

from charrnn.dataset.split import ValidationData
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model
from charrnn.training import evaluation
from charrnn.types import Array, Params

TEMPERATURES = 2.0 ** (np.arange(-2, 13) / 4)
"""[K]: from 0.7 to 8, so close to each other that the loss between two of them is hardly lower."""

TOLERANCE = 0.03
"""The weights that are kept are the last ones whose loss is higher than the lowest by at most this share.

Texts with labels are few, so that smaller differences are chance. The later weights, whose learning rate was lower,
then know more of the rare labels.
"""


def losses(model: Model, data: ValidationData, shift: Array | None = None) -> Iterator[tuple[Array, int]]:
    """The summed loss of each batch, in nats, and how much counts in it: `evaluation.losses`.

    Of a classifier the losses are [K], one for each of `TEMPERATURES`, with the shift [n] of the prior, if there is
    one; of another model [1].
    """
    if isinstance(model.network, Classifier):
        yield from _losses(model, model.network, data, shift)
    else:
        yield from ((np.array([nats]), chars) for nats, chars in evaluation.losses(model, data))


def _losses(
    model: Model, network: Classifier, data: ValidationData, shift: Array | None
) -> Iterator[tuple[Array, int]]:
    workspace, token_nll = Workspace(), network.engine.softmax.token_nll
    dtype = model.params["b_out"].dtype
    shifts = np.zeros(network.config.outputs, dtype) if shift is None else shift.astype(dtype)
    for batch in data.batches(model.start):
        counts = slice(None) if batch.mask is None else batch.mask[0]
        with np.errstate(all="ignore"):  # weights that are too large show in the loss
            logits = network.logits(model.params, batch.inputs, batch.lengths, workspace)[counts]
            labels = batch.targets[0, counts]
            nats = [token_nll(logits / dtype.type(T) + shifts, labels) for T in TEMPERATURES]
        yield np.array(nats, np.float64).sum(axis=1), batch.chars


def lowest(nats: Array) -> tuple[float, float]:
    """The lowest of the losses, NaN if any is, and its temperature; 1 for a single loss."""
    k = int(nats.argmin())
    return float(nats[k]), float(TEMPERATURES[k]) if len(nats) > 1 else 1.0


def temperature(model: Model, data: ValidationData, shift: Array | None = None) -> float:
    """The temperature of the lowest of the `losses`, summed over the data."""
    return lowest(np.sum([nats for nats, _ in losses(model, data, shift)], axis=0))[1]


def calibrated(params: Params, temperature: float, shift: Array | None = None) -> Params:
    """The parameters of a classifier with other logits: y / T + the shift [n]; those below the head are not copied."""
    if temperature == 1 and (shift is None or not shift.any()):
        return params
    W, b = (params[name] / params[name].dtype.type(temperature) for name in ("W_out", "b_out"))
    return params | {"W_out": W, "b_out": b if shift is None else b + shift.astype(b.dtype)}
