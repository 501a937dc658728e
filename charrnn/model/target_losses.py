"""The losses of targets beside their sources, for a translator, which reads all of a source first."""

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.errors import DivergenceError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.model.translator import Translator
from charrnn.types import Array, Ids, Indices

CHARS_PER_CALL = 1 << 14
"""Characters of lines that are read at once, padding included, unless a single line is longer."""


def group_losses(
    model: Model, ids: Ids, starts: Indices, counts: Indices, firsts: Indices, workspace: Workspace
) -> Array:
    """The losses in nats of the targets of B lines [B], the longest of which comes first: see `_losses`."""
    B = max(1, CHARS_PER_CALL // int(counts[0]))
    parts = (slice(n, n + B) for n in range(0, len(starts), B))
    return np.concatenate([_losses(model, ids, starts[k], counts[k], firsts[k], workspace) for k in parts])


def _losses(model: Model, ids: Ids, starts: Indices, counts: Indices, firsts: Indices, workspace: Workspace) -> Array:
    """The losses in nats of the targets of B lines [B], which begin in `ids` at `starts` [B] and have `counts` ids.

    A target begins at the place `firsts` [B] of its line, after the tab. A line without a tab has a loss of 0; a source
    without characters is read as its tab. Raises `DivergenceError` if the losses are NaN or infinite.
    """
    network = model.network
    assert isinstance(network, Translator)
    lengths, targets = np.maximum(1, firsts - 1), counts - firsts
    s, t = np.arange(lengths.max())[:, None], np.arange(max(1, targets.max()))[:, None]
    tabs, counted = starts + np.maximum(1, firsts) - 1, t < targets
    inputs, wanted = (ids.take(tabs + place + t, mode="clip") for place in (0, 1))
    sources = ids.take(starts + s, mode="clip")
    batch = Batch(inputs, wanted, mask=counted, lengths=lengths, sources=sources)
    with np.errstate(all="ignore"):  # weights that are too large show in the losses
        nats = np.where(counted, network.token_nll(model.params, batch, workspace), 0)
    if not np.isfinite(nats).all():
        raise DivergenceError("the model's predictions are NaN or infinite: its weights are too large")
    total: Array = nats.sum(axis=0, dtype=np.float64)
    return total
