"""The surprise: how little a model expected each character of a text, and what it expected instead."""

import heapq
from typing import Any

import numpy as np

from charrnn.inspection.symbols import character_names
from charrnn.inspection.trace import Numbers, Text, trace
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.types import Array

MAX_PLACES = 10
"""The most surprising places that are told."""
CHARS_BEFORE = 30
"""Characters that are told of what stands before such a place."""
MAX_EXPECTED = 3
"""Characters that would have been the likeliest."""


def surprisal(model: Model, text: str, places: int | None = MAX_PLACES, expected: int = MAX_EXPECTED) -> dict[str, Any]:
    """How a model expects a text, as plain data.

    `bits` has a number for each character, or None where the model has never seen it; that of a character in several
    bytes, for a model of bytes, is the sum of theirs. `places` tells the most surprising characters, all of them if
    `places` is None: `at` which place, after what, and the `expected` likeliest in its stead, each with its
    probability; of a character in several bytes, the likeliest in the stead of the byte that surprised most. Raises
    `CorpusError` where there is nothing to read.
    """
    read = Text(model, text)
    bits, top, chances = _predictions(read, expected)
    # A character that has several ids is as surprising as all of them, and the worst of them is where it surprised
    ends = np.cumsum(read.lengths)
    sums = np.concatenate(([0.0], np.cumsum(bits)))
    each = sums[ends] - sums[ends - read.lengths]
    known = np.flatnonzero(read.known)
    most = len(known) if places is None else places
    chosen = heapq.nsmallest(most, known.tolist(), key=lambda n: (-each[n], n))
    worst = {n: int(bits[ends[n] - read.lengths[n] : ends[n]].argmax() + ends[n] - read.lengths[n]) for n in chosen}
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
                    for v, p in zip(top[worst[n]], chances[worst[n]], strict=True)
                ],
            }
            for n in chosen
        ],
    }


def _predictions(read: Text, expected: int) -> tuple[Array, Numbers, Array]:
    """Of each id the surprise in bits [N], the ids that were likeliest in its place [N, E], and how likely [N, E]."""
    N, E = len(read.ids), min(expected, len(read.model.vocabulary))
    bits, top, chances = np.empty(N), np.empty((N, E), np.intp), np.empty((N, E), np.float32)
    for piece in trace(read):
        logp = log_softmax(piece.logits[piece.expected].astype(np.float64))
        places = piece.places[piece.expected]
        bits[places] = -np.take_along_axis(logp, read.ids[places].astype(np.intp)[:, None], axis=1)[:, 0] / np.log(2)
        best = np.argsort(-logp, axis=1, kind="stable")[:, :E]
        top[places], chances[places] = best, np.exp(np.take_along_axis(logp, best, axis=1))
    return bits, top, chances
