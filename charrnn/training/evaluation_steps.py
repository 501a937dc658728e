"""The evaluation steps: after which steps of a run its validation loss is measured."""

from charrnn.training import finetuning

MAX_DENSE_EVALUATIONS = 10_000
"""The number of evaluations after which they become less frequent."""
EPOCHS_BEFORE_EVALUATION, MIN_EVAL_EVERY = 5, 10
"""The most epochs, and the fewest steps all the same, between evaluations of a text of a few batches."""


def interval(steps_per_epoch: int, is_finetuned: bool) -> int:
    """The steps between two evaluations. They do not depend on the length of the run, so a longer run begins alike."""
    usual = finetuning.MIN_EVAL_EVERY if is_finetuned else 50
    fewest = max(MIN_EVAL_EVERY, min(usual, EPOCHS_BEFORE_EVALUATION * steps_per_epoch))
    return min(max(steps_per_epoch, fewest), 1000)


def includes(step: int, every: int) -> bool:
    """Whether a regular evaluation, one in `every` steps, falls on a step.

    After `MAX_DENSE_EVALUATIONS` only every second one is made, after twice as many only every fourth, and so on. So
    the history, which is kept in full, grows only with the logarithm of the steps in the end.
    """
    return step % (every << (step // (every * MAX_DENSE_EVALUATIONS)).bit_length()) == 0
