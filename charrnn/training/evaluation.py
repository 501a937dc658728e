"""The evaluation: the loss of a model on the whole validation data, its right answers, and the best evaluation."""

from collections.abc import Iterator

import numpy as np

from charrnn.dataset.split import ValidationData
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model
from charrnn.model.tagger import Tagger
from charrnn.training.state import Evaluation


def losses(model: Model, data: ValidationData) -> Iterator[tuple[float, int]]:
    """The summed loss of each batch, in order: nats, and the number of characters that count in it."""
    state, workspace = model.zero_state(data.batch_size), Workspace()
    for batch in data.batches(model.start):
        state[:, :, batch.reset] = 0
        state = model.clamp_state(state)
        with np.errstate(all="ignore"):  # weights that are too large show in the loss
            nats, state = model.network.loss(model.params, batch, state, workspace)
        yield nats, batch.chars


def mean_loss(model: Model, data: ValidationData) -> float:
    """The loss of a model on some data, without dropout, in nats per character, label or tag."""
    found = [*losses(model, data)]
    return sum(nats for nats, _ in found) / sum(chars for _, chars in found)


def accuracy(model: Model, data: ValidationData) -> float | None:
    """The share of the labels or tags that a classifier or a tagger finds likeliest and that are right."""
    network, right, total = model.network, 0, 0
    if not isinstance(network, Classifier | Tagger):
        return None
    for batch in data.batches(model.start):
        counts = slice(None) if batch.mask is None else batch.mask
        found = network.logits(model.params, batch.inputs, batch.lengths).argmax(axis=-1)
        is_right = found.reshape(batch.targets.shape) == batch.targets
        right, total = right + int(is_right[counts].sum()), total + batch.chars
    return right / total if total else None


def best(history: list[Evaluation], tolerance: float) -> Evaluation:
    """The row with the lowest validation loss, the first of equals.

    With a tolerance, which a classifier has, the last row whose loss is higher by at most this share; but the weights
    that a run started from are kept unless a loss is lower than theirs.
    """
    lowest = min(history, key=lambda row: row.rank)
    if not tolerance or not lowest.step:
        return lowest
    return [row for row in history if row.rank <= (1 + tolerance) * lowest.rank][-1]
