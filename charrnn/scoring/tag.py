"""Tagging: a tag for each character of a text, and the spans that equal tags make."""

import itertools
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from charrnn.config import one_of
from charrnn.dataset.conll import OUTSIDE
from charrnn.dataset.groups import texts_in_groups
from charrnn.dataset.label_set import LabelSet
from charrnn.errors import ConfigError
from charrnn.model.model import Model, check_model
from charrnn.model.tagger import Tagger
from charrnn.scoring import whole_texts
from charrnn.scoring.score import UNKNOWN_POLICIES
from charrnn.types import Array

TEXTS_PER_BATCH = 512
"""Texts that `tag` takes at once."""
OUTSIDE_TAGS = (OUTSIDE, ".", "-", "_", " ")
"""The tags of characters that people write for what belongs to no span."""
LETTERS = string.ascii_letters + string.digits + "".join(filter(str.isalpha, map(chr, range(0xC0, 0x900))))
"""The letters that stand for tags if their own are taken: more than there can be tags."""


class Span(NamedTuple):
    """Characters with the same tag, from `start` up to `end`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Tagging:
    """The tags that a model gives the characters of a text."""

    text: str
    """In the normal form of the model's texts (`Model.text_form`), if it has one."""
    tags: str
    """As many as the text has characters."""
    outside: str
    """The tag of what belongs to no span: see `outside_tag`."""
    probabilities: Array = field(repr=False)
    """[N]: that of each tag."""
    unknown: int = 0
    """The characters that the model has never seen: they have the tag of the character before them."""
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The tags that the letters in `tags` stand for, if those are the tags of words: see `tag_letters`."""

    @property
    def spans(self) -> list[Span]:
        """The spans, in order."""
        return self.spans_of(self.tags)

    def spans_of(self, tags: str) -> list[Span]:
        """The spans of other tags of the same text."""
        return [
            Span(start, end, self.names.get(label, label).removeprefix("I-"))
            for start, end, label in spans(tags, self.outside)
        ]


def spans(tags: str, outside: str) -> list[Span]:
    """The spans of equal tags, in order, without those of the tag `outside`."""
    found, start = [], 0
    for label, run in itertools.groupby(tags):
        end = start + sum(1 for _ in run)
        if label != outside:
            found.append(Span(start, end, label))
        start = end
    return found


def outside_tag(tags: LabelSet) -> str:
    """The tag of what belongs to no span: of those that people write for it, the most frequent in the training text.

    Among equally frequent ones it is the first of `OUTSIDE_TAGS`; without any, the most frequent tag. Of words, it is
    only `O`: there `.` and `-` are parts of speech.
    """
    counts = dict(zip(tags.names, tags.counts, strict=True))
    usual = (OUTSIDE,) if tags.of_words else OUTSIDE_TAGS
    return max([tag for tag in usual if tag in counts] or counts, key=counts.__getitem__)


def tag_letters(tags: LabelSet) -> list[str]:
    """A letter for each tag, so that a text has as many letters as characters.

    It is the tag itself for the tags of characters. For those of words it is `.` for `O`, and for any other tag the
    first letter of its type that is free or, if there is none, of the alphabet.
    """
    if not tags.of_words:
        return [*tags.names]
    found: dict[str, str] = {}
    for name in tags.names:
        own = name.removeprefix("I-")
        free = (c for c in (*own.upper(), *own, *LETTERS) if c.isalnum() and c not in found.values())
        found[name] = "." if name == OUTSIDE else next(free)
    return [*found.values()]


def tag(model: Model, texts: Iterable[str], *, unknown: str = "skip", threads: int | None = None) -> Iterator[Tagging]:
    """The tags of each text, in order; memory holds only `TEXTS_PER_BATCH` of them.

    Characters that are not in the vocabulary are an error with `error`; with `skip` the network does not read them, and
    they get the tag of the character before them. Raises `ConfigError` for a model that has no tags, and for options
    out of range; `VocabularyError` for an unknown character, with the number of the text, after the tags of the texts
    before it; `DivergenceError` if the predictions are NaN or infinite.
    """
    batches = texts_in_groups(texts, TEXTS_PER_BATCH, "tag")
    return itertools.chain.from_iterable(tag_batches(model, batches, unknown=unknown, threads=threads))


def tagger_of(model: Model) -> tuple[Tagger, LabelSet]:
    """The network of a model and its tags. Raises `ConfigError` for a model that has none."""
    check_model(model)
    network, tags = model.network, model.labels
    if not isinstance(network, Tagger) or tags is None:
        raise ConfigError('this model gives no tags to characters: `charrnn.train(layout="tags")` makes models that do')
    return network, tags


def tag_batches(
    model: Model, batches: Iterable[Sequence[str]], *, unknown: str = "skip", threads: int | None = None
) -> Iterator[list[Tagging]]:
    """`tag` of texts in batches: yields the tags of each batch before it asks for the next."""
    network, tags = tagger_of(model)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    read, letters = partial(network.logits, model.params), tag_letters(tags)
    found = whole_texts.probabilities_of_batches(model, batches, read, unknown=unknown, threads=threads)
    return ([_tagging(model, tags, letters, *answer) for answer in batch] for batch in found)


def _tagging(model: Model, tags: LabelSet, letters: list[str], text: str, p: Array, unknown: int) -> Tagging:
    """The tags of a text, from the probabilities [n, tags] of those of its characters that the model knows."""
    outside = outside_tag(tags)
    known = model.vocabulary.select(text)[1]
    best, sure = np.full(len(text), tags.names.index(outside)), np.zeros(len(text))
    best[known], sure[known] = p.argmax(axis=1), p.max(axis=1, initial=0)
    for n in np.flatnonzero(~known):
        best[n] = best[n - 1] if n else best[0]
    names = dict(zip(letters, tags.names, strict=True)) if tags.of_words else {}
    outside = letters[tags.names.index(outside)]
    return Tagging(text, "".join(letters[k] for k in best), outside, sure, unknown, names)
