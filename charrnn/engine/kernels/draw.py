"""The draw: a character from the logits of a prediction, with the filters.

The reference implementation is `sampling.decoder`, with the functions of `sampling.filters`.
"""

from typing import Any

import numpy as np

from charrnn.engine.kernels.filters import any_filter, apply_after_penalty, apply_mask, loop_penalty
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.simd import exponentials
from charrnn.types import Array, Ids, Mask


@kernel
def draw(
    y: Array,
    temp: float,
    u: float,
    settings: tuple[Any, ...],
    masks: Mask,
    row: int,
    recent: Ids,
    row_buffers: tuple[Array, ...],
) -> tuple[int, float]:
    """Draws a character, given logits y [V]: its id, and the model's own log-probability of it."""
    logp, cumulative, shifted, exps, lengths = row_buffers
    V, has_penalty = len(y), len(recent) > 0 and settings[4] > 0
    y_max = y[0]
    for v in range(1, V):
        y_max = max(y_max, y[v])
    norm = np.log(_cumulate(y, y_max, 1.0, shifted, exps, cumulative))
    if len(masks) or has_penalty or any_filter(settings, V):
        for v in range(V):
            logp[v] = y[v] - y_max - norm
        if len(masks):
            apply_mask(logp, masks[row])
        if has_penalty:
            loop_penalty(logp, recent, settings, lengths)
        apply_after_penalty(logp, temp, settings)
        total = 0.0
        for v in range(V):
            total += np.exp(logp[v])
            cumulative[v] = total
    elif temp == 0:
        v = np.argmax(y)
        return v, y[v] - y_max - norm
    elif temp != 1:
        _cumulate(y, y_max, temp, shifted, exps, cumulative)
    v = _sample_categorical(cumulative, u)
    return v, y[v] - y_max - norm


@kernel
def _cumulate(logits: Array, y_max: float, temp: float, shifted: Array, exps: Array, cumulative: Array) -> float:
    """Sums exp((y - y_max) / temp) over the logits y: cumulative[v] is the sum up to v. Returns the total."""
    V = len(cumulative)
    for v in range(V):
        shifted[v] = (logits[v] - y_max) / temp
    exponentials(V, (exps,), (0,), (shifted,), (0,))
    total = 0.0
    for v in range(V):
        total += exps[v]
        cumulative[v] = total
    return total


@kernel
def _sample_categorical(cumulative: Array, u: float) -> int:
    """As `decoder.sample_categorical`, given the cumulative sums [V] of one row."""
    total = cumulative[-1]
    goal = min(u * total, np.nextafter(total, 0.0))
    for v in range(len(cumulative)):
        if cumulative[v] > goal:
            return v
    return len(cumulative) - 1
