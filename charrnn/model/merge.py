"""The merge: several networks as a single one, which predicts the geometric mean of what they predict.

    h = (h₁, h₂, …)                the units of all networks, side by side: none hears those of another network
    y = (y₁ + y₂ + …) / R          the mean of the logits of R networks

The softmax of a mean of logits is the geometric mean of the predictions, divided by its sum. The weights between units
of different networks are zeros; so the merged network has R times the units, and computes R times as much as all of
them together. (The mean of the weights of networks that were trained from different seeds would predict nothing.)
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.types import Array, Params


def merge(models: Sequence[Model]) -> Model:
    """The language model that predicts the geometric mean of the predictions of others, which may differ in width.

    Raises `ConfigError` for models of different cells, layers or vocabularies, and for other forms than language
    models. What was measured of the first model, such as its n-grams' weight, is left out.
    """
    first, R = models[0], len(models)
    for model in models:
        model.check_language_model()
        kinds = [(m.config.cell_name, m.config.layers, m.vocabulary.characters, m.layout) for m in (first, model)]
        if kinds[0] != kinds[1]:
            raise ConfigError("models of different cells, layers, vocabularies or layouts can't be merged")
    G, widths = first.language_model.cell.GATES, [model.config.hidden_size for model in models]
    params: Params = {}
    for name in first.params:
        of_models = [model.params[name] for model in models]
        if name == "b_out":
            params[name] = np.stack(of_models).mean(axis=0)
        elif name == "W_out":  # [H, V]
            params[name] = np.concatenate(of_models) / np.float32(R)
        elif name.startswith("b_hn"):  # [H]
            params[name] = np.concatenate(of_models)
        else:  # [G·H], or rows of these
            rows = [p.reshape(-1, G, H) for p, H in zip(of_models, widths, strict=True)]
            is_shared = name.startswith("W_ih0") or of_models[0].ndim == 1  # by all units
            merged = np.concatenate(rows, axis=2) if is_shared else _block_diagonal(rows)
            params[name] = merged.reshape(*merged.shape[: of_models[0].ndim - 1], -1)
    config = replace(first.config, hidden_size=sum(widths))
    ngrams = first.ngrams and first.ngrams.unmeasured()
    return replace(first, config=config, params=params, ngrams=ngrams, line_scores=None, losses=())


def _block_diagonal(blocks: Sequence[Array]) -> Array:
    """The matrix [ΣN, G, ΣH] with these blocks [N, G, H] on its diagonal, and zeros elsewhere."""
    sizes = [(len(block), block.shape[2]) for block in blocks]
    found = np.zeros((sum(N for N, _ in sizes), blocks[0].shape[1], sum(H for _, H in sizes)), blocks[0].dtype)
    row = column = 0
    for block, (N, H) in zip(blocks, sizes, strict=True):
        found[row : row + N, :, column : column + H] = block
        row, column = row + N, column + H
    return found
