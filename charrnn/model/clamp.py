"""Clamped units: weights and a state with which some units keep a value."""

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import load
from charrnn.model.network import zero_state
from charrnn.types import Array, Params

CLAMP_LIMIT = 1 - 1e-6
"""The value next to 1 at which a unit can be held."""


def clamp(params: Params, config: ModelConfig, values: Array) -> tuple[Params, Array]:
    """Weights with which some units stay where they are, and the state [L, S, 1, H] they stay in, NaN for the others.

    `values` [L, H] has where they are held, between -1 and 1, and NaN for the others: as `look_inside` has it, that is
    tanh c of an LSTM and h of the others. Nothing of what runs the network has to know of it: the unit hears nothing
    but biases, with which its value is where it comes to rest. A GRU's candidate is the value itself; an LSTM's memory
    loses a sixteenth at every step, and gets as much back.
    """
    H, kept = config.hidden_size, np.clip(values, -CLAMP_LIMIT, CLAMP_LIMIT)
    fixed = {name: p.copy() for name, p in params.items()}
    state = np.full_like(zero_state(config, load("numpy"), 1, params["W_out"].dtype), np.nan)
    for layer, index in np.argwhere(~np.isnan(values)):
        value, inverse = kept[layer, index], np.arctanh(kept[layer, index])
        if config.cell == "lstm":  # i = 1/2, f = 15/16 and g = c/8, so that f c + i g = c
            biases = {index: 0.0, H + index: np.log(15), 2 * H + index: np.arctanh(inverse / 8)}
        elif config.cell == "gru":  # n = h, so that (1 - z) n + z h = h, whatever z is
            biases = {2 * H + index: inverse}
            fixed[f"b_hn{layer}"][index] = 0
        else:
            biases = {index: inverse}
        for column, bias in biases.items():
            fixed[f"W_ih{layer}"][:, column] = fixed[f"W_hh{layer}"][:, column] = 0
            fixed[f"b{layer}"][column] = bias
        state[layer, -1, 0, index] = inverse if config.cell == "lstm" else value
    return fixed, state
