"""The tags of words: from those of the characters of a text, which is words with one blank between them."""

from collections import Counter
from collections.abc import Sequence

from charrnn.dataset.conll import OUTSIDE, as_iob2, begins, split_tag
from charrnn.dataset.label_set import LabelSet
from charrnn.scoring.tag import Span, Tagging


def word_tags(tagging: Tagging, words: Sequence[str]) -> list[str]:
    """The tag of each word: that of most of its characters, of as many the one that comes first.

    An entity has `B-` at its first word and `I-` at the others: the words of one entity have equal tags, and so has the
    blank between them. A tag that was learned without a type is unchanged.
    """
    found: list[str] = []
    start, before = 0, tagging.outside
    for word in words:
        letter = Counter(tagging.tags[start : start + len(word)]).most_common(1)[0][0]
        continues = letter == before == tagging.tags[start - 1] if start else False
        found.append(_word_tag(tagging, letter, continues))
        start, before = start + len(word) + 1, letter
    return found


def _word_tag(tagging: Tagging, letter: str, continues: bool) -> str:
    """The tag of a word whose characters have a letter, and which continues an entity or not."""
    name = tagging.names.get(letter)
    if name is None:  # the model's tags are letters
        name = OUTSIDE if letter == tagging.outside else f"I-{letter}"
    prefix, kind = split_tag(name)
    return f"{'I' if continues else 'B'}-{kind}" if prefix else name


def known_tags(tags: LabelSet) -> frozenset[str]:
    """The tags that words can get from a model with these tags, each as `character_tag` returns it."""
    return frozenset(tags.names if tags.of_words else (OUTSIDE, *(f"I-{letter}" for letter in tags.names)))


def word_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence: from which word up to which, and their type."""
    found: list[Span] = []
    for n, (before, tag) in enumerate(zip([OUTSIDE, *tags], tags, strict=False)):
        if begins(before, tag):
            found.append(Span(n, n + 1, split_tag(tag)[1]))
        elif tag != OUTSIDE:
            found[-1] = found[-1]._replace(end=n + 1)
    return found


def right_words(found: Sequence[str], expected: Sequence[str]) -> int:
    """How many words have the expected tag, whichever form of tags is expected."""
    return sum(a == b for a, b in zip(found, as_iob2(expected), strict=True))
