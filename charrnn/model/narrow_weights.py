"""Narrow weights: those of a language model, rounded to fewer bits, so that texts are drawn from fewer bytes."""

from charrnn.config import ModelConfig
from charrnn.errors import ConfigError
from charrnn.layers.narrow import round_weights
from charrnn.types import Params

LOOKED_UP = "W_ih0"
"""The matrix that is not multiplied: each step reads one row of it."""


def rounded(config: ModelConfig, params: Params, precision: str) -> Params:
    """The parameters, with all matrices that are multiplied rounded to a precision.

    Raises `ConfigError` for a network that is no language model.
    """
    if config.form != "language_model":
        raise ConfigError(f"only a language model has a precision, and this model is a {config.form}: leave it out")
    return {
        name: round_weights(p, precision) if name.startswith("W_") and name != LOOKED_UP else p
        for name, p in params.items()
    }
