"""The score of translations: how many targets are the expected ones, and how far the others are from them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TranslationScore:
    """What was counted; the scores of parts add up."""

    lines: int = 0
    exact: int = 0
    """Targets that are the expected ones."""
    edits: int = 0
    """Characters to insert, delete or replace, to get from the targets to the expected ones."""
    chars: int = 0
    """Characters of the expected targets."""

    def __add__(self, other: "TranslationScore") -> "TranslationScore":
        return TranslationScore(
            self.lines + other.lines, self.exact + other.exact, self.edits + other.edits, self.chars + other.chars
        )

    @property
    def accuracy(self) -> float:
        """The share of targets that are the expected ones; 0 without lines."""
        return self.exact / self.lines if self.lines else 0.0

    @property
    def character_error_rate(self) -> float:
        """The edits for each expected character."""
        return self.edits / max(self.chars, 1)


def compare(found: str, expected: str) -> TranslationScore:
    """The score of one target."""
    return TranslationScore(1, int(found == expected), edit_distance(found, expected), len(expected))


def edit_distance(a: str, b: str) -> int:
    """The fewest insertions, deletions and replacements of a character that make b of a (V. Levenshtein, 1966)."""
    above: list[int] = [*range(len(b) + 1)]
    for n, x in enumerate(a, 1):
        row = [n]
        for m, y in enumerate(b, 1):
            row.append(min(above[m] + 1, row[-1] + 1, above[m - 1] + (x != y)))
        above = row
    return above[-1]
