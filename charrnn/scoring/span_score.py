"""The score of a tagger: how many of its spans are the expected ones, exactly."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from charrnn.dataset.conll import character_tag
from charrnn.scoring.tag import Span, Tagging
from charrnn.scoring.word_tags import right_words, word_spans


@dataclass
class SpanScore:
    """What was counted so far, of characters or of words. A span is right if its start, its end and its label are."""

    texts: int = 0
    chars: int = 0
    right_chars: int = 0
    """Characters with the expected tag."""
    expected: Counter[str] = field(default_factory=Counter)
    """The expected spans of each label."""
    found: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    known: frozenset[str] | None = None
    """The tags of characters that the model can give, as `character_tag` returns those of words; None: any."""
    unknown: int = 0
    """The characters, or words, whose expected tag is none of these."""

    def add(self, tagging: Tagging, expected: str) -> None:
        """Counts one text."""
        right = sum(a == b for a, b in zip(tagging.tags, expected, strict=True))
        self._count_unknown(expected)
        self._count(len(expected), right, tagging.spans, tagging.spans_of(expected))

    def add_words(self, found: Sequence[str], expected: Sequence[str]) -> None:
        """Counts the words of a sentence, with their tags, instead of characters."""
        self._count_unknown(map(character_tag, expected))
        self._count(len(expected), right_words(found, expected), word_spans(found), word_spans(expected))

    def _count_unknown(self, expected: Iterable[str]) -> None:
        if self.known is not None:
            self.unknown += sum(tag not in self.known for tag in expected)

    def _count(self, chars: int, right: int, found: Sequence[Span], expected: Sequence[Span]) -> None:
        self.texts += 1
        self.chars += chars
        self.right_chars += right
        wanted, got = set(expected), set(found)
        for counter, some in ((self.expected, wanted), (self.found, got), (self.right, wanted & got)):
            counter.update(span.label for span in some)

    @property
    def accuracy(self) -> float:
        """The share of characters with the expected tag; 0 without characters."""
        return self.right_chars / self.chars if self.chars else 0.0

    @property
    def labels(self) -> list[str]:
        """The labels of all spans, expected or found."""
        return sorted(self.expected.keys() | self.found.keys())

    def f1(self, label: str | None = None) -> float:
        """The harmonic mean of precision and recall of the spans with a label, or of all; 1 if there are none."""
        right, expected, found = (
            counter.total() if label is None else counter[label] for counter in (self.right, self.expected, self.found)
        )
        return 2 * right / (expected + found) if expected + found else 1.0

    def precision(self, label: str | None = None) -> float:
        """The share of the spans found that are right; 0 if none were found."""
        right, found = (c.total() if label is None else c[label] for c in (self.right, self.found))
        return right / found if found else 0.0

    def recall(self, label: str | None = None) -> float:
        """The share of the expected spans that were found; 0 if none were expected."""
        right, expected = (c.total() if label is None else c[label] for c in (self.right, self.expected))
        return right / expected if expected else 0.0
