"""The score of a whole text: the sum over its characters or, for a model of lines, over the lines, each on its own."""

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from charrnn.config import REWRITING_LAYOUTS, check_threads, one_of
from charrnn.dataset.groups import kind_of
from charrnn.dataset.line_reader import lines_of
from charrnn.dataset.records import records_of
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.model import Model
from charrnn.scoring.lines import score_lines
from charrnn.scoring.score import (
    UNKNOWN_POLICIES,
    Score,
    Text,
    adapted_surprisals,
    check_scores,
    stream_surprisal,
)
from charrnn.types import Array

if TYPE_CHECKING:
    from charrnn.scoring.adaptation import Adaptation


def score(
    model: Model,
    text: Text | Iterable[Text],
    *,
    unknown: str = "error",
    threads: int | None = None,
    adaptation: "Adaptation | None" = None,
) -> Score:
    """The score of a text, or of its consecutive pieces: -log of the probability that the model writes it unprimed.

    For a model of lines it is the sum over the lines, each a text of its own as in training; for one of pairs, -log of
    the probability of each target after its source. For a model of records other than lines it is the sum over these,
    each with its end. Lines and records are shared among `threads`, the number of cores by default; a continuous text
    is read by one.

    With an adaptation of the model, which goes on with what it has read, each character is predicted before it is
    learned from; `threads` are not used then.

    `unknown` is one of `score.UNKNOWN_POLICIES`; with `error`, characters that are not in the vocabulary raise
    `VocabularyError`. Raises `CorpusError` if there is nothing to score.
    """
    check_scores(model)
    check_threads(threads)
    pieces = as_pieces(model, text, "score")
    if model.reads_lines:
        texts = records_of_pieces(model, pieces) if model.reads_records else lines_of_pieces(pieces)
        return score_texts(model, texts, unknown=unknown, threads=threads, adaptation=adaptation)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    policy = "skip" if unknown == "count" else unknown
    found: Iterator[Array]
    if adaptation is None:
        found = (nats[None] for nats in stream_surprisal(model, pieces, unknown=policy))
    else:
        found = adapted_surprisals(model, pieces, policy, adaptation)
    total = _nothing(adaptation is not None)
    for surprisals in found:
        missing = int(np.isnan(surprisals[0]).sum())
        nats, *without_learning = (float(np.nansum(each, dtype=np.float64)) for each in surprisals)
        total += Score(surprisals.shape[1] - missing, nats, missing, *without_learning)
    if unknown == "count":
        total += Score(total.unknown, total.unknown * model.unseen_nats)
    return _checked(total, model)


def as_pieces(model: Model, text: Text | Iterable[Text], what: str) -> Iterable[Text]:
    """The pieces of a text, or of one in pieces already, as the model reads them; of bytes they are as they are.

    Raises `ConfigError` for anything else; `what` is the function that it is for.
    """
    check_pieces(text, what)
    pieces: Iterable[Text] = [text] if isinstance(text, Text) else text
    return pieces if model.vocabulary.is_bytes else model.text_form.normalize_pieces(map(model.as_text, pieces))


def lines_of_pieces(pieces: Iterable[Text]) -> Iterator[str]:
    """The lines of a text in pieces, as a model reads it, each with its newline; the last one may have none."""
    return lines_of(piece if isinstance(piece, str) else _decoded(piece) for piece in pieces)


def check_pieces(text: object, what: str) -> None:
    """Raises `ConfigError` for what can be neither a text nor its pieces; `what` is the function that it is for."""
    if not isinstance(text, Iterable):
        raise ConfigError(f"{what} takes a text or its pieces, not {kind_of(text)}")


def score_texts(
    model: Model,
    texts: Iterable[Text],
    *,
    unknown: str = "error",
    threads: int | None = None,
    adaptation: "Adaptation | None" = None,
) -> Score:
    """The sum of the scores of texts that are each a text of its own, such as lines with their newlines."""
    scores = score_lines(model, texts, unknown=unknown, threads=threads, adaptation=adaptation)
    return total_of(scores, model, adaptation is not None)


def total_of(scores: Iterable[Score], model: Model, adapts: bool = False) -> Score:
    """The sum of scores of a model, which `adapts` or not; raises `CorpusError` if there was nothing to score."""
    return _checked(sum(scores, _nothing(adapts)), model)


def _nothing(adapts: bool) -> Score:
    """The score of no text, by a model that learns from what it reads or not."""
    return Score(0, 0.0, nats_without_learning=0.0 if adapts else None)


def records_of_pieces(model: Model, pieces: Iterable[Text]) -> Iterator[Text]:
    """The records of a text in pieces, as a model reads it, each with its end."""
    form, is_bytes = model.record_form, model.vocabulary.is_bytes
    for records in records_of(form, _as_characters(model, pieces), "the text", is_bytes):
        for record in records:
            yield (record + form.end).encode("latin-1") if is_bytes else record + form.end


def _as_characters(model: Model, pieces: Iterable[Text]) -> Iterator[str]:
    """The pieces with `\\n` for `\\r\\n` and `\\r`; for a model of bytes, a character for each of their bytes."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    for piece in pieces:
        if model.vocabulary.is_bytes:
            yield bytes(model.vocabulary.encode(piece)).decode("latin-1")
        else:
            yield newlines.decode(model.as_text(piece))
    yield newlines.decode("", final=True)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _checked(total: Score, model: Model) -> Score:
    """The score; raises `CorpusError` if there was nothing to score."""
    if not total.chars:
        why = "the model knows none of its characters" if total.unknown else "it is empty"
        if model.layout in REWRITING_LAYOUTS and not total.unknown:
            why = "no line is a source, a tab and a target"
        raise CorpusError(f"there is no text to {'learn from' if total.adapted else 'score'}: {why}")
    return total
