"""The merging of members: models of one text, trained from different seeds, become one that is better than each.

Networks that were trained apart make different mistakes. The merged network predicts the geometric mean of what they
predict (see `model.merge`). It is calibrated as a classifier is: its logits are divided by the temperature at which the
validation loss is the lowest (C. Guo et al., "On Calibration of Modern Neural Networks", 2017).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.dataset.split import ValidationData
from charrnn.model.merge import merge
from charrnn.model.model import Model, check_finite
from charrnn.resources import blas
from charrnn.training import held_out_lines
from charrnn.training.calibration import calibrated, lowest, of_language_model
from charrnn.training.ngram_counts import fitted

TEMPERATURES = 2.0 ** (np.arange(-4, 9) / 8)
"""[K]: from 0.7 to 2."""


class Merged(NamedTuple):
    """A merged model."""

    model: Model
    loss: float | None
    """Its validation loss in nats per character, without n-grams; None if nothing is held out."""
    temperature: float


def merge_members(models: Sequence[Model], data: ValidationData, chars_learned: float) -> Merged:
    """The merged model of some members that learned so many characters each, with what is measured of a trained model.

    Raises `ConfigError` for models that can't be merged, and `DivergenceError` if the losses are NaN or infinite.
    """
    model = merge(models)
    if not data.size:
        return Merged(model, None, 1.0)
    with blas.limit():
        nats, chars = (sum(x) for x in zip(*of_language_model(model, data, TEMPERATURES), strict=True))
        check_finite(nats)
        least, temperature = lowest(nats, TEMPERATURES)
        model = replace(model, params=calibrated(model.params, temperature))
        model = replace(model, ngrams=fitted(model, data))
        for found in held_out_lines.scores(model, data, chars_learned):
            model = replace(model, line_scores=found)
    return Merged(model, least / max(chars, 1), temperature)
