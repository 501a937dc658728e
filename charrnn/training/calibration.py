"""The calibration: the temperature of a model's logits at which it is as sure of what it predicts as it is right.

    p = softmax(y / T + prior shift)

A classifier that goes on learning finds more and more labels, but becomes surer still, so that its loss rises while its
answers improve (C. Guo et al., "On Calibration of Modern Neural Networks", 2017). A language model that learns with
dropout is too sure without it: the average over all that dropout may leave out, which its weights stand for, would be
less sure than they are. So the loss of each evaluation is the lowest that a temperature reaches on the validation data.
It says which weights are the best; they are kept with the head divided by T, so that whoever loads them has calibrated
probabilities from a plain softmax. T does not change which label or character is the likeliest.

A line that occurs twenty times is learned once: otherwise a classifier would know it by heart, and little else about
its label. What that changes in the frequency of the labels is made up for by the shift.
"""

from collections.abc import Iterator

import numpy as np

from charrnn.config import ModelConfig
from charrnn.dataset.split import ValidationData
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model
from charrnn.training import evaluation
from charrnn.types import Array, Params

TEMPERATURES = 2.0 ** (np.arange(-2, 13) / 4)
"""[K] of classifiers: from 0.7 to 8, so close to each other that the loss between two of them is hardly lower."""

OF_DROPOUT = 2.0 ** (np.arange(5) / 8)
"""[K] of language models with dropout: from 1 to 1.4; after 90 seconds of training 1.09 is usual."""

TOLERANCE = 0.03
"""The weights that are kept are the last ones whose loss is higher than the lowest by at most this share.

Texts with labels are few, so that smaller differences are chance. The later weights, whose learning rate was lower,
then know more of the rare labels.
"""


def temperatures(config: ModelConfig) -> Array:
    """The temperatures [K] that are tried for a model; [1] if it is not calibrated."""
    if config.form == "classifier":
        return TEMPERATURES
    has_dropout = config.dropout > 0 or config.drop_connect > 0
    return OF_DROPOUT if has_dropout and config.form == "language_model" else np.ones(1)


def losses(model: Model, data: ValidationData, shift: Array | None = None) -> Iterator[tuple[Array, int]]:
    """The summed losses [K] of each batch at the model's `temperatures`, in nats, and how much counts in it.

    `shift` is that of a classifier's prior [n], if there is one.
    """
    tried = temperatures(model.config)
    if isinstance(model.network, Classifier):
        yield from _of_classifier(model, model.network, data, shift)
    elif len(tried) > 1:
        yield from of_language_model(model, data, tried)
    else:
        yield from ((np.array([nats]), chars) for nats, chars in evaluation.losses(model, data))


def of_language_model(model: Model, data: ValidationData, tried: Array) -> Iterator[tuple[Array, int]]:
    """The summed losses [K] of each batch at the temperatures that are `tried`, and its characters that count."""
    network, V, workspace = model.language_model, len(model.vocabulary), Workspace()
    state, token_nll = model.zero_state(data.batch_size), network.engine.softmax.token_nll
    for batch in data.batches(model.start):
        state[:, :, batch.reset] = 0
        counts = ... if batch.mask is None else batch.mask
        with np.errstate(all="ignore"):  # weights that are too large show in the losses
            logits, state = network.forward(model.params, batch.inputs, state, workspace)
            y, targets = logits[counts].reshape(-1, V), batch.targets[counts].ravel()
            nats = [token_nll(y / y.dtype.type(T), targets).sum(dtype=np.float64) for T in tried]
        yield np.array(nats), batch.chars


def _of_classifier(
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


def lowest(nats: Array, tried: Array) -> tuple[float, float]:
    """The lowest of the losses [K], NaN if any is, and its temperature; 1 if there is a single loss, of no data."""
    k = int(nats.argmin())
    return float(nats[k]), float(tried[k]) if len(nats) > 1 else 1.0


def temperature(model: Model, data: ValidationData, shift: Array | None = None) -> float:
    """The temperature of the lowest of the `losses`, summed over the data."""
    nats = np.sum([nats for nats, _ in losses(model, data, shift)], axis=0)
    return lowest(nats, temperatures(model.config))[1]


def calibrated(params: Params, temperature: float, shift: Array | None = None) -> Params:
    """The parameters of a model with other logits: y / T + the shift [n]; those below the head are not copied."""
    if temperature == 1 and (shift is None or not shift.any()):
        return params
    W, b = (params[name] / params[name].dtype.type(temperature) for name in ("W_out", "b_out"))
    return params | {"W_out": W, "b_out": b if shift is None else b + shift.astype(b.dtype)}
