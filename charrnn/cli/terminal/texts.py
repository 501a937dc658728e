"""What `score` and `adapt` read: the model and the texts, read ahead only as far as the choice of an engine needs."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from charrnn import engine as engines
from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.engine import adapting, scoring, with_engine
from charrnn.cli.terminal.inputs import find_texts, notice_typing, size_of_texts
from charrnn.dataset.files import Part, read_parts, total_size
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.scoring.lines import LEARNED_AT_ONCE
from charrnn.scoring.score import check_scores


class OpenTexts(NamedTuple):
    """What a command reads."""

    model: Model
    """With the engine that suits the amount of text."""
    parts: Iterator[Part]
    """The text, as `files.read_parts` yields it."""
    has_several: bool
    """Whether it is that of several files."""
    size: float
    """Its bytes, about as many if something is printed on the way; infinite if they are not known before the end."""


def open_texts(
    loaded: Callable[[], Model],
    paths: list[str],
    *,
    engine: str,
    encoding: str | None,
    quiet: bool,
    adapts: bool,
    precision: str = "float32",
    form: RecordForm | None = None,
    waits: bool = True,
    arriving: int = 0,
) -> OpenTexts:
    """The model and its texts.

    `loaded` reads the model, after the names of the texts are checked. `form` is that of the records, if it is not the
    model's own. `waits` says that nothing is printed before the end of the text: only then is a stream read ahead for
    its length. `adapts` says that the model learns as it reads.
    """
    notice = notifier(quiet)
    engines.resolve(engine, 0)  # an invalid engine is an error before anything is read
    size = size_of_texts(paths)
    model = loaded().with_encoding(encoding)
    if adapts:
        from charrnn.scoring.adaptable import check_adaptable

        check_adaptable(model)
    check_scores(model)
    model = _reading(model, form)
    work = adapting(model) if adapts else scoring(model)
    paths = find_texts(paths, model, notice)
    notice_typing(paths, notice)
    parts = read_parts(
        paths,
        arriving or LEARNED_AT_ONCE * adapts,
        as_is=model.vocabulary.is_bytes,
        encoding=model.text_form.encoding,
        separate=not model.reads_records,  # which end with their file
    )
    if waits:
        size = total_size(paths, decompressed=not model.vocabulary.is_bytes)
    if size == math.inf and waits:
        size, parts = _read_ahead(parts, engines.MAX_NUMPY_CHARS)
        if size == math.inf:  # it takes a while to find out what is compiled, and a short text does not need to know
            limit = engines.max_numpy_chars(engine, work.speed, work.kernels)
            size, parts = _read_ahead(parts, limit)
    return OpenTexts(with_engine(model, engine, size, quiet, precision, work), parts, len(paths) > 1, size)


def _reading(model: Model, form: RecordForm | None) -> Model:
    """The model, reading records in the form that is given, if any; raises `ConfigError` if it reads none."""
    if form is None:
        return model
    if not model.reads_records:
        read = "lines" if model.reads_lines else "continuous text"
        raise ConfigError(f"--{form.option} is for a model of records, and this one reads {read}: leave it out")
    # Lines too end as the records of this model do
    return replace(model, record_form=RecordForm("text", "\n") if form.is_lines else form)


def _read_ahead(parts: Iterator[Part], limit: float) -> tuple[float, Iterator[Part]]:
    """The bytes of all parts, infinite if there are more than `limit`; and the parts again."""
    seen, size = [], 0
    for part in parts:
        seen.append(part)
        size += len(part[1])
        if size > limit:
            return math.inf, itertools.chain(seen, parts)
    return size, iter(seen)
