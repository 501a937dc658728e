"""The scores of the rivals: accuracy, macro F1 and span F1, from targets and predictions side by side."""

from collections.abc import Sequence
from statistics import fmean

Span = tuple[str, int, int]
"""A tag, and the first and the last but one position that have it."""

OUTSIDE = "."
"""The tag of what is in no span."""


def accuracy(targets: Sequence[str], predictions: Sequence[str]) -> float:
    """The share of the predictions that equal their targets."""
    return fmean(target == found for target, found in zip(targets, predictions, strict=True))


def f1(right: int, predicted: int, expected: int) -> float:
    """The harmonic mean of precision, right/predicted, and recall, right/expected; 0 if nothing is right."""
    return 2 * right / (predicted + expected) if right else 0.0


def macro_f1(targets: Sequence[str], predictions: Sequence[str]) -> float:
    """The mean F1 of all labels that are targets or predictions."""
    return fmean(
        f1(
            sum(target == found == label for target, found in zip(targets, predictions, strict=True)),
            sum(found == label for found in predictions),
            sum(target == label for target in targets),
        )
        for label in {*targets, *predictions}
    )


def spans(tags: str) -> set[Span]:
    """The spans of a text: the longest runs of one tag, apart from `OUTSIDE`."""
    found, start = set(), 0
    for end in range(1, len(tags) + 1):
        if end == len(tags) or tags[end] != tags[start]:
            if tags[start] != OUTSIDE:
                found.add((tags[start], start, end))
            start = end
    return found


def span_f1(targets: Sequence[str], predictions: Sequence[str]) -> float:
    """The F1 of the spans of all texts together: one is right if its tag and both its ends are."""
    pairs = [(spans(target), spans(found)) for target, found in zip(targets, predictions, strict=True)]
    right = sum(len(expected & predicted) for expected, predicted in pairs)
    return f1(right, sum(len(found) for _, found in pairs), sum(len(expected) for expected, _ in pairs))
