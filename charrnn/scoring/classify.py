"""Classification: the label of each text, with the probability of every label."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from charrnn.dataset.groups import in_groups
from charrnn.errors import ConfigError
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model
from charrnn.scoring import whole_texts
from charrnn.types import Array

TEXTS_PER_BATCH = 1024
"""Texts that `classify` takes at once."""


@dataclass(frozen=True)
class Classification:
    """The label that a model gives a text."""

    label: str
    probability: float
    labels: tuple[str, ...] = field(repr=False)
    """All labels, in the order of the model."""
    probabilities: Array = field(repr=False)
    """[n]: the probability of each of them."""
    unknown: int = 0
    """The characters of the text that were left out because the model has never seen them."""

    def top(self, n: int) -> list[tuple[str, float]]:
        """The n likeliest labels, each with its probability."""
        return [(self.labels[k], float(self.probabilities[k])) for k in np.argsort(-self.probabilities)[:n]]


def classify(
    model: Model, texts: Iterable[str], *, unknown: str = "skip", threads: int | None = None
) -> Iterator[Classification]:
    """The label of each text, in order; memory holds only `TEXTS_PER_BATCH` of them.

    Characters that are not in the vocabulary are treated as in `Vocabulary.replace_unknown`. Raises `ConfigError` for a
    model that has no labels, and for options out of range; `VocabularyError` for an unknown character, with the number
    of the text; `DivergenceError` if the predictions are NaN or infinite.
    """
    if isinstance(texts, str):
        raise ConfigError("classify takes several texts: give a list of them")
    batches = in_groups(texts, TEXTS_PER_BATCH)
    return itertools.chain.from_iterable(classify_batches(model, batches, unknown=unknown, threads=threads))


def classify_batches(
    model: Model, batches: Iterable[Sequence[str]], *, unknown: str = "skip", threads: int | None = None
) -> Iterator[list[Classification]]:
    """`classify` of texts in batches: yields the labels of each batch before it asks for the next."""
    network, labels = model.network, model.labels
    if not isinstance(network, Classifier) or labels is None:
        raise ConfigError("this model gives no labels to texts: `charrnn train --classify` makes models that do")

    read = partial(network.logits, model.params)
    found = whole_texts.probabilities_of_batches(model.vocabulary, batches, read, unknown=unknown, threads=threads)
    return ([_classification(labels.names, p, n) for _, p, n in batch] for batch in found)


def _classification(labels: tuple[str, ...], p: Array, unknown: int) -> Classification:
    best = int(p.argmax())
    return Classification(labels[best], float(p[best]), labels, p, unknown)
