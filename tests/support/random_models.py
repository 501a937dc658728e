"""Random models for tests: untrained networks whose predictions are far from uniform."""

from typing import Any

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import Engine, load
from charrnn.model.model import Model
from charrnn.model.network import Network
from support.cells import model_config


def random_model(
    cell: str = "lstm",
    characters: str | None = "\n abcdeé😀",
    engine: Engine | None = None,
    layers: int = 2,
    hidden_size: int = 20,
    scale: float = 1.0,
    **fields: Any,
) -> Model:
    """A model whose state damps rounding errors instead of amplifying them; of bytes if `characters` is None."""
    vocabulary, rng = Vocabulary(characters), np.random.default_rng(3)
    config = model_config(len(vocabulary), cell, hidden_size, layers)
    network = Network(config, engine or load("numpy"))
    scales = {name: 0.15 if name.startswith("W_hh") else scale for name in network.param_shapes}
    params = {
        name: rng.normal(scale=scales[name], size=shape).astype(np.float32)
        for name, shape in network.param_shapes.items()
    }
    return Model(config, vocabulary, params, network.engine, **fields)
