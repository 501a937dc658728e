"""The sampling of lines and other records: whole ones, one for each seed, without those that are not wanted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import numpy as np

from charrnn.config import between
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import ConfigError
from charrnn.model.model import Model, check_model
from charrnn.sampling.generate import MAX_BATCH, Sample, continuations
from charrnn.sampling.request import SamplingOptions, SamplingRequest
from charrnn.sampling.selection import EMPTY, Failed, OnFailure, exhausted, is_empty, select

LABEL_STREAM = 1
"""Keeps the random numbers that draw a label apart from those that draw the characters."""


def sample_lines(
    model: Model,
    request: SamplingRequest | None = None,
    *,
    count: int,
    novel: bool = False,
    unique: bool = False,
    skip_empty: bool = False,
    label: str | None = None,
    on_failure: OnFailure | None = None,
    **options: Unpack[SamplingOptions],
) -> Iterator[Sample]:
    """Draws `count` lines, each up to its newline or cut at `length` characters (None: `model.default_length`).

    A model of other records writes these instead, each up to `Model.end`, and they may have several lines. Each line
    begins with the prime; a newline at the end of the prime of a line is dropped. `novel` skips the lines of the
    training text, and empty ones; `unique` skips lines that were drawn before; `skip_empty` those to which nothing but
    white space was added. The first line is drawn with the request's seed, and every other one with the next seed, also
    one that replaces a skipped line: so each line can be drawn again alone, with its own seed. Otherwise as `samples`.

    A model of pairs writes targets. `label` is their source; without one, each line has a label that is drawn by its
    frequency in the training text.

    A line that the constraints do not allow is an error in its turn; with `on_failure`, it counts as drawn and is left
    out instead.

    The text of a line is without its newline; its likelihood includes the newline. Raises `ConfigError` if the model is
    not a model of lines, if it can't tell what is novel, if the prime has several lines, for a label that is unknown or
    missing, or for a count below 0;
    `VocabularyError` if the prime has characters that are not in the vocabulary; `SamplingError` if `MAX_SKIPPED` lines
    in a row were skipped.
    """
    check_model(model)
    if not model.reads_lines:
        raise ConfigError(
            'this model writes continuous text, not lines: `charrnn.train(layout="lines")` makes models of lines'
        )
    if novel and (model.line_set is None or model.line_set.digests is None):
        raise ConfigError("this model can't tell what is novel: its training text had too many lines to keep them all")
    between("count", count, 0)
    request = SamplingRequest.from_options(request, options).as_read(model)
    label = None if label is None else model.text_form.normalize(label)
    length = model.default_length if request.length is None else request.length
    if length == -1:
        why = f"length -1 is for continuous text, and this model writes {model.record_form.unit}"
        raise ConfigError(f"{why}, which end: give a count", "length", "count")
    between("length", length, 0)
    request.check_min_length(length)
    prime = request.prime_text if model.reads_records else request.prime_text.removesuffix("\n")
    if model.end in prime:
        unit = model.record_form.unit
        raise ConfigError(f"the prime has several {unit}: give the beginning of one {unit[:-1]}")
    if TAB in prime and model.layout == "pairs":
        raise ConfigError("the prime is the beginning of a target: give its source with `label`")
    request = replace(request, stops=[*request.stops, model.end])
    check_label(model, label)
    failed = Failed(on_failure)

    def draw_up_to(length: int, seeds: range, failed: OnFailure) -> Iterator[Sample]:
        with_length = replace(request, length=length, seed=seeds.start)
        if model.layout != "pairs":
            yield from continuations(model, [[prime] * len(seeds)], with_length, on_failure=failed)
            return
        labels = [draw_label(model, seed) if label is None else label for seed in seeds]
        sources = [[source + TAB + prime for source in labels]]
        for sample in continuations(model, sources, with_length, on_failure=failed):
            yield replace(sample, prime=prime, label=labels[sample.seed - seeds.start])

    def draw(seeds: range) -> Iterator[Sample]:
        cut: list[int] = []  # the seeds of lines that the additional character, which may be the newline, does not end
        for line in draw_up_to(length + 1, seeds, lambda seed, error: cut.append(seed)):
            if is_longer := len(model.vocabulary.encode(line.text)) > length:
                cut.append(line.seed)
            yield from draw_cut(cut)
            if not is_longer:
                yield line
        yield from draw_cut(cut)

    def draw_cut(seeds: list[int]) -> Iterator[Sample]:
        while seeds:
            seed = seeds.pop(0)
            yield from draw_up_to(length, range(seed, seed + 1), failed)

    drawn_before: set[str] = set()

    def is_wanted(sample: Sample) -> bool:
        line = _whole_line(sample, model)
        if (novel and (not line or _is_known(line, model))) or line in drawn_before:
            return False
        if skip_empty and is_empty(sample.text):
            return False
        if unique:
            drawn_before.add(line)
        return True

    reasons = ["is in the training text"] * novel + ["was drawn before"] * unique + [EMPTY] * skip_empty
    return select(
        draw, count, request.seed, MAX_BATCH, is_wanted, exhausted(f"new {model.record_form.unit}", reasons), failed
    )


def check_label(model: Model, label: str | None) -> None:
    """Raises `ConfigError` if the model can't write a text with this label, or has no labels to draw one from."""
    label = None if label is None else model.text_form.normalize(label)
    if model.layout != "pairs":
        if label is not None:
            raise ConfigError(
                'this model has no labels: `charrnn.train(layout="pairs")` makes models of label and text'
            )
    elif label is None and model.labels is None:
        raise ConfigError("this model rewrites texts: give it one with `label`, or many with `charrnn.translate`")
    elif label is not None and ("\n" in label or TAB in label):
        raise ConfigError("a label has no tabs and newlines: leave them out")
    elif label is not None and model.labels is not None:
        model.labels.index(label)


def draw_label(model: Model, seed: int) -> str:
    """The label of the line with this seed, drawn by its frequency."""
    assert model.labels is not None
    return model.labels.draw(np.random.default_rng((seed, LABEL_STREAM)))


def _is_known(line: str, model: Model) -> bool:
    """Whether the line is in the training text."""
    return model.line_set is not None and line in model.line_set


def _whole_line(sample: Sample, model: Model) -> str:
    """The prime and the text together; for a model of bytes, a character may be in both."""
    encode = model.vocabulary.encode
    return model.vocabulary.decode(np.concatenate((encode(sample.prime), encode(sample.text))))
