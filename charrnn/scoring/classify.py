"""Classification: the label of each text, with the probability of every label.

    p = softmax(y - τ log π)        π: the share of the training texts that has each label

A network learns that most texts have one of the frequent labels, and so it seldom finds the rare ones. With τ = 0 its
probabilities are those of texts in which labels are as frequent as in training; with τ = 1 those of texts in which all
are equally frequent. What lies between gives up a few right answers with frequent labels for more of the rare ones (A.
Menon et al., "Long-tail learning via logit adjustment", 2021). If all labels are equally frequent, τ changes nothing.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from charrnn.config import LOGIT_ADJUSTMENT, MAX_LOGIT_ADJUSTMENT, between
from charrnn.dataset.groups import texts_in_groups
from charrnn.dataset.label_set import LabelSet
from charrnn.errors import ConfigError
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model, check_model
from charrnn.scoring import whole_texts
from charrnn.types import Array, Ids, Indices

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
    model: Model,
    texts: Iterable[str],
    *,
    logit_adjustment: float = LOGIT_ADJUSTMENT,
    unknown: str = "skip",
    threads: int | None = None,
) -> Iterator[Classification]:
    """The label of each text, in order; memory holds only `TEXTS_PER_BATCH` of them.

    `logit_adjustment` is τ: the larger, the more often rare labels are found. Characters that are not in the vocabulary
    are treated as in `Vocabulary.replace_unknown`. Raises `ConfigError` for a model that has no labels, and for options
    out of range; `VocabularyError` for an unknown character, with the number of the text, after the labels of the texts
    before it; `DivergenceError` if the predictions are NaN or infinite.
    """
    batches = texts_in_groups(texts, TEXTS_PER_BATCH, "classify")
    found = classify_batches(model, batches, logit_adjustment=logit_adjustment, unknown=unknown, threads=threads)
    return itertools.chain.from_iterable(found)


def classifier_of(model: Model) -> tuple[Classifier, LabelSet]:
    """The network of a model and its labels. Raises `ConfigError` for a model that has none."""
    check_model(model)
    network, labels = model.network, model.labels
    if not isinstance(network, Classifier) or labels is None:
        raise ConfigError('this model gives no labels to texts: `charrnn.train(layout="labels")` makes models that do')
    return network, labels


def classify_batches(
    model: Model,
    batches: Iterable[Sequence[str]],
    *,
    logit_adjustment: float = LOGIT_ADJUSTMENT,
    unknown: str = "skip",
    threads: int | None = None,
) -> Iterator[list[Classification]]:
    """`classify` of texts in batches: yields the labels of each batch before it asks for the next."""
    network, labels = classifier_of(model)
    between("logit_adjustment", logit_adjustment, 0, MAX_LOGIT_ADJUSTMENT)
    adjustment = logit_adjustment * np.log(labels.frequencies)

    def read(inputs: Ids, lengths: Indices, workspace: Workspace) -> Array:
        adjusted: Array = network.logits(model.params, inputs, lengths, workspace) - adjustment
        return adjusted

    found = whole_texts.probabilities_of_batches(model, batches, read, unknown=unknown, threads=threads)
    return ([_classification(labels.names, p, n) for _, p, n in batch] for batch in found)


def _classification(labels: tuple[str, ...], p: Array, unknown: int) -> Classification:
    best = int(p.argmax())
    return Classification(labels[best], float(p[best]), labels, p, unknown)
