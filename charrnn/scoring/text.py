"""The score of a whole text: the sum over its characters or, for a model of pairs, over its targets."""

from collections.abc import Iterable

import numpy as np

from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset.line_reader import lines_of
from charrnn.errors import CorpusError
from charrnn.model.model import Model, check_model
from charrnn.scoring.lines import score_lines
from charrnn.scoring.score import Score, Text, stream_surprisal


def score(model: Model, text: Text | Iterable[Text], *, unknown: str = "error") -> Score:
    """The score of a text, or of its consecutive pieces: -log of the probability that the model writes it unprimed.

    For a model of pairs it is the sum over the lines: -log of the probability of each target after its source.

    Raises `VocabularyError` for characters that are not in the vocabulary, unless `unknown` is `skip`, which leaves
    them out; `CorpusError` if there is nothing to score.
    """
    check_model(model)
    pieces = [text] if isinstance(text, Text) else text
    total = Score(0, 0.0)
    if model.layout in REWRITING_LAYOUTS:
        texts = (p if isinstance(p, str) else p.decode("utf-8", "surrogateescape") for p in pieces)
        total = sum(score_lines(model, lines_of(texts), unknown=unknown), total)
    else:
        for nats in stream_surprisal(model, pieces, unknown=unknown):
            skipped = int(np.isnan(nats).sum())
            total += Score(len(nats) - skipped, float(np.nansum(nats, dtype=np.float64)), skipped)
    if not total.chars:
        why = "the model knows none of its characters" if total.unknown else "it is empty"
        if model.layout in REWRITING_LAYOUTS and not total.unknown:
            why = "no line is a source, a tab and a target"
        raise CorpusError(f"there is no text to score: {why}")
    return total
