"""The diagnosis: what the losses of a run mean, and what would lower them."""

from dataclasses import dataclass

from charrnn.training.state import Evaluation

FALLING_SHARE = 0.05
"""More time would help if the second half of a run lowers the validation loss by more than this share.

A learning rate that falls to zero lowers it by 3 or 4 % at the end of any run.
"""
OVERFITTING_GAP, MIN_GAP = 0.1, 0.03
"""A model overfits if its loss on the training text is lower than on the validation text by more than this share, and
by more than these nats: where both are near zero, a large share means little."""
OVERFITTING_RISE = 0.005
"""A model overfits if its last validation loss is higher than its best one by more than this share."""
UNSTABLE_RISE = 0.02
"""Training is unstable, and does not overfit, if the training loss rose by more than this share as well."""
SOLVED_LOSS = 0.01
"""The validation loss, in nats, from which on hardly anything is left to learn: 99 of 100 characters are as good as
certain."""
SHIFT_GAP, EPOCHS_BEFORE_OVERFITTING = 0.7, 4
"""The validation text is of another kind if its first loss is higher than the training loss by more than these nats,
after at most so many epochs: the network can't overfit so soon."""


@dataclass(frozen=True)
class Findings:
    """What is measured about a run at its end: the same for the same weights, however the run came to them."""

    history: list[Evaluation]
    """All evaluations, with that of the weights that are kept."""
    train_loss: float | None
    """The loss of these weights on a sample of the training text, without dropout; None if it was not measured."""
    epochs: float
    """How often the text was read."""
    accuracy: float | None = None
    """The share of the held-out labels or tags that these weights get right; None for text."""
    n_held_out: int = 0
    """The held-out labels or tags."""
    unit: str = "character"
    """What the losses are means over."""
    is_at_random: bool = False
    """Whether the validation text was chosen at random, so that it is of the same kind as the training text."""
    is_of_another_kind: bool = False
    """Whether the corpus shows that the validation text is unlike the training text."""


def diagnose(found: Findings) -> str | None:
    """Says what would help most: more text, more time or more units; None if there are too few evaluations to tell.

    A network that does better on the training text than on the validation text has too little to learn from. One that
    does equally well on both has either not finished learning, or no capacity for more. Of a classifier only the
    answers count: the loss of its evaluations is calibrated.
    """
    rows = [row for row in found.history if row.val_loss is not None]
    if found.is_of_another_kind or (not found.is_at_random and _differs_at_first(rows)):
        return (
            "the validation text is of another kind than the training text, so that its loss says little. "
            "Validate on text of the same kind, with --val-spread or --val-file."
        )
    if not rows:
        return None
    best, last = min(rows, key=lambda row: row.rank), rows[-1]
    if solved := _solved(found, best):
        return solved
    if found.unit == "label":
        return None
    return _overfitting(found, best, last) or _underfitting(found, rows)


def _solved(found: Findings, best: Evaluation) -> str | None:
    """That nothing is left to learn, if so."""
    if found.accuracy == 1.0 and found.n_held_out:
        return (
            f"solved: all of the {found.n_held_out:,} held-out {found.unit}s are right. More time would change little."
        )
    if best.rank < SOLVED_LOSS and found.unit != "label":
        return f"solved: the validation loss is only {best.rank:.4f}. More time would change little."
    return None


def _overfitting(found: Findings, best: Evaluation, last: Evaluation) -> str | None:
    """That the network knows the training text better than the validation text, or becomes worse, if so."""
    if last.rank > (1 + OVERFITTING_RISE) * best.rank:
        rose = f"the validation loss was lowest at step {best.step:,} and rose after that"
        if best.train_loss and last.train_loss and last.train_loss > (1 + UNSTABLE_RISE) * best.train_loss:
            return f"unstable: {rose}, and the training loss rose too. Try a lower --lr."
        return (
            f"overfitting: {rose}. "
            "Less time would be enough; more text, or more --dropout and --drop-connect, would help."
        )
    train_loss = found.train_loss
    if train_loss is not None and train_loss < min((1 - OVERFITTING_GAP) * best.rank, best.rank - MIN_GAP):
        return (
            f"overfitting: the loss on the training text, without dropout, is {train_loss:.3f}. "
            "More text would help most."
        )
    return None


def _underfitting(found: Findings, rows: list[Evaluation]) -> str | None:
    """What a network lacks that does not overfit."""
    last = rows[-1]
    if found.epochs < 1:
        return f"underfitting: only {found.epochs:.0%} of the text was read. More time would help most."
    if len(rows) < 3:
        return None
    half = min(rows, key=lambda row: abs(row.step - last.step / 2))
    if last.rank < (1 - FALLING_SHARE) * half.rank:
        return f"still improving: the validation loss fell from {half.rank:.3f} half-way. More time would help most."
    return "underfitting: training and validation loss are close and flat. Try a larger model and more time."


def _differs_at_first(rows: list[Evaluation]) -> bool:
    """Whether the first evaluation after training began shows that the validation text is unlike the training text."""
    first = next((row for row in rows if row.train_loss is not None), None)
    if first is None or first.train_loss is None or first.epoch > EPOCHS_BEFORE_OVERFITTING:
        return False
    return first.rank > first.train_loss + SHIFT_GAP
