"""The line scores: how the scores of held-out lines are distributed, in bits per character of each line.

A line is scored as `scoring.lines.score_lines` does it: as a text of its own, with its newline.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.types import Array

PERCENT = (0, 0.1, 0.2, 0.5, 1, 2, 3, *range(5, 100, 5), 97, 98, 99, 99.5, 99.8, 99.9, 100)
"""The quantiles that are kept, closer to each other at the ends, where thresholds are: [Q]."""
MIN_LINES = 20
"""The fewest lines whose scores say anything about others."""
DECIMALS = 4
"""Those of a quantile: as many as of a score that is printed."""
MAX_BITS = 1e9
"""The largest quantile that is valid in a file."""


@dataclass(frozen=True)
class LineScores:
    """The quantiles [Q] of the scores of lines, in bits per character, at increasing `percent` [Q] from 0 to 100."""

    lines: int
    """The number of lines."""
    percent: tuple[float, ...]
    bits: tuple[float, ...]

    @classmethod
    def from_bits(cls, bits: Array) -> "LineScores | None":
        """The distribution of the scores of lines [n]; None for fewer than `MIN_LINES`, and if they are not finite."""
        if len(bits) < MIN_LINES or not np.isfinite(bits).all():
            return None
        return cls(len(bits), PERCENT, tuple(np.percentile(bits, PERCENT).round(DECIMALS).tolist()))

    def quantile(self, percent: float) -> float:
        """The bits per character that this share of the lines has at most; between two quantiles it is interpolated."""
        return float(np.interp(percent, self.percent, self.bits))

    def to_json(self) -> dict[str, Any]:
        """The scores as JSON data."""
        return {"lines": self.lines, "percent": list(self.percent), "bits": list(self.bits)}

    @classmethod
    def from_json(cls, data: Any) -> "LineScores":
        """Undoes `to_json`; raises `ValueError` for data that `to_json` can't have made."""
        try:
            lines, percent, bits = data["lines"], data["percent"], data["bits"]
            numbers = [*percent, *bits]
        except (TypeError, KeyError) as error:
            raise ValueError("these are not the scores of lines") from error
        if type(lines) is not int or not 0 < lines < 2**53 or not all(type(x) in (int, float) for x in numbers):
            raise ValueError("the scores of lines are not numbers")
        places, values = np.array(percent, float), np.array(bits, float)
        is_distribution = len(places) == len(values) > 1 and (places[0], places[-1]) == (0, 100)
        if not is_distribution or not (np.diff(places) > 0).all() or not (np.diff(values) >= 0).all():
            raise ValueError("the scores of lines are no distribution")
        if not 0 <= values[0] <= values[-1] <= MAX_BITS:
            raise ValueError("the scores of lines are out of range")
        return cls(lines, tuple(percent), tuple(bits))
