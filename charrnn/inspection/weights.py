"""The weights: what a model's tensors look like, without any text."""

from typing import Any

import numpy as np

from charrnn.checkpoint.pytorch_format import to_torch
from charrnn.inspection.symbols import character_names
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.types import Array

HISTOGRAM_BINS = 24
"""Bars of a histogram."""
DEAD_SHARE = 0.01
"""A unit whose weights to all that hears it are less than this share of the median unit's says nothing any more."""
MAX_CHARACTERS = 500
"""Characters that are compared with each other, at most."""
MAX_NEIGHBOURS = 5
"""Characters that are told as the nearest to another."""
GATES = {"rnn": ("",), "gru": ("reset", "update", "candidate"), "lstm": ("input", "forget", "candidate", "output")}


def weights(model: Model) -> dict[str, Any]:
    """The tensors of a model as plain data, under PyTorch's names.

    Of each: shape, norm, mean, spread (the standard deviation), extremes and a histogram between these. Of each layer
    and gate the spectral radius of the recurrent matrix: above 1 what it feeds back to itself would grow, but for the
    nonlinearity, and below it would fade. And the units that nothing listens to.
    """
    cell = network.cell_of(model.config, model.engine)
    tensors = to_torch(model.params, model.config, cell)
    return {
        "tensors": [_tensor(name, tensor.astype(np.float64)) for name, tensor in tensors.items()],
        "recurrent": [
            {"layer": layer, "gate": gate, "spectral_radius": float(np.abs(np.linalg.eigvals(block)).max())}
            for layer in range(model.config.layers)
            for gate, block in zip(
                GATES[model.config.cell], np.split(model.params[f"W_hh{layer}"], cell.GATES, axis=1), strict=True
            )
        ],
        "dead": [
            {"layer": layer, "index": int(index)}
            for layer in range(model.config.layers)
            for index in _dead(model, layer)
        ],
    }


def _tensor(name: str, values: Array) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, HISTOGRAM_BINS, (low, high) if low < high else (low - 0.5, low + 0.5))
    return {
        "name": name,
        "shape": list(values.shape),
        "norm": float(np.linalg.norm(values)),
        "mean": float(values.mean()),
        "spread": float(values.std()),
        "min": low,
        "max": high,
        "histogram": counts.tolist(),
    }


def _dead(model: Model, layer: int) -> Array:
    """The units of a layer that neither the layer itself nor the one above, or the decoder, listens to."""
    above = model.params[f"W_ih{layer + 1}" if layer + 1 < model.config.layers else "W_out"]
    both = (W.astype(np.float64) for W in (above, model.params[f"W_hh{layer}"]))  # whose squares may be large
    heard = np.hypot(*(np.linalg.norm(W, axis=1) for W in both))
    return np.flatnonzero(heard < DEAD_SHARE * np.median(heard))


def neighbours(model: Model) -> dict[str, Any]:
    """The nearest neighbours of each character, as plain data.

    Two characters are near each other by what they tell the network when they are read, the rows of W_ih, and by when
    they are expected, the columns of W_out; `cosine` is that between these, without what all have in common. `plane`
    has the first two principal components of either. Of a large vocabulary only the `MAX_CHARACTERS` that the model expects
    most, by their bias, are compared, and the others `left_out`.
    """
    kept = np.sort(np.argsort(-model.params["b_out"], kind="stable")[:MAX_CHARACTERS])
    characters = [character_names(model.vocabulary)[v] for v in kept]
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
    """The vectors [V, n] without what they have in common."""
    centred: Array = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    return centred


def _plane(centred: Array) -> Array:
    """The vectors [V, n] in the plane [V, 2] in which most of their differences lie: their principal components."""
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = np.zeros((len(centred), 2))
    kept = (u * s)[:, :2]
    found[:, : kept.shape[1]] = kept * np.where(kept[np.abs(kept).argmax(axis=0), range(kept.shape[1])] < 0, -1, 1)
    return found


def _nearest(vectors: Array) -> list[list[tuple[int, float]]]:
    """For each of V vectors [V, n] the others that have the largest cosine with it."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(norms > 0, norms, 1)
    found = []
    for v, direction in enumerate(directions):
        cosines = directions @ direction
        cosines[v] = -np.inf
        order = np.argsort(-cosines, kind="stable")[: min(MAX_NEIGHBOURS, len(vectors) - 1)]
        found.append([(int(other), float(cosines[other])) for other in order])
    return found
