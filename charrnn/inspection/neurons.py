"""The neurons: single units of a model that follow what a person can name, and how closely each does.

A. Karpathy, J. Johnson, L. Fei-Fei, "Visualizing and Understanding Recurrent Networks" (2016) found such units by
looking. Here every unit is measured against every feature on the first half of a text, and what is found there is
confirmed on the second: among so many units some would follow anything by chance.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CorpusError
from charrnn.inspection.features import NAMED, Feature
from charrnn.inspection.trace import Text, trace
from charrnn.model.model import Model
from charrnn.types import Array

MIN_CHARS = 20
"""Characters of a text in which anything can be found."""
UNITS_PER_FEATURE = 3
"""Units that are told for each feature."""


def neurons(model: Model, text: str, follow: Sequence[Feature] = ()) -> dict[str, Any]:
    """Which units follow which features in a text, as plain data; the feature that is followed best comes first.

    For each feature that the text has in both halves: the units whose correlation |r| with it is largest on the first
    half, with that r and the `confirmed` one on the second. What one of the halves doesn't have is `absent`. Characters
    that the model has never seen are left out, and counted. Raises `CorpusError` for a text that is too short.
    """
    read = Text(model, text)
    if len(read.last) < MIN_CHARS:
        raise CorpusError(f"the text is too short: it has to have {MIN_CHARS} characters, and has {len(read.last)}")
    features = [*follow, *NAMED]
    values = np.stack([np.asarray(feature.of(text), np.float64)[read.known] for feature in features], axis=1)
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
                "follows": feature.name,
                "units": [
                    {"layer": layer, "index": index, "r": _number(r[0, layer, index, k])}
                    | {"confirmed": _number(r[1, layer, index, k])}
                    for layer, index in units
                ],
            }
        )
    found.sort(key=lambda row: -abs(row["units"][0]["confirmed"] or 0.0))
    return {"chars": len(read.last), "unknown": int((~read.known).sum()), "features": found, "absent": absent}


def activations(model: Model, text: str, units: Sequence[tuple[int, int]] | None = None) -> Array:
    """What units stand at after each character of a text: [U, N] for U units (layer, index), [L, H, N] for all.

    It is NaN at characters that the model has never seen. Raises `ConfigError` for a unit that there isn't.
    """
    config = model.config
    for unit in units or ():
        model.check_unit(*unit)
    read = Text(model, text)
    chosen = None if units is None else tuple(np.array(units, np.intp).reshape(-1, 2).T)
    shape = (config.layers, config.hidden_size) if units is None else (len(units),)
    by_id = np.full((*shape, len(read.ids)), np.nan, np.float32)
    for piece in trace(read):
        stand = piece.units.transpose(0, 3, 1, 2)[..., piece.read]  # [L, H, n]
        by_id[..., piece.places[piece.read] - 1] = stand if chosen is None else stand[chosen]
    found = np.full((*shape, len(text)), np.nan, np.float32)
    found[..., read.known] = by_id[..., read.last]
    return found


def _correlations(read: Text, values: Array) -> Array:
    """Pearson's r [2, L, H, F] of each unit with values [N, F] of each known character, on either half of a text.

    It is NaN where one or the other stays the same for all of the half.
    """
    config, N = read.model.config, len(read.last)
    L, H, F = config.layers, config.hidden_size, values.shape[1]
    of_id: NDArray[np.intp] = np.full(len(read.ids), -1)  # the character that ends with an id
    of_id[read.last] = np.arange(N)
    half = np.arange(N) * 2 >= N
    centred = np.where(half[:, None], values - values[half].mean(axis=0), values - values[~half].mean(axis=0))
    a, aa, af = np.zeros((2, L * H)), np.zeros((2, L * H)), np.zeros((2, L * H, F))
    for piece in trace(read):
        characters = of_id[np.where(piece.read, piece.places - 1, 0)]
        counts = piece.read & (characters >= 0)
        for side in (0, 1):
            here = counts & (half[characters] == side)
            stand = piece.units[:, here].transpose(1, 0, 2).reshape(-1, L * H).astype(np.float64)  # [n, L·H]
            a[side] += stand.sum(axis=0)
            aa[side] += np.square(stand, out=stand.copy()).sum(axis=0)
            af[side] += stand.T @ centred[characters[here]]
    n = np.array([(~half).sum(), half.sum()])[:, None]
    spread = aa - a * a / n
    spread[spread < 1e-9 * np.maximum(aa, 1e-30)] = 0  # what is left by rounding is no spread
    ff = np.stack([np.square(centred[~half]).sum(axis=0), np.square(centred[half]).sum(axis=0)])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = af / np.sqrt(spread[:, :, None] * ff[:, None, :])
    r[~np.isfinite(r)] = np.nan
    found: Array = np.clip(r, -1, 1).reshape(2, L, H, F)
    return found


def _number(r: float) -> float | None:
    return None if np.isnan(r) else float(r)
