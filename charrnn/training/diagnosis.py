"""The verdict: what the losses of a run mean, and what would lower them."""

from charrnn.training.state import Evaluation

FALLING_SHARE = 0.05
"""Share of the validation loss that the second half of a run takes off where more time would take off more.

A rate that falls to zero takes off three or four hundredths at the end of any run.
"""
OVERFITTING_GAP = 0.1
"""Share of the validation loss by which the loss on what was learned is lower where that is known too well."""
OVERFITTING_RISE = 0.005
"""Share of the best validation loss by which the last is higher where the text is being learned by heart."""


def diagnose(history: list[Evaluation], learned: float | None) -> str | None:
    """What would help most: more text, more time or more units; None where there are too few losses to tell.

    `learned` is the loss of the best weights on a piece of the text that they were learned from, with nothing dropped;
    if it isn't known the training loss stands for it. A network that does better there than on what is held out has
    too little to learn from. One that does the same on both either has not come to its end, or has no room for more.
    """
    rows = [row for row in history if row.val_loss is not None and row.train_loss is not None]
    if len(rows) < 3:
        return None
    best, last = min(rows, key=lambda row: row.rank), rows[-1]
    half = min(rows, key=lambda row: abs(row.step - last.step / 2))
    known = learned or best.train_loss or best.rank
    if last.rank > (1 + OVERFITTING_RISE) * best.rank:
        return (
            f"after step {best.step:,} it learned by heart, which helps nobody: less time is enough; "
            "more text, or more --dropout and --drop-connect, would help"
        )
    if known < (1 - OVERFITTING_GAP) * best.rank:
        return f"on the text that it has learned from the loss is {known:.3f}: more text would help most"
    if last.rank < (1 - FALLING_SHARE) * half.rank:
        return f"it was still falling fast, from {half.rank:.3f} half-way: more time would help most"
    return (
        "it does nearly as well on new text as on old, and has slowed down: a bigger model, with more time, would help"
    )
