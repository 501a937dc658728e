"""The score of a whole text: the sum over its characters or, for a model of pairs, over its targets."""

import itertools
from collections.abc import Iterable

import numpy as np

from charrnn.config import REWRITING_LAYOUTS, one_of
from charrnn.dataset.line_reader import lines_of
from charrnn.dataset.records import read_records
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.errors import CorpusError
from charrnn.model.model import Model, check_model
from charrnn.scoring.lines import score_lines
from charrnn.scoring.score import UNKNOWN_POLICIES, Score, Text, stream_surprisal


def score(model: Model, text: Text | Iterable[Text], *, unknown: str = "error") -> Score:
    """The score of a text, or of its consecutive pieces: -log of the probability that the model writes it unprimed.

    For a model of pairs it is the sum over the lines: -log of the probability of each target after its source. For a
    model of records other than lines it is the sum over these, each with its end.

    `unknown` is one of `score.UNKNOWN_POLICIES`; with `error`, characters that are not in the vocabulary raise
    `VocabularyError`. Raises `CorpusError` if there is nothing to score.
    """
    check_model(model)
    pieces: Iterable[Text] = [text] if isinstance(text, Text) else text
    if not model.vocabulary.is_bytes:
        pieces = model.text_form.normalize_pieces(map(model.as_text, pieces))
    if model.layout in REWRITING_LAYOUTS:
        return score_texts(model, lines_of(p if isinstance(p, str) else _decoded(p) for p in pieces), unknown=unknown)
    if model.reads_records:
        parts = (p.encode("utf-8", "surrogateescape") if isinstance(p, str) else p for p in pieces)
        files = itertools.chain((("text", part) for part in parts if part), [("text", b"")])
        read = read_records(files, model.record_form, model.vocabulary, DEFAULT_FORM)
        return score_texts(model, (line.text for lines in read for line in lines), unknown=unknown)
    total = Score(0, 0.0)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    for nats in stream_surprisal(model, pieces, unknown="skip" if unknown == "count" else unknown):
        missing = int(np.isnan(nats).sum())
        total += Score(len(nats) - missing, float(np.nansum(nats, dtype=np.float64)), missing)
    if unknown == "count":
        total = Score(total.chars + total.unknown, total.nats + total.unknown * model.unseen_nats, total.unknown)
    return _checked(total, model)


def score_texts(model: Model, texts: Iterable[Text], *, unknown: str = "error") -> Score:
    """The sum of the scores of texts that are each a text of its own, such as lines with their newlines."""
    return _checked(sum(score_lines(model, texts, unknown=unknown), Score(0, 0.0)), model)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _checked(total: Score, model: Model) -> Score:
    """The score; raises `CorpusError` if there was nothing to score."""
    if not total.chars:
        why = "the model knows none of its characters" if total.unknown else "it is empty"
        if model.layout in REWRITING_LAYOUTS and not total.unknown:
            why = "no line is a source, a tab and a target"
        raise CorpusError(f"there is no text to score: {why}")
    return total
