"""The samples of the page: short texts that a model writes, each in the form of its training text."""

from collections.abc import Iterator

from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset.vocabulary import TAB
from charrnn.model.model import Model
from charrnn.sampling.generate import samples
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.translate import translate

SEED = 1
"""The seed of the first sample: the same model has the same page."""
TEXTS, LINES, LABELS, SOURCES = 3, 12, 8, 6
"""The most texts, lines or other records, labels, and sources to which a model writes."""
MAX_CHARS = 300
"""The most characters of a sample."""
MAX_SOURCE = 200
"""The most characters of a source: longer ones are skipped."""


def page_samples(model: Model, text: str) -> list[dict[str, str | None]]:
    """The samples of a model: each its `text`, and the `heading` above it, or None.

    A model of continuous text writes `TEXTS` of them at temperature 1, one of lines or other records `LINES`, and one
    with labels one for each of the `LABELS` most frequent. Any other model of pairs rewrites the first sources of the
    `text`, by a search; a model that writes nothing has none.
    """
    to = writes_to(model)
    if to is None:
        return [{"heading": None, "text": written} for written in _texts(model)]
    if to == "label" and model.labels is not None:
        named = sorted(zip(model.labels.names, model.labels.counts, strict=True), key=lambda label: -label[1])
        return [{"heading": label, "text": _first(model, label)} for label, _ in named[:LABELS]]
    sources = [*_sources(model, text)]
    found = translate(model, sources, length=MAX_CHARS, threads=1)
    return [{"heading": source, "text": target.text} for source, target in zip(sources, found, strict=True)]


def writes_to(model: Model) -> str | None:
    """What a model of pairs writes to, a `label` or a `source`; None for any other."""
    if model.layout not in REWRITING_LAYOUTS:
        return None
    return "label" if model.layout == "pairs" and model.labels is not None else "source"


def _texts(model: Model) -> Iterator[str]:
    """Texts, or lines, without a prime."""
    if model.config.form != "language_model":
        return
    if model.reads_lines:
        length = min(model.default_length, MAX_CHARS)
        found = sample_lines(model, count=TEXTS if model.reads_records else LINES, length=length, seed=SEED)
    else:
        found = samples(model, count=TEXTS, length=MAX_CHARS, seed=SEED)
    for sample in found:
        yield sample.text


def _first(model: Model, label: str) -> str:
    """The first text with a label."""
    (sample,) = sample_lines(model, count=1, label=label, length=min(model.default_length, MAX_CHARS), seed=SEED)
    return sample.text


def _sources(model: Model, text: str) -> Iterator[str]:
    """The first different sources of the lines of a text, of characters that the model knows."""
    seen: set[str] = set()
    for line in text.split("\n"):
        source, _ = model.vocabulary.replace_unknown(line.partition(TAB)[0], "skip")
        if 0 < len(source) <= MAX_SOURCE and source not in seen:
            seen.add(source)
            yield source
        if len(seen) == SOURCES:
            return
