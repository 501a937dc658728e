"""The progress of a training run: what each step, and each part of an evaluation, came to."""

import math
from dataclasses import dataclass

from charrnn.training.state import Evaluation


@dataclass(frozen=True)
class Progress:
    """The result of a step, or of a part of an evaluation. Losses are in nats per character."""

    step: int
    epoch: int
    """The epoch that the step lies in, counted from 1; 0 before the first step."""
    loss: float = math.nan
    """The loss of the step's batch, before the update, with dropout."""
    lr: float = math.nan
    grad_norm: float = math.nan
    chars: int = 0
    """The characters that this step read; 0 during an evaluation."""
    evaluation: Evaluation | None = None
    """The new row of the history, if an evaluation has just ended."""
    diverged: int | None = None
    """The step at which training diverged, if it has just been rolled back to this one."""
