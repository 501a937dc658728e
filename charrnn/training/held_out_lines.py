"""The held-out lines: how the scores of the lines of the validation data are distributed, measured after training.

It costs less than an evaluation, and less than 2 % of the training: see `limit`.
"""

from collections.abc import Iterator

import numpy as np

from charrnn.config import WRITERS
from charrnn.dataset.lines import LineBatches, find, id_of
from charrnn.dataset.split import ValidationData, ValidationStream
from charrnn.dataset.spread import ValidationBlocks
from charrnn.errors import DivergenceError
from charrnn.layers.workspace import Workspace
from charrnn.model.line_losses import groups_of, line_losses
from charrnn.model.line_scores import MIN_LINES, LineScores
from charrnn.model.model import Model
from charrnn.types import Ids, Indices

MIN_CHARS, MAX_CHARS = 10_000, 200_000
"""The characters that are read at most after a short and after a long training."""
TRAINING_SHARE = 50
"""For every so many characters that were learned one is read. Learning a character takes three times the work."""


def limit(chars_learned: float) -> int:
    """The most characters to read after so many were learned."""
    return int(np.clip(chars_learned / TRAINING_SHARE, MIN_CHARS, MAX_CHARS))


def share(form: str, chars: int) -> float:
    """The most time that it takes, as a share of that of an evaluation, which reads so many characters."""
    return min(1.0, MAX_CHARS / max(1, chars)) if form in WRITERS else 0.0


def scores(model: Model, data: ValidationData, chars_learned: float) -> Iterator[LineScores | None]:
    """The distribution of the scores of the held-out lines, at last; before it None for each part of the work.

    The lines are taken at even distances, at most `limit` characters of them. If they are too few, if the text has no
    lines, or if the model gives none a score, there is no distribution.
    """
    if model.config.form not in WRITERS:
        return
    ids, starts, counts, firsts = _lines(model, data)
    chosen = _spread(counts, limit(chars_learned))
    if len(chosen) < MIN_LINES:
        return
    starts, counts, firsts = starts[chosen], counts[chosen], firsts[chosen]
    nats, workspace = np.zeros(len(counts)), Workspace()
    try:
        for group in groups_of(counts):
            nats[group] = line_losses(model, ids, starts[group], counts[group], firsts[group], workspace)
            yield None
    except DivergenceError:  # then its scores are an error too
        return
    yield LineScores.from_bits(nats / np.maximum(counts - firsts, 1) / np.log(2))


def _spread(counts: Indices, max_chars: int) -> Indices:
    """The places of lines of `counts` [R] characters at even distances, at most so many characters in total."""
    n = min(len(counts), int(len(counts) * max_chars / max(1, counts.sum(dtype=np.int64))))
    chosen: Indices = np.arange(n) * len(counts) // max(1, n)
    return chosen[np.cumsum(counts[chosen], dtype=np.int64) <= max_chars]


def _lines(model: Model, data: ValidationData) -> tuple[Ids, Indices, Indices, Indices]:
    """Some ids, and of the lines in them, with their newlines, the starts, the lengths and what counts first, each [R].

    Of a continuous text they are the lines between two newlines: it may begin and end within a line.
    """
    none = np.zeros(0, np.int64)
    if isinstance(data, LineBatches):
        lines = data.lines
        counts = lines.lengths.astype(np.int64) + 1
        starts, firsts = lines.starts, np.zeros_like(counts) if lines.firsts is None else lines.firsts
        whole = starts + counts <= len(lines.ids)  # the last line of a text may have no newline
        return lines.ids, starts[whole], counts[whole], firsts[whole]
    if isinstance(data, ValidationStream):
        blocks = [(0, len(data.ids))]
    elif isinstance(data, ValidationBlocks):
        blocks = [(start, start + data.block_size) for start in data.starts.tolist()]
    else:
        return np.zeros(0, model.vocabulary.dtype), none, none, none
    newline = id_of(model.end, model.vocabulary)
    found = [begin + find(data.ids[begin:end], newline).astype(np.int64) for begin, end in blocks]
    starts = np.concatenate([none, *(places[:-1] + 1 for places in found)])
    counts = np.concatenate([none, *map(np.diff, found)])
    return data.ids, starts, counts, np.zeros_like(counts)
