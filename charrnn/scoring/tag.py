"""Tagging: a tag for each character of a text, and the spans that equal tags make."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from charrnn.config import one_of
from charrnn.dataset.groups import in_groups
from charrnn.dataset.label_set import LabelSet
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.model.tagger import Tagger
from charrnn.scoring import whole_texts
from charrnn.scoring.score import UNKNOWN_POLICIES
from charrnn.types import Array

TEXTS_PER_BATCH = 512
"""Texts that `tag` takes at once."""


class Span(NamedTuple):
    """Characters with the same tag, from `start` up to `end`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Tagging:
    """The tags that a model gives the characters of a text."""

    text: str
    tags: str
    """As many as the text has characters."""
    outside: str
    """The tag of what belongs to no span: the most frequent one in the training text."""
    probabilities: Array = field(repr=False)
    """[N]: that of each tag."""
    unknown: int = 0
    """The characters that the model has never seen: they have the tag of the character before them."""

    @property
    def spans(self) -> list[Span]:
        """The spans, in order."""
        return spans(self.tags, self.outside)


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
    """The tag of what belongs to no span: the most frequent one in the training text."""
    return tags.names[int(np.argmax(tags.counts))]


def tag(model: Model, texts: Iterable[str], *, unknown: str = "skip", threads: int | None = None) -> Iterator[Tagging]:
    """The tags of each text, in order; memory holds only `TEXTS_PER_BATCH` of them.

    Characters that are not in the vocabulary are an error with `error`; with `skip` the network does not read them, and
    they get the tag of the character before them. Raises `ConfigError` for a model that has no tags, and for options
    out of range; `VocabularyError` for an unknown character, with the number of the text; `DivergenceError` if the
    predictions are NaN or infinite.
    """
    if isinstance(texts, str):
        raise ConfigError("tag takes several texts: give a list of them")
    batches = in_groups(texts, TEXTS_PER_BATCH)
    return itertools.chain.from_iterable(tag_batches(model, batches, unknown=unknown, threads=threads))


def tag_batches(
    model: Model, batches: Iterable[Sequence[str]], *, unknown: str = "skip", threads: int | None = None
) -> Iterator[list[Tagging]]:
    """`tag` of texts in batches: yields the tags of each batch before it asks for the next."""
    network, tags = model.network, model.labels
    if not isinstance(network, Tagger) or tags is None:
        raise ConfigError("this model gives no tags to characters: `charrnn train --tags` makes models that do")
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    read = partial(network.logits, model.params)
    found = whole_texts.probabilities_of_batches(model.vocabulary, batches, read, unknown=unknown, threads=threads)
    return ([_tagging(model, tags, *answer) for answer in batch] for batch in found)


def _tagging(model: Model, tags: LabelSet, text: str, p: Array, unknown: int) -> Tagging:
    """The tags of a text, from the probabilities [n, tags] of those of its characters that the model knows."""
    outside = outside_tag(tags)
    known = model.vocabulary.select(text)[1]
    best, sure = np.full(len(text), tags.names.index(outside)), np.zeros(len(text))
    best[known], sure[known] = p.argmax(axis=1), p.max(axis=1, initial=0)
    for n in np.flatnonzero(~known):
        best[n] = best[n - 1] if n else best[0]
    return Tagging(text, "".join(tags.names[k] for k in best), outside, sure, unknown)
