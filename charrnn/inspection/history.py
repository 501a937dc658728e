"""The history: the losses and the learning rate of a training at each of its evaluations."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import UNIT_OF_LAYOUT


def history(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """The evaluations as plain data, one row for each; empty for a model whose training is not known.

    The losses are means in nats per `unit`: `character`, `label` or `tag`.
    """
    unit = UNIT_OF_LAYOUT.get(checkpoint.model.layout, "character")
    return [asdict(row) | {"unit": unit} for row in checkpoint.history]


def loss_units(histories: Iterable[list[dict[str, Any]]]) -> str:
    """What the losses of some models are means over."""
    return " or ".join(dict.fromkeys(row["unit"] for rows in histories for row in rows)) or "character"
