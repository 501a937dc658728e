"""The attribution: which characters speak for the label that a classifier gives a text, or for a span of a tagger.

It is gradient × input: what the log-probability of the answer would lose, to first order, if the network read nothing
at the character (A. Shrikumar et al., "Not Just a Black Box", 2016). The answers, and so these log-probabilities, are
those of `classify` and `tag` with their defaults.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from charrnn.config import LOGIT_ADJUSTMENT
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import ConfigError, CorpusError
from charrnn.inspection.trace import Text
from charrnn.layers.workspace import Workspace
from charrnn.model.classifier import Classifier
from charrnn.model.model import Model
from charrnn.model.tagger import Tagger
from charrnn.resources import blas
from charrnn.scoring.classify import classify
from charrnn.scoring.tag import tag
from charrnn.types import Array, Indices, Params

MAX_LENGTH = 10_000
"""The most characters of a text that is explained: the gradient needs what was computed at all of them."""


@blas.limit()
def attribution(model: Model, text: str, limit: int) -> dict[str, Any]:
    """How far each character speaks for the answers about the lines of a text, as plain data.

    Each line is a text of its own; of a line with a tab, only what is before it. `answers` are the label of each line
    or, for a tagger, its spans, with their places `start` and `end`: the `text`, the `label`, its `probability` (of a
    span, that of all its tags), and the `values`, in nats: above zero where a character makes the answer more probable,
    None where the model has never seen it. `lines` is the number of lines that were read; no more are once the answers
    have `limit` characters. Raises `ConfigError` for a language model, and `CorpusError` for a text of which nothing
    can be read, and for a line of more than `MAX_LENGTH` characters.
    """
    if not isinstance(model.network, Classifier | Tagger):
        raise ConfigError("only a classifier or a tagger gives answers to explain")
    explain = _label if isinstance(model.network, Classifier) else _spans
    answers: list[dict[str, Any]] = []
    lines = shown = 0
    for read in _lines(model, text):
        lines += 1
        for answer in explain(model, read):
            if answers and shown + len(read.text) > limit:
                shown = limit
                break
            answers.append(answer)
            shown += len(read.text)
        if shown >= limit:
            break
    if not lines:
        raise CorpusError(
            f"there is nothing to read in this text: {'no line has known characters' if text else 'it is empty'}"
        )
    return {"answer": "label" if explain is _label else "span", "lines": lines, "answers": answers}


def _lines(model: Model, text: str) -> Iterator[Text]:
    """The lines of which the model knows a character, without their labels or tags."""
    known = None if model.vocabulary.is_bytes else set(model.vocabulary.characters)
    for line in text.split("\n"):
        source = line.partition(TAB)[0]
        if len(source) > MAX_LENGTH:
            raise CorpusError(f"a line of {len(source):,} characters is too long: give at most {MAX_LENGTH:,}")
        if source and (known is None or known & set(source)):
            yield Text(model, source)


def _label(model: Model, read: Text) -> Iterator[dict[str, Any]]:
    """The label that `classify` gives a line, and what speaks for it: with the same logits, adjusted by default."""
    assert isinstance(model.network, Classifier)
    (found,) = classify(model, [read.text], threads=1)
    label = np.array([found.labels.index(found.label)])
    gradient = model.network.input_gradient(_adjusted(model), read.ids[:, None], None, label, Workspace())[:, 0]
    answer = {"text": read.text, "label": found.label, "probability": found.probability}
    yield answer | {"values": _values(read, gradient)}


def _adjusted(model: Model) -> Params:
    """The parameters of a classifier with the logits of `classify`: y - τ log π."""
    assert model.labels is not None
    b = model.params["b_out"]
    return model.params | {"b_out": b - (LOGIT_ADJUSTMENT * np.log(model.labels.frequencies)).astype(b.dtype)}


def _spans(model: Model, read: Text) -> Iterator[dict[str, Any]]:
    """The spans of a line, in order."""
    assert isinstance(model.network, Tagger)
    inputs, workspace = read.ids[:, None], Workspace()
    (found,) = tag(model, [read.text], threads=1)
    tags = model.network.logits(model.params, inputs).argmax(axis=2)
    places = np.cumsum(read.known) - 1  # of the characters among those that are read
    for start, end, label in found.spans:
        own = places[start:end][read.known[start:end]]
        if not len(own):
            continue  # the model has never seen any of it
        mask = np.zeros(inputs.shape, bool)
        mask[own] = True
        gradient = model.network.input_gradient(model.params, inputs, None, tags, workspace, mask)[:, 0]
        probability = float(np.prod(found.probabilities[start:end][read.known[start:end]]))
        answer = {"text": read.text, "start": start, "end": end, "label": label, "probability": probability}
        yield answer | {"values": _values(read, gradient)}


def _values(read: Text, gradient: Array) -> list[float | None]:
    """The value of each character from those of its ids [N]: for a model of bytes, the sum of those of its bytes."""
    ends: Indices = np.cumsum(read.lengths)
    sums = np.concatenate(([0.0], np.cumsum(gradient.astype(np.float64))))
    each = sums[ends] - sums[ends - read.lengths]
    return [float(x) if known else None for x, known in zip(each, read.known, strict=True)]


def relative(values: list[float | None]) -> list[float | None]:
    """The values of an answer as shares of the one farthest from zero: from -1, against, to 1, for."""
    top = max((abs(x) for x in values if x is not None), default=0) or 1.0
    return [None if x is None else x / top for x in values]
