"""The weights: the statistics of a model's tensors, without any text."""

from typing import Any

import numpy as np

from charrnn.checkpoint.pytorch_format import to_torch
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.types import Array

HISTOGRAM_BINS = 24
"""The bars of a histogram."""
DEAD_SHARE = 0.01
"""A unit is dead if the norm of its outgoing weights is below this share of the layer's median."""
GATES = {"rnn": ("",), "gru": ("reset", "update", "candidate"), "lstm": ("input", "forget", "candidate", "output")}


@blas.limit()
def weights(model: Model) -> dict[str, Any]:
    """The tensors of a model as plain data, under PyTorch's names.

    `tensors` has the shape, norm, mean, standard deviation, extremes and histogram of each; `recurrent` the spectral
    radius of the recurrent matrix of each layer and gate: if it is above 1, what the units feed back to themselves
    would grow without the nonlinearity, and if it is below 1 it fades. `dead` are the units without influence, of a
    language model.
    """
    network = model.network
    tensors = to_torch(model.params, network)
    return {
        "tensors": [_tensor(name, tensor.astype(np.float64)) for name, tensor in tensors.items()],
        "recurrent": [
            {"layer": _layer(layer), "gate": gate, "spectral_radius": float(np.abs(np.linalg.eigvals(block)).max())}
            for layer in network.suffixes
            for gate, block in zip(
                GATES[model.config.cell],
                np.split(model.params[f"W_hh{layer}"], network.cell.GATES, axis=1),
                strict=True,
            )
        ],
        "dead": [
            {"layer": layer, "index": int(index)}
            for layer in range(model.config.layers if model.config.form == "language_model" else 0)
            for index in _dead(model, layer)
        ],
    }


def _layer(suffix: str) -> int | str:
    """How a layer is named: by its number, that of a reverse cell with `_reverse`."""
    return int(suffix) if suffix.isdigit() else suffix


def _tensor(name: str, values: Array) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, HISTOGRAM_BINS, (low, high) if low < high else (low - 0.5, low + 0.5))
    return {
        "name": name,
        "shape": list(values.shape),
        "norm": float(np.linalg.norm(values)),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "min": low,
        "max": high,
        "histogram": counts.tolist(),
    }


def _dead(model: Model, layer: int) -> Array:
    """The units of a layer whose weights to the layer itself and to the one above, or the decoder, are near zero."""
    above = model.params[f"W_ih{layer + 1}" if layer + 1 < model.config.layers else "W_out"]
    both = (W.astype(np.float64) for W in (above, model.params[f"W_hh{layer}"]))  # their squares may be large
    outgoing = np.hypot(*(np.linalg.norm(W, axis=1) for W in both))
    return np.flatnonzero(outgoing < DEAD_SHARE * np.median(outgoing))
