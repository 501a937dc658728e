"""The neurons: units whose activations follow a feature of the text, and how closely.

A. Karpathy, J. Johnson, L. Fei-Fei, "Visualizing and Understanding Recurrent Networks" (2016), found such units by
looking. Here every unit is correlated with every feature on the first half of a text. The second half validates what
was found: among many units, some would correlate with anything by chance.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CorpusError, counted
from charrnn.inspection.features import BUILT_IN, Feature
from charrnn.inspection.trace import Text, trace
from charrnn.model.clamp import value_range
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.types import Array

MIN_CHARS = 20
"""The fewest characters of a text in which features are looked for."""
UNITS_PER_FEATURE = 3
"""The units that are listed for each feature."""


@blas.limit()
def neurons(model: Model, text: str, features: Sequence[Feature] = ()) -> dict[str, Any]:
    """The units that follow features of a text, as plain data; `features` are in addition to the built-in ones.

    For each feature that both halves of the text have: the units whose correlation |r| with it is largest on the first
    half, with that `r` and, on the second half, `r_validation`. The features are in the order of |r_validation|. Those
    that one of the halves does not have are `absent`. Characters that the model has never seen are left out, and
    counted as `unknown`. Raises `CorpusError` for a text that is too short.
    """
    read = Text(model, text)
    if len(read.last) < MIN_CHARS:
        raise CorpusError(
            f"the text is too short: it has {counted(len(read.last), 'characters')} that the model knows, "
            f"and needs at least {MIN_CHARS}"
        )
    features = [*features, *BUILT_IN]
    values = np.stack([np.asarray(feature.values(text), np.float64)[read.known] for feature in features], axis=1)
    r = _correlations(read, values)
    found: list[dict[str, Any]] = []
    absent: list[str] = []
    for k, feature in enumerate(features):
        first, second = (np.abs(half[..., k]) for half in r)
        if np.isnan(first).all() or np.isnan(second).all():
            absent.append(feature.name)
            continue
        order = np.argsort(-np.nan_to_num(first, nan=-1.0), axis=None, kind="stable")[:UNITS_PER_FEATURE]
        units = [tuple(int(n) for n in np.unravel_index(place, first.shape)) for place in order]
        found.append(
            {
                "feature": feature.name,
                "units": [
                    {"layer": layer, "index": index, "r": _number(r[0, layer, index, k])}
                    | {"r_validation": _number(r[1, layer, index, k])}
                    for layer, index in units
                ],
            }
        )
    found.sort(key=lambda row: -abs(row["units"][0]["r_validation"] or 0.0))
    return {"chars": len(read.last), "unknown": int((~read.known).sum()), "features": found, "absent": absent}


def activations(model: Model, text: str, units: Sequence[tuple[int, int]] | None = None) -> Array:
    """The activations after each character of a text: [U, N] of U units (layer, index), or [L, H, N] of all.

    They are NaN at characters that the model has never seen. Raises `ConfigError` for a unit that does not exist.
    """
    config = model.config
    for unit in units or ():
        model.check_unit(*unit)
    read = Text(model, text)
    selected = None if units is None else tuple(np.array(units, np.intp).reshape(-1, 2).T)
    shape = (config.layers, config.hidden_size) if units is None else (len(units),)
    by_id = np.full((*shape, len(read.ids)), np.nan, np.float32)
    for piece in trace(read):
        values = piece.activations.transpose(0, 3, 1, 2)[..., piece.read]  # [L, H, n]
        by_id[..., piece.places[piece.read] - 1] = values if selected is None else values[selected]
    found = np.full((*shape, len(text)), np.nan, np.float32)
    found[..., read.known] = by_id[..., read.last]
    return found


def tops(model: Model, activations: Array) -> Array:
    """The largest activation that each unit can have, or that it has, for the activations [..., N] of some units.

    It is 1 or, with ReLU, which has no bounds, the largest in the row; 1 too if a row has nothing above 0.
    """
    if model.config.nonlinearity != "relu":
        return np.ones(activations.shape[:-1], activations.dtype)
    found: Array = np.fmax.reduce(activations, axis=-1, initial=0.0)  # which passes over NaN
    found[found == 0] = 1
    return found


def unit_activations(
    model: Model, found: dict[str, Any], unit: tuple[int, int] | None, text: str
) -> dict[str, Any] | None:
    """The activations of a unit along a text, as plain data; None at characters that the model has never seen.

    Without a unit they are those of the one that `neurons` has `found` to follow its `feature` best; None if it has
    found none. Its `range` is from -1 to 1 or, with ReLU, from 0 to the largest one in the text.
    """
    feature = None
    if unit is None:
        if not found["features"]:
            return None
        feature, best = found["features"][0]["feature"], found["features"][0]["units"][0]
        unit = best["layer"], best["index"]
    row = activations(model, text, [unit])[0]
    bottom, _ = value_range(model.config)
    (top,) = tops(model, row[None]).tolist()
    return {"layer": unit[0], "index": unit[1], "feature": feature, "range": [bottom, top], "text": text} | {
        "activations": [None if np.isnan(a) else float(a) for a in row]
    }


def _correlations(read: Text, values: Array) -> Array:
    """Pearson's r [2, L, H, F] of each unit with the values [N, F] of the known characters, on each half of a text.

    It is NaN if one or the other is constant in that half.
    """
    config, N = read.model.config, len(read.last)
    L, H, F = config.layers, config.hidden_size, values.shape[1]
    of_id: NDArray[np.intp] = np.full(len(read.ids), -1)  # the character that ends with an id
    of_id[read.last] = np.arange(N)
    half = np.arange(N) * 2 >= N
    centred = np.where(half[:, None], values - values[half].mean(axis=0), values - values[~half].mean(axis=0))
    # The sums of activations, of their squares, and of their products with the centred values, of each half
    a, aa, af = np.zeros((2, L * H)), np.zeros((2, L * H)), np.zeros((2, L * H, F))
    for piece in trace(read):
        characters = of_id[np.where(piece.read, piece.places - 1, 0)]
        counts = piece.read & (characters >= 0)
        for side in (0, 1):
            here = counts & (half[characters] == side)
            units = piece.activations[:, here].transpose(1, 0, 2).reshape(-1, L * H).astype(np.float64)  # [n, L·H]
            a[side] += units.sum(axis=0)
            aa[side] += np.square(units, out=units.copy()).sum(axis=0)
            af[side] += units.T @ centred[characters[here]]
    n = np.array([(~half).sum(), half.sum()])[:, None]
    deviations = aa - a * a / n
    deviations[deviations < 1e-9 * np.maximum(aa, 1e-30)] = 0  # what rounding leaves of a constant
    ff = np.stack([np.square(centred[~half]).sum(axis=0), np.square(centred[half]).sum(axis=0)])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = af / np.sqrt(deviations[:, :, None] * ff[:, None, :])
    r[~np.isfinite(r)] = np.nan
    found: Array = np.clip(r, -1, 1).reshape(2, L, H, F)
    return found


def _number(r: float) -> float | None:
    return None if np.isnan(r) else float(r)
