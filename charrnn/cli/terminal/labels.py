"""The labels of settings: how the commands print them."""

from charrnn.config import ModelConfig

READING = {
    "language_model": "",
    "classifier": " in both directions",
    "tagger": " in both directions",
    "translator": " in both directions, and a decoder with attention",
}
"""How the layers of each form of network read the text."""


def cell_label(model: ModelConfig) -> str:
    """The type of the cells, with their nonlinearity if it is not tanh."""
    return model.cell if model.nonlinearity == "tanh" else f"{model.cell} with {model.nonlinearity}"


def dropout_label(model: ModelConfig) -> str:
    """The dropout of the outputs and of the recurrent weights."""
    locked = " (locked)" * (model.locked_dropout and model.dropout > 0)
    dropconnect = f" and {model.drop_connect:g} of the recurrent weights" * (model.drop_connect > 0)
    return f"dropout {model.dropout:g}{locked}{dropconnect}"
