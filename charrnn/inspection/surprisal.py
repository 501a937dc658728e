"""The surprisal: how unexpected each character of a text is to a model, and what the model expected instead."""

import heapq
from typing import Any

import numpy as np

from charrnn.inspection.symbols import character_names
from charrnn.inspection.trace import Text, trace
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.types import Array, Indices

MAX_PLACES = 10
"""The places of the highest surprisal that are listed."""
CHARS_BEFORE = 30
"""The characters of the text before such a place that are shown."""
MAX_EXPECTED = 3
"""The likeliest characters that are listed for a place."""


def surprisal(model: Model, text: str, places: int | None = MAX_PLACES, expected: int = MAX_EXPECTED) -> dict[str, Any]:
    """The surprisal of a text, as plain data.

    `bits` has -log₂ p of each character, or None if the model has never seen it; for a model of bytes, that of a
    character of several bytes is the sum of theirs. `places` are those of the highest surprisal, or all if it is None:
    the position `at`, the text `after` which the character comes, and the `expected` likeliest characters with their
    probabilities; for a character of several bytes, those at its byte of the highest surprisal. Raises `CorpusError`
    if there is nothing to read.
    """
    read = Text(model, text)
    bits, top, probabilities = _predictions(read, expected)
    # The surprisal of a character is that of all its ids; its worst id is the one of the highest
    ends = np.cumsum(read.lengths)
    sums = np.concatenate(([0.0], np.cumsum(bits)))
    each = sums[ends] - sums[ends - read.lengths]
    known = np.flatnonzero(read.known)
    most = len(known) if places is None else places
    selected = heapq.nsmallest(most, known.tolist(), key=lambda n: (-each[n], n))
    worst = {n: int(bits[ends[n] - read.lengths[n] : ends[n]].argmax() + ends[n] - read.lengths[n]) for n in selected}
    characters = character_names(model.vocabulary)
    return {
        "chars": len(known),
        "unknown": len(text) - len(known),
        "mean_bits": float(each[known].mean()),
        "bits": [float(b) if k else None for b, k in zip(each, read.known, strict=True)],
        "places": [
            {
                "at": n,
                "character": text[n],
                "bits": float(each[n]),
                "after": text[max(0, n - CHARS_BEFORE) : n],
                "expected": [
                    {"character": characters[v], "probability": float(p)}
                    for v, p in zip(top[worst[n]], probabilities[worst[n]], strict=True)
                ],
            }
            for n in selected
        ],
    }


def _predictions(read: Text, expected: int) -> tuple[Array, Indices, Array]:
    """The surprisal of each id in bits [N], the E likeliest ids in its place [N, E], and their probabilities [N, E]."""
    N, E = len(read.ids), min(expected, len(read.model.vocabulary))
    bits, top, probabilities = np.empty(N), np.empty((N, E), np.intp), np.empty((N, E), np.float32)
    for piece in trace(read):
        logp = log_softmax(piece.logits[piece.predicted].astype(np.float64))
        places = piece.places[piece.predicted]
        bits[places] = -np.take_along_axis(logp, read.ids[places].astype(np.intp)[:, None], axis=1)[:, 0] / np.log(2)
        best = np.argsort(-logp, axis=1, kind="stable")[:, :E]
        top[places], probabilities[places] = best, np.exp(np.take_along_axis(logp, best, axis=1))
    return bits, top, probabilities
