"""The history: the losses and the learning rate of a training at each of its evaluations."""

from dataclasses import asdict
from typing import Any

from charrnn.checkpoint.model_file import Checkpoint


def history(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """The evaluations as plain data, one row for each; empty for a model whose training is not known."""
    return [asdict(row) for row in checkpoint.history]
