"""The verdict: what the losses of a run mean, and what would lower them."""

from charrnn.snapshot import Evaluation

FALLING = 0.03
"""Share of the validation loss that the second half of a run takes off where more time would take off more.

A rate that falls to zero takes off two hundredths at the end of any run.
"""
APART = 0.08
"""Share of the validation loss by which the training loss is lower where the text is known too well."""
HEART = 0.005
"""Share of the best validation loss by which the last is higher where the text is being learned by heart."""


def advice(history: list[Evaluation]) -> str | None:
    """What would help most, by the curves: more text, more time or more units; None where they are too short to tell.

    A network that does better on what it learns from than on what is held out has too little to learn from. One that
    does the same on both either has not come to its end, or has no room for more.
    """
    rows = [row for row in history if row.val_loss is not None and row.train_loss is not None]
    if len(rows) < 3:
        return None
    best, last = min(rows, key=lambda row: row.rank), rows[-1]
    half = min(rows, key=lambda row: abs(row.step - last.step / 2))
    if last.rank > (1 + HEART) * best.rank:
        return (
            f"after step {best.step:,} it learned by heart, which helps nobody: less time is enough; "
            "more text, or more --dropout, would help"
        )
    if last.rank < (1 - FALLING) * half.rank:
        return f"it was still falling fast, from {half.rank:.3f} half-way: more time would help most"
    if best.train_loss is not None and best.train_loss < (1 - APART) * best.rank:
        return f"on the text that it learned from the loss is {best.train_loss:.3f}: more text would help most"
    return "it does as well on new text as on old, and has slowed down: a bigger model, and the time for it, would help"
