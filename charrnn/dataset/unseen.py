"""The unseen characters: how probable it is that a character of a later text is one that a model has never seen.

    p = n₁ / N        n₁: the characters that occur once in a text of N characters

This is A. Turing's estimate (I. J. Good, "The population frequencies of species and the estimation of population
parameters", 1953; W. Gale & G. Sampson, "Good-Turing frequency estimation without tears", 1995). What occurs once in a
text was unseen before that, so its share of the text says how often something new comes. The probability is that of all
unseen characters together.
"""

import math
from dataclasses import dataclass

from charrnn.config import Config, between
from charrnn.types import Indices


@dataclass(frozen=True)
class UnseenEstimate(Config):
    """The numbers of which the estimate is made, as they are stored with a model."""

    rare: int
    """n₁. If characters that occur less than m times were left out or replaced, those, and all that occur m times: by
    the same argument, what occurs m times would have been left out but for its last occurrence."""
    chars: int
    """N"""

    def check(self) -> None:
        between("chars", self.chars, 1, 2**53)
        between("rare", self.rare, 0, 2**53)

    @classmethod
    def from_counts(cls, counts: Indices, min_count: int = 0, left_out: int = 0) -> "UnseenEstimate":
        """From how often each character of a text occurs [V], and how many were left out or replaced."""
        rare = int(counts[counts <= max(1, min_count)].sum())
        return cls(rare + left_out, max(1, int(counts.sum())))

    @property
    def nats(self) -> float:
        """-log p; where no character is rare, that of a single one, which is the least that can be known."""
        return max(0.0, math.log(self.chars / max(1, self.rare)))
