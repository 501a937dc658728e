"""The vocabulary: which characters are alike to a model, by its weights."""

from typing import Any

import numpy as np

from charrnn.inspection.symbols import character_names
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.types import Array

MAX_CHARACTERS = 500
"""The most characters that are compared with each other."""
MAX_NEIGHBOURS = 5
"""The nearest neighbours that are listed for each character."""


@blas.limit()
def neighbours(model: Model) -> dict[str, Any]:
    """The nearest neighbours of each character, as plain data.

    Two characters are alike when `read` if their rows of W_ih are, and when `expected` if their columns of W_out are;
    `cosine` is the cosine of the angle between these, after subtracting their mean over all characters. `plane` has the
    first two principal components of each. Of a large vocabulary, only the `MAX_CHARACTERS` that the model expects
    most, by their bias, are compared; `left_out` is the number of the others.
    """
    kept = np.sort(np.argsort(-model.params["b_out"], kind="stable")[:MAX_CHARACTERS])
    characters = [character_names(model.vocabulary)[v] for v in kept]
    model.check_language_model()
    vectors = {"read": _centred(model.params["W_ih0"][kept]), "expected": _centred(model.params["W_out"].T[kept])}
    near = {way: _nearest(rows) for way, rows in vectors.items()}
    planes = {way: _plane(rows) for way, rows in vectors.items()}
    return {
        "left_out": len(model.vocabulary) - len(kept),
        "characters": [
            {"character": character}
            | {
                way: [{"character": characters[other], "cosine": cosine} for other, cosine in found[v]]
                for way, found in near.items()
            }
            | {"plane": {way: places[v].tolist() for way, places in planes.items()}}
            for v, character in enumerate(characters)
        ],
    }


def _centred(vectors: Array) -> Array:
    """The vectors [V, n] minus their mean."""
    centred: Array = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    return centred


def _plane(centred: Array) -> Array:
    """The first two principal components [V, 2] of the vectors [V, n]; the largest entry of each is positive."""
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = np.zeros((len(centred), 2))
    kept = (u * s)[:, :2]
    found[:, : kept.shape[1]] = kept * np.where(kept[np.abs(kept).argmax(axis=0), range(kept.shape[1])] < 0, -1, 1)
    return found


def _nearest(vectors: Array) -> list[list[tuple[int, float]]]:
    """For each of V vectors [V, n], the others of the largest cosine with it."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(norms > 0, norms, 1)
    found = []
    for v, direction in enumerate(directions):
        cosines = directions @ direction
        cosines[v] = -np.inf
        order = np.argsort(-cosines, kind="stable")[: min(MAX_NEIGHBOURS, len(vectors) - 1)]
        found.append([(int(other), float(cosines[other])) for other in order])
    return found
