"""The data of the page's script: what it shows when the reader points at a character or chooses a unit."""

import base64
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from charrnn.inspection.symbols import symbol
from charrnn.types import Array

STEPS = 7
"""The shades of a colour on either side of 0: activations are rounded to as many steps, the last one at the top."""


def pack_units(activations: Array, tops: Array, best: Sequence[tuple[int, int]], max_bytes: int) -> dict[str, Any]:
    """The activations [L, H, N] of the units: the best units first, then the others in their order.

    Each unit is a row of N steps from -STEPS to STEPS, which is its activation in `tops` [L, H]. The steps are stored
    as differences from one character to the next; all rows are deflated together, which takes a fraction of the bytes.
    At characters that the model has never seen the step does not change. If the rows take more than `max_bytes`, the
    units that vary least are left out, but none of the best.
    """
    L, H, N = activations.shape
    levels = np.nan_to_num(np.rint(activations / tops[..., None] * STEPS)).astype(np.int8).reshape(L * H, N)
    unknown = np.isnan(activations[0, 0])
    for n in np.flatnonzero(unknown[1:]) + 1:
        levels[:, n] = levels[:, n - 1]
    first = [layer * H + index for layer, index in best]
    others = sorted({*range(L * H)} - {*first}, key=lambda unit: -levels[unit].std())
    while len(packed := _deflate(levels[order := [*first, *sorted(others)]])) > max_bytes and others:
        fits = int(0.95 * (len(order) * max_bytes / len(packed) - len(first)))
        others = others[:fits] if len(packed) < 9 * max_bytes else []
    return {
        "units": [divmod(unit, H) for unit in order],
        "tops": [float(f"{tops.flat[unit]:.3g}") for unit in order],
        "steps": STEPS,
        "packed": packed,
    }


def _deflate(levels: Array) -> str:
    """Rows of steps as text."""
    changes = np.diff(levels, axis=1, prepend=np.int8(0))
    return base64.b64encode(zlib.compress(changes.tobytes(), 9)).decode()


def pack_expectations(surprisal: dict[str, Any], N: int) -> dict[str, Any]:
    """For each of N characters its surprisal in bits and the likeliest characters, with their percentages."""
    expectations: list[Any] = [None] * N
    for place in surprisal["places"]:
        expected = [[symbol(e["character"]), math.floor(100 * e["probability"] + 0.5)] for e in place["expected"]]
        expectations[place["at"]] = [round(place["bits"], 1), expected]
    return {"expected": expectations}
