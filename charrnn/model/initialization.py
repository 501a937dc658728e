"""The initial weights: orthogonal for the recurrent connections, the identity for those of ReLU, uniform for others."""

from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.model.forms import AnyNetwork
from charrnn.types import Array, Params

RELU_SCALE = 0.3
"""The multiple of the identity as which W_hh starts with ReLU.

At 1, which Q. Le et al. have for other tasks, each unit would sum up all of its inputs. They are as large here as the
state should be, so the first losses would be far above that of a uniform guess. At 0.3 the size of the state and the
first loss are the same in networks of one layer and of six; at 0.5 six layers begin at twice the loss of a uniform
guess, and at 0.7 three layers diverge at once. From 0.1 to 0.6 one layer of 128 units learns equally well.
"""


def initial_params(network: AnyNetwork, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Initial parameters.

    W_hh: the H×H block of each gate is orthogonal, so that the recurrence neither shrinks nor stretches a state (A.
    Saxe, J. McClelland, S. Ganguli, 2014); with ReLU it is `RELU_SCALE` times the identity, so that each unit keeps a
    trace of its own past, and of no other's (Q. Le, N. Jaitly, G. Hinton, 2015). W_ih and W_out: uniform within
    ±√(6 / (in + out)) of a gate (X. Glorot, Y. Bengio, 2010). The W_ih of a first layer is uniform within ±√3, so
    that its variance is 1: it is a look-up that adds a single row, whatever their number; with a smaller range the
    network can't tell the characters apart at first. Biases are zero, except that of the LSTM's forget gate, which
    starts at 1, so that the gate is open and the cell state lasts before anything is learned (F. Gers et al., 2000; R.
    Jozefowicz et al., 2015).
    """
    config, H = network.config, network.config.hidden_size
    params: Params = {}
    for name, shape in network.param_shapes.items():
        if name.startswith("W_hh"):
            blocks = [_recurrent_block(config, rng) for _ in range(network.cell.GATES)]
            params[name] = np.concatenate(blocks, axis=1).astype(dtype)
        elif name.startswith("W"):
            fan_out = shape[1] if name == "W_out" else H
            limit = np.sqrt(3 if name.startswith("W_ih0") else 6 / (shape[0] + fan_out))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        else:
            params[name] = np.zeros(shape, dtype)
    if config.cell == "lstm":
        for suffix in network.suffixes:
            params[f"b{suffix}"][H : 2 * H] = 1
    return params


def _recurrent_block(config: ModelConfig, rng: np.random.Generator) -> Array:
    """The block [H, H] of a gate in W_hh."""
    H = config.hidden_size
    if config.nonlinearity == "relu":
        return RELU_SCALE * np.eye(H)
    q, r = np.linalg.qr(rng.standard_normal((H, H)))
    orthogonal: Array = q * np.sign(np.diag(r))  # the sign makes it uniform over all rotations
    return orthogonal
