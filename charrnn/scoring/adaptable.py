"""The adaptable models: those that can learn from a text as they read it."""

from charrnn.config import REWRITING_LAYOUTS
from charrnn.errors import ConfigError
from charrnn.model.model import Model, check_model


def check_adaptable(model: Model) -> None:
    """Raises `ConfigError` for a model that can't learn from a text as it reads it."""
    check_model(model)
    if model.config.form != "language_model":
        raise ConfigError(f"this model is a {model.config.form}: only language models learn from what they read")
    if model.layout in REWRITING_LAYOUTS:
        raise ConfigError("a model of pairs can't adapt: train it on more pairs, with `init_from`")
    if model.clamped is not None:
        raise ConfigError("a model with clamped units can't adapt: leave out `clamp_units`")
    if model.precision != "float32":
        raise ConfigError("weights learn in float32: leave out `precision`")
