"""The divergence: the loss from which on training is taken to have failed, and the error for it."""

import math
from dataclasses import replace

from charrnn.errors import DivergenceError
from charrnn.training.state import TrainingState

MIN_CHOICES = 1000
"""A network that chooses among a few labels is taken to diverge where one that chooses among so many would be.

One that overfits may be sure of a wrong label, so that its loss is far above that of a uniform guess.
"""
MAX_ROLLBACKS = 8
"""How often a run that diverges is rolled back before it gives up."""
ADVICE = "try a lower `lr` or `clip`"


def in_evaluation(step: int) -> DivergenceError:
    """The error for an evaluation after a step whose loss is not finite, or above the threshold."""
    if not step:
        return DivergenceError("the model of `init_from` has no finite loss on this text: give another one")
    return DivergenceError(f"training diverged before step {step}: {ADVICE}")


def roll_back(state: TrainingState, last_good: TrainingState) -> bool:
    """Goes back to the last good state, and halves its learning rate; False if that was done too often."""
    rollbacks, rate = state.counters.rollbacks, state.training_config.lr / 2
    state.restore(last_good)
    if rollbacks == MAX_ROLLBACKS:
        return False
    state.training_config, state.counters.rollbacks = replace(state.training_config, lr=rate), rollbacks + 1
    return True


def threshold(state: TrainingState) -> float:
    """A loss that no working network has: more than twice that of a uniform guess, in nats.

    Weights from another model, which may be sure of what never comes in this text, can begin worse than that: then it
    is twice their loss.
    """
    V = len(state.vocabulary)
    uniform = math.log(max(V, MIN_CHOICES) if state.model_config.outputs else V)
    rows = state.history[:1] if state.init_from is not None else []
    return max([2 + 2 * uniform, *(2 * row.val_loss for row in rows if row.step == 0 and row.val_loss is not None)])
