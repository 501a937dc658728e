"""The label set: the labels of a corpus and how often each occurs, in the order of the label."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, listed

MAX_NAMED = 20
"""The most labels that an error names."""


@dataclass(frozen=True)
class LabelSet:
    """The labels, by their index, and the number of lines that have each.

    Raises `ConfigError` for no labels, doubles, and labels with tabs or newlines.
    """

    MAX_LABELS: ClassVar[int] = 1000
    """More different texts than these are no labels."""
    names: tuple[str, ...]
    counts: tuple[int, ...]
    of_words: bool = False
    """Whether they are the tags of words, read from the form of `conll`."""

    def __post_init__(self) -> None:
        if not all(isinstance(name, str) and not {"\t", "\n"} & {*name} for name in self.names):
            raise ConfigError("the labels must be texts without tabs and newlines")
        if not len(self.names) == len(self.counts) == len(set(self.names)) > 0:
            raise ConfigError("the labels must be different texts, each with its count")
        if not all(type(n) is int and 0 < n < 2**53 for n in self.counts):
            raise ConfigError("the counts of the labels are out of range")

    @classmethod
    def from_counts(cls, counts: Mapping[str, int]) -> "LabelSet | None":
        """The labels with these counts; None if there are none."""
        names = sorted(counts)
        return cls(tuple(names), tuple(counts[name] for name in names)) if names else None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """The share of the lines that has each label [n]."""
        counts = np.array(self.counts, np.float64)
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def index(self, label: str) -> int:
        """The index of a label. Raises `ConfigError`, which names the labels, for one that is not among them."""
        if label in self.names:
            return self.names.index(label)
        raise ConfigError(self.unknown_label(label))

    def unknown_label(self, label: str) -> str:
        """What to say about a label that is not among these."""
        named = listed([*map(_exact, self.names)], MAX_NAMED)
        return f"the model has no label {label!r}: choose one of {named}"

    def draw(self, rng: np.random.Generator) -> str:
        """A label, drawn by its frequency."""
        return self.names[int(np.searchsorted(np.cumsum(self.frequencies), rng.random(), side="right"))]

    def to_json(self) -> list[list[Any]]:
        """Each label with its count, as JSON data."""
        return [[name, count] for name, count in zip(self.names, self.counts, strict=True)]

    @classmethod
    def from_json(cls, data: Any, of_words: bool = False) -> "LabelSet":
        """Undoes `to_json`; raises `ConfigError` for data that `to_json` can't have made."""
        if not isinstance(data, list) or not all(isinstance(row, list) and len(row) == 2 for row in data):
            raise ConfigError("this is not a list of labels and counts")
        return cls(tuple(row[0] for row in data), tuple(row[1] for row in data), of_words)


def _exact(name: str) -> str:
    """A label as an error shows it: in quotation marks if blanks or control characters would be lost in a sentence."""
    return name if name and name.isprintable() and name == " ".join(name.split()) and "," not in name else repr(name)
