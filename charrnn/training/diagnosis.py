"""The diagnosis: what the losses of a run mean, and what would lower them."""

from charrnn.training.state import Evaluation

FALLING_SHARE = 0.05
"""More time would help if the second half of a run lowers the validation loss by more than this share.

A learning rate that falls to zero lowers it by 3 or 4 % at the end of any run.
"""
OVERFITTING_GAP = 0.1
"""A model overfits if its training loss is lower than its validation loss by more than this share."""
OVERFITTING_RISE = 0.005
"""A model overfits if its last validation loss is higher than its best one by more than this share."""
SHIFT_GAP, EPOCHS_BEFORE_OVERFITTING = 0.7, 4
"""The validation text is of another kind if its first loss is higher than the training loss by more than these nats,
after at most so many epochs: the network can't overfit so soon."""


def diagnose(
    history: list[Evaluation],
    loss_without_dropout: float | None,
    is_of_another_kind: bool = False,
    is_worse_than_xz: bool = False,
) -> str | None:
    """Says what would help most: more text, more time or more units; None if there are too few evaluations to tell.

    `is_of_another_kind` says that the validation text is unlike the training text, and `is_worse_than_xz` that xz needs
    fewer bits for it than the best weights.

    `loss_without_dropout` is the loss of the best weights on a piece of the training text; if it is None, the training
    loss is used. A network that does better there than on the validation text has too little to learn from. One that
    does equally well on both has either not finished learning, or no capacity for more.
    """
    rows = [row for row in history if row.val_loss is not None and row.train_loss is not None]
    if is_of_another_kind or _differs_at_first(rows):
        return (
            "the validation text is of another kind than the training text, so that its loss says little. "
            "Validate on text of the same kind, with --val-spread or --val-file."
        )
    worse_than_xz = "not better than xz yet: more time would help most, unless there is nothing to learn"
    if len(rows) < 3:
        return worse_than_xz if is_worse_than_xz else None
    best, last = min(rows, key=lambda row: row.rank), rows[-1]
    half = min(rows, key=lambda row: abs(row.step - last.step / 2))
    train_loss = loss_without_dropout or best.train_loss or best.rank
    if last.rank > (1 + OVERFITTING_RISE) * best.rank:
        return (
            f"overfitting: the validation loss was lowest at step {best.step:,} and rose after that. "
            "Less time would be enough; more text, or more --dropout and --drop-connect, would help."
        )
    if is_worse_than_xz:
        return worse_than_xz
    if train_loss < (1 - OVERFITTING_GAP) * best.rank:
        return f"overfitting: the loss on the training text is {train_loss:.3f}. More text would help most."
    if last.rank < (1 - FALLING_SHARE) * half.rank:
        return f"still improving: the validation loss fell from {half.rank:.3f} half-way. More time would help most."
    return "underfitting: training and validation loss are close and flat. Try a larger model and more time."


def _differs_at_first(rows: list[Evaluation]) -> bool:
    """Whether the first evaluation shows that the validation text is unlike the training text."""
    first = rows[0] if rows else None
    if first is None or first.train_loss is None or first.epoch > EPOCHS_BEFORE_OVERFITTING:
        return False
    return first.rank > first.train_loss + SHIFT_GAP
