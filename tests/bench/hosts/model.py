"""The model of an exchange: latency, copying and bandwidth, fitted to measured ones, and how much of it is hidden.

R ranks sum S bytes over cables of a rate, each way. Each sends 2 (R - 1) pieces, in all 2 S (R - 1) / R bytes:

    t = a · 2 (R - 1) + b · S + c · 2 S (R - 1) / (R · rate)

a is the seconds of a piece, b those of copying and adding up a byte, and c the share of a cable's rate that headers
and waiting take besides: 1 if it were used to the full. While a step computes, some of this goes on beside it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Measured(NamedTuple):
    """An exchange that was measured."""

    ranks: int
    bytes: int
    rate: float | None
    """Of the cables, in bits per second; None: as fast as this machine moves bytes."""
    seconds: float


class Fit(NamedTuple):
    """The numbers of the model; see the head of this module."""

    piece: float
    byte: float
    cable: float
    hidden: float = 0.0
    """The seconds of an exchange that a second of computing hides, at most."""

    def exchange(self, ranks: int, size: int, rate: float | None) -> float:
        """The seconds of an exchange."""
        return float(np.dot(self[:3], _terms(ranks, size, rate)))

    def visible(self, ranks: int, size: int, rate: float | None, computing: float, last: float) -> float:
        """The seconds for which the ranks wait, in a step that computes for some.

        `last` is the share of the bytes that are known only at its end, so that nothing hides them.
        """
        whole = self.exchange(ranks, size, rate)
        return max(last * whole, whole - self.hidden * computing)


def fit(points: Sequence[Measured]) -> Fit:
    """The numbers that make the relative errors smallest: none is below zero, and bytes are not faster than cables."""
    terms = np.array([_terms(*point[:3]) for point in points])
    seconds = np.array([point.seconds for point in points])
    rows, rest = terms / seconds[:, None], 1 - terms[:, 2] / seconds
    used = [0, 1, 2]
    while True:
        found = np.zeros(3)
        found[used] = np.linalg.lstsq(rows[:, used], rest, rcond=None)[0]
        if (found >= 0).all():
            piece, byte, slower = map(float, found)
            return Fit(piece, byte, 1 + slower)
        used.remove(int(found.argmin()))


def hidden(whole: float, visible: float, computing: float) -> float:
    """The seconds of an exchange that a second of computing hid."""
    return max(0.0, whole - visible) / computing


def error(found: Fit, points: Sequence[Measured]) -> float:
    """The largest relative error."""
    return max(abs(found.exchange(*point[:3]) / point.seconds - 1) for point in points)


def _terms(ranks: int, size: int, rate: float | None) -> tuple[float, float, float]:
    sent = 2 * size * (ranks - 1) / ranks
    return 2 * (ranks - 1), size, 0.0 if rate is None else 8 * sent / rate
