"""The score of a whole text: the sum over its characters or, for a model of pairs, over its targets."""

import itertools
from collections.abc import Iterable

import numpy as np

from charrnn.config import MAX_THREADS, REWRITING_LAYOUTS, between
from charrnn.dataset.line_reader import lines_of
from charrnn.dataset.records import read_records
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.errors import CorpusError
from charrnn.model.model import Model, check_model
from charrnn.scoring.lines import score_lines
from charrnn.scoring.score import Score, Text, stream_surprisal


def score(model: Model, text: Text | Iterable[Text], *, unknown: str = "error", threads: int | None = None) -> Score:
    """The score of a text, or of its consecutive pieces: -log of the probability that the model writes it unprimed.

    For a model of pairs it is the sum over the lines: -log of the probability of each target after its source. For a
    model of records other than lines it is the sum over these, each with its end. Such lines and records are shared
    among `threads`, the number of cores by default; a continuous text is read by one.

    Raises `VocabularyError` for characters that are not in the vocabulary, unless `unknown` is `skip`, which leaves
    them out; `CorpusError` if there is nothing to score.
    """
    check_model(model)
    between("threads", 1 if threads is None else threads, 1, MAX_THREADS)
    pieces: Iterable[Text] = [text] if isinstance(text, Text) else text
    if not model.vocabulary.is_bytes:
        pieces = model.text_form.normalize_pieces(map(model.as_text, pieces))
    if model.layout in REWRITING_LAYOUTS:
        lines = lines_of(p if isinstance(p, str) else _decoded(p) for p in pieces)
        return score_texts(model, lines, unknown=unknown, threads=threads)
    if model.reads_records:
        parts = (p.encode("utf-8", "surrogateescape") if isinstance(p, str) else p for p in pieces)
        files = itertools.chain((("text", part) for part in parts if part), [("text", b"")])
        read = read_records(files, model.record_form, model.vocabulary, DEFAULT_FORM)
        records = (line.text for lines in read for line in lines)
        return score_texts(model, records, unknown=unknown, threads=threads)
    total = Score(0, 0.0)
    for nats in stream_surprisal(model, pieces, unknown=unknown):
        skipped = int(np.isnan(nats).sum())
        total += Score(len(nats) - skipped, float(np.nansum(nats, dtype=np.float64)), skipped)
    return _checked(total, model)


def score_texts(model: Model, texts: Iterable[Text], *, unknown: str = "error", threads: int | None = None) -> Score:
    """The sum of the scores of texts that are each a text of its own, such as lines with their newlines."""
    scores = score_lines(model, texts, unknown=unknown, threads=threads)
    return _checked(sum(scores, Score(0, 0.0)), model)


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
