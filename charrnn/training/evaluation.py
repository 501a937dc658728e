"""The evaluation: the loss of a model on the whole validation data."""

from collections.abc import Iterator

import numpy as np

from charrnn.dataset.split import ValidationData
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model


def losses(model: Model, data: ValidationData) -> Iterator[tuple[float, int]]:
    """The summed loss of each batch, in order: nats, and the number of characters that count in it."""
    state, workspace = model.zero_state(data.batch_size), Workspace()
    for batch in data.batches(model.vocabulary.start):
        state[:, :, batch.reset] = 0
        state = model.clamp_state(state)
        with np.errstate(all="ignore"):  # weights that are too large show in the loss
            nats, state = model.network.loss(model.params, batch, state, workspace)
        yield nats, batch.chars
