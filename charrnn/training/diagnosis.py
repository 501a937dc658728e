"""The diagnosis: what the losses of a run mean, and what would lower them."""

from bisect import bisect_left
from dataclasses import dataclass
from statistics import median

from charrnn.training.state import Evaluation

FALLING_SHARE = 0.045
"""More time would help if the second half of a run lowers the validation loss by more than this share.

A learning rate that falls to zero lowers it by 3 or 4 % at the end of any run. In three minutes of a novel of 600 KB it
fell by 4.9 %, to 1.658; five minutes brought 1.610, and more text in three minutes 1.680.
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
USUAL_SHARE = 0.5
"""The fewest steps from one evaluation to the next, as a share of the usual number, that tell whether losses rise."""
MIN_EVALUATIONS = 3
"""The fewest evaluations that tell whether the validation loss still falls."""
SHIFT_GAP, EPOCHS_BEFORE_OVERFITTING = 0.7, 4
"""The validation text is of another kind if its first loss is higher than the training loss by more than these nats,
after at most so many epochs: the network can't overfit so soon."""
NOT_VALIDATED = (
    "not validated: so short a text leaves nothing to hold out, and what the network makes of another is not known. "
    "More text would help most; --val-file validates on a text of its own."
)


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
    is_too_short: bool = False
    """Whether nothing is held out because the text is too short for that."""
    is_used_up: bool = False
    """Whether so short a text was read as often as it is worth: see `few_data`."""
    table: float | None = None
    """The nats per character that a table of contexts needs for the validation text; None if it is not known."""
    has_ngrams: bool = False
    """Whether the model is mixed with such a table."""

    @property
    def more(self) -> str:
        """What lets the network learn more: a run with a deadline stops when a text is used up, with time left."""
        return "More epochs, with --epochs," if self.is_used_up else "More time"


def diagnose(found: Findings) -> str | None:
    """Says what would help most: more text, more time or more units; None if no step was taken, or there are
    too few evaluations to tell.

    A network whose validation loss still falls has not finished learning, whatever else it lacks. Otherwise one that
    does better on the training text than on the validation text has too little to learn from, and one that does equally
    well on both too few units. Of a classifier only the answers count: the loss of its evaluations is calibrated.
    """
    rows = [row for row in found.history if row.val_loss is not None]
    if found.is_of_another_kind or (not found.is_at_random and _differs_at_first(rows)):
        return (
            "the validation text is of another kind than the training text, so that its loss says little. "
            "Validate on text of the same kind, with --val-spread or --val-file."
        )
    if not rows:
        return NOT_VALIDATED if found.is_too_short else None
    if not found.epochs:
        return None
    best = min(rows, key=lambda row: row.rank)
    if solved := _solved(found, best):
        return solved
    if found.unit == "label":
        return None
    return _rising(best, rows) or _improving(found, rows) or _overfitting(found, best) or _underfitting(found, rows)


def _solved(found: Findings, best: Evaluation) -> str | None:
    """That nothing is left to learn, if so."""
    if found.accuracy == 1.0 and found.n_held_out:
        return (
            f"solved: all of the {found.n_held_out:,} held-out {found.unit}s are right. More time would change little."
        )
    if best.rank < SOLVED_LOSS and found.unit != "label":
        return f"solved: the validation loss is only {best.rank:.4f}. More time would change little."
    return None


def _regular(rows: list[Evaluation]) -> list[Evaluation]:
    """The evaluations after about as many steps as usual: the last of a run may follow the one before after a few.

    Over so few, a mean training loss says little, and so does a difference of the validation losses.
    """
    steps = sorted({0, *(row.step for row in rows)})  # one may be there twice: that of the weights that are kept
    gaps = [row.step - steps[max(0, bisect_left(steps, row.step) - 1)] for row in rows]
    return [row for gap, row in zip(gaps, rows, strict=True) if gap >= USUAL_SHARE * median(gaps)]


def _rising(best: Evaluation, rows: list[Evaluation]) -> str | None:
    """That the network becomes worse, if so."""
    regular = _regular(rows)
    last = regular[-1]
    before = best if best in regular or best.train_loss is None else min(regular, key=lambda row: row.rank)
    if last.step < best.step or last.rank <= (1 + OVERFITTING_RISE) * best.rank:
        return None
    rose = f"the validation loss was lowest at step {best.step:,} and rose after that"
    if before.train_loss and last.train_loss and last.train_loss > (1 + UNSTABLE_RISE) * before.train_loss:
        return f"unstable: {rose}, and the training loss rose too. Try a lower --lr."
    return (
        f"overfitting: {rose}. Less time would be enough; more text, or more --dropout and --drop-connect, would help."
    )


def _improving(found: Findings, rows: list[Evaluation]) -> str | None:
    """That the network has not finished learning, if so; one that has overfitted a used-up text needs no more time."""
    if found.epochs < 1:
        return f"underfitting: only {found.epochs:.0%} of the text was read. More time would help most."
    last = rows[-1]
    if len(rows) < MIN_EVALUATIONS or (found.is_used_up and _has_gap(found, last)):
        return None
    half = min(rows, key=lambda row: abs(row.step - last.step / 2))
    if last.rank >= (1 - FALLING_SHARE) * half.rank:
        return None
    fell = f"still improving: the validation loss fell from {half.rank:.3f} half-way"
    if not _has_gap(found, last):
        return f"{fell}. {found.more} would help most."
    return (
        f"{fell}; the loss on the training text, without dropout, is {found.train_loss:.3f}. "
        "More time would help most, then more text."
    )


def _has_gap(found: Findings, best: Evaluation) -> bool:
    """Whether the network knows the training text better than the validation text."""
    return found.train_loss is not None and found.train_loss < min(
        (1 - OVERFITTING_GAP) * best.rank, best.rank - MIN_GAP
    )


def _overfitting(found: Findings, best: Evaluation) -> str | None:
    """That the network knows the training text better than the validation text, if so."""
    if not _has_gap(found, best):
        return None
    return (
        f"overfitting: the loss on the training text, without dropout, is {found.train_loss:.3f}. "
        "More text would help most."
    )


def _underfitting(found: Findings, rows: list[Evaluation]) -> str | None:
    """What a network lacks that does not overfit."""
    if len(rows) >= MIN_EVALUATIONS:
        return "underfitting: training and validation loss are close and flat. Try a larger model and more time."
    if found.table is not None and rows[-1].rank > found.table:
        mixed = "" if found.has_ngrams else " --ngrams 7 mixes one in."
        what = "the n-grams need" if found.has_ngrams else "a table of contexts needs"
        return f"underfitting: {what} less for the same text. {found.more} would help most.{mixed}"
    return None


def _differs_at_first(rows: list[Evaluation]) -> bool:
    """Whether the first evaluation after training began shows that the validation text is unlike the training text."""
    first = next((row for row in rows if row.train_loss is not None), None)
    if first is None or first.train_loss is None or first.epoch > EPOCHS_BEFORE_OVERFITTING:
        return False
    return first.rank > first.train_loss + SHIFT_GAP
