"""The score of a classifier: how often its labels are the expected ones, and how sure it is of them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from charrnn.scoring.classify import Classification
from charrnn.types import Array

BINS = 10
"""The intervals of the probability in which calibration is measured."""


@dataclass
class LabelScore:
    """What was counted so far: labels found for texts whose labels are known."""

    labels: tuple[str, ...]
    """Those of the model."""
    confusion: NDArray[np.int64] = field(init=False)
    """[n + 1, n]: how many texts of each expected label got each label; the last row is for labels it does not know."""
    bins: Array = field(init=False)
    """[BINS, 3]: of the answers with a probability in each interval the number, the right ones, and the sum of the
    probabilities."""
    nats: float = 0.0
    """The sum of -log p of the expected labels that the model knows."""
    unknown: set[str] = field(default_factory=set)
    """The expected labels that it does not know."""

    def __post_init__(self) -> None:
        n = len(self.labels)
        self.confusion, self.bins = np.zeros((n + 1, n), np.int64), np.zeros((BINS, 3))
        self._index = {label.strip(): k for k, label in enumerate(self.labels)}
        self._index |= {label: k for k, label in enumerate(self.labels)}

    def add(self, found: Classification, expected: str) -> None:
        """Counts one text; the labels are compared without surrounding blanks."""
        expected = expected if expected in self._index else expected.strip()
        row = self._index.get(expected, len(self.labels))
        column = self._index[found.label]
        self.confusion[row, column] += 1
        interval = min(int(found.probability * BINS), BINS - 1)
        self.bins[interval] += (1, row == column, found.probability)
        if row == len(self.labels):
            self.unknown.add(expected)
        else:
            self.nats -= math.log(max(float(found.probabilities[row]), 1e-300))

    @property
    def texts(self) -> int:
        """The number of texts."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """The share of texts whose label is the expected one; 0 without texts."""
        return float(np.trace(self.confusion[:-1])) / self.texts if self.texts else 0.0

    @property
    def f1(self) -> dict[str, float]:
        """The harmonic mean of precision and recall of each label that was expected or found; 0 if it is unknown."""
        right = np.diagonal(self.confusion[:-1]).astype(float)
        expected, found = self.confusion[:-1].sum(axis=1), self.confusion.sum(axis=0)
        known = {
            label: float(2 * right[k] / (expected[k] + found[k]))
            for k, label in enumerate(self.labels)
            if expected[k] + found[k]
        }
        return known | dict.fromkeys(sorted(self.unknown), 0.0)

    @property
    def macro_f1(self) -> float:
        """The mean of `f1`, in which rare labels count as much as frequent ones."""
        return float(np.mean([*self.f1.values()])) if self.texts else 0.0

    @property
    def calibration_error(self) -> float:
        """By how much the probability of an answer differs from the share of right answers, on average over the texts.

        The expected calibration error in `BINS` intervals (C. Guo et al., "On Calibration of Modern Neural Networks",
        2017).
        """
        return float(np.abs(self.bins[:, 1] - self.bins[:, 2]).sum()) / self.texts if self.texts else 0.0

    @property
    def nats_per_text(self) -> float | None:
        """The mean of -log p of the expected labels that the model knows; None if it knows none of them."""
        known = int(self.confusion[:-1].sum())
        return self.nats / known if known else None

    def confused(self, most: int) -> Iterable[tuple[str, str, int]]:
        """The pairs of an expected label and another one that was found, the most frequent first."""
        wrong = self.confusion[:-1].copy()
        np.fill_diagonal(wrong, 0)
        for place in np.argsort(-wrong, axis=None, kind="stable")[:most]:
            row, column = np.unravel_index(place, wrong.shape)
            if wrong[row, column]:
                yield self.labels[row], self.labels[column], int(wrong[row, column])
