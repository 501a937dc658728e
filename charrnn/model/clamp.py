"""Clamped units: weights and a state with which some units keep a given value."""

import numpy as np

from charrnn.config import ModelConfig
from charrnn.model.network import Network
from charrnn.types import Array, Params

CLAMP_LIMIT = 1 - 1e-6
"""The largest value that a unit with tanh can keep."""
MAX_RELU = 1e30
"""The largest value to which a unit with ReLU can be clamped: the logits, sums of such values, must not be infinite."""


def value_range(config: ModelConfig) -> tuple[float, float]:
    """The smallest and the largest value to which a unit can be clamped."""
    return (0.0, MAX_RELU) if config.nonlinearity == "relu" else (-1.0, 1.0)


def clamp(network: Network, params: Params, values: Array) -> tuple[Params, Array]:
    """Weights that keep some units at a value, and the state [L, S, 1, H] that they keep; NaN for the other units.

    `values` [L, H] are within `value_range`, and NaN for the other units; as in `forward_with_activations` they are
    tanh c for an LSTM and h for the other cells. Zeroes a unit's incoming weights and sets its biases so that the value
    is a fixed point; every engine and sampler can run such a network. A GRU's candidate is the value itself; an LSTM's
    cell state loses a sixteenth at every step and gets as much back.
    """
    cell, H = network.config.cell, network.config.hidden_size
    if network.config.nonlinearity == "relu":
        limited = inverses = values
    else:
        limited = np.clip(values, -CLAMP_LIMIT, CLAMP_LIMIT)
        inverses = np.arctanh(limited)
    clamped = {name: p.copy() for name, p in params.items()}
    state = np.full(network.state_shape(1), np.nan, params["W_out"].dtype)
    for layer, index in np.argwhere(~np.isnan(values)):
        value, inverse = limited[layer, index], inverses[layer, index]
        if cell == "lstm":  # i = 1/2, f = 15/16 and g = c/8, so that f c + i g = c
            biases = {index: 0.0, H + index: np.log(15), 2 * H + index: np.arctanh(inverse / 8)}
        elif cell == "gru":  # n = h, so that (1 - z) n + z h = h for every z
            biases = {2 * H + index: inverse}
            clamped[f"b_hn{layer}"][index] = 0
        else:
            biases = {index: inverse}
        for column, bias in biases.items():
            clamped[f"W_ih{layer}"][:, column] = clamped[f"W_hh{layer}"][:, column] = 0
            clamped[f"b{layer}"][column] = bias
        state[layer, -1, 0, index] = inverse if cell == "lstm" else value
    return clamped, state
