"""The cells by the names that an engine has for them: an rnn with ReLU is `rnn_relu`."""

from typing import Any

from charrnn import config
from charrnn.config import ModelConfig

CELLS = (*config.CELLS, "rnn_relu")


def cell_options(name: str) -> dict[str, Any]:
    """The options of a training with this cell."""
    cell, _, nonlinearity = name.partition("_")
    return {"cell": cell} | ({"nonlinearity": nonlinearity} if nonlinearity else {})


def model_config(
    V: int, name: str, hidden_size: int, layers: int, dropout: float = 0.0, **settings: Any
) -> ModelConfig:
    """The configuration of a model of this cell."""
    return ModelConfig(V, hidden_size=hidden_size, layers=layers, dropout=dropout, **cell_options(name), **settings)
