"""The history: the losses and the learning rate of a training at each of its evaluations."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import UNIT_OF_LAYOUT
from charrnn.training.epochs import epoch_of, steps_per_epoch


def history(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """The evaluations as plain data, one row for each; empty for a model whose training is not known.

    The losses are means in nats per `unit`: `character`, `label` or `tag`. The epoch is the one that the step lies in,
    counted from 1.
    """
    unit, rows = UNIT_OF_LAYOUT.get(checkpoint.model.layout, "character"), checkpoint.history
    steps = steps_per_epoch(checkpoint.corpus, checkpoint.training, rows)
    return [asdict(row) | {"epoch": epoch_of(row.step, steps), "unit": unit} for row in rows]


def loss_units(histories: Iterable[list[dict[str, Any]]]) -> str:
    """What the losses of some models are means over."""
    return " or ".join(dict.fromkeys(row["unit"] for rows in histories for row in rows)) or "character"
