"""The n-grams of a run: counted in what it learns from, and weighted by what they bring on the validation data."""

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.split import TrainingData, ValidationData
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.layers.workspace import Workspace
from charrnn.model import ngrams
from charrnn.model.model import Model
from charrnn.model.ngrams import NgramTable

MAX_CHARS = 4_000_000
"""The most characters in which n-grams are counted, which takes a microsecond for each: the last ones of the text."""


def table_of(
    training: TrainingData, config: TrainingConfig, vocabulary: Vocabulary, form: RecordForm
) -> NgramTable | None:
    """The n-grams of the training data, if the configuration has any; `form` is that of lines and other records."""
    if not config.ngrams:
        return None
    ids, start = training.excerpt(MAX_CHARS), vocabulary.start_after(form.end)
    begins = np.zeros(len(ids), bool)
    begins[:1] = True
    if training.n_lines:
        begins[1:] = ids[:-1] == start
    return ngrams.count(ids, len(vocabulary), config.ngrams - 1, start, begins)


def fitted(model: Model, data: ValidationData) -> NgramTable | None:
    """The model's n-grams, if it has any, with the weight that predicts the validation data best, if there is any."""
    table = model.ngrams
    if table is None or not data.size:
        return table
    text_state, workspace = model.zero_text_state(data.batch_size), Workspace()
    losses, found = [], []
    for batch in data.batches(model.start):
        text_state.state[:, :, batch.reset] = 0
        text_state.history[:, batch.reset] = table.V
        counts = ... if batch.mask is None else batch.mask
        with np.errstate(all="ignore"):  # weights that are too large show in the loss
            nats, p, text_state = model.token_nll_unmixed(batch.inputs, batch.targets, text_state, workspace)
        losses.append(nats[counts].ravel())
        found.append(p[counts].ravel())
    return table.fitted(np.concatenate(losses), np.concatenate(found))
