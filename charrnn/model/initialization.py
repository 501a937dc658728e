"""The initial weights."""

from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Engine
from charrnn.model.network import cell_of, param_shapes
from charrnn.types import Params


def initial_params(config: ModelConfig, engine: Engine, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Fresh parameters.

    W_hh: each gate's H×H block orthogonal, so that the recurrence neither shrinks nor stretches a state (A. Saxe,
    J. McClelland, S. Ganguli, 2014). W_ih and W_out: uniform within ±√(6 / (in + out)) of a gate (X. Glorot,
    Y. Bengio, 2010); but of the first layer within ±√3, whose variance is 1: it is a look-up, which adds up a single
    row, however many there are, and with less the network can't tell the characters apart at first. Biases zero, but
    for the LSTM's forget gate, which starts at 1: open, so that the memory lasts before anything is learned (F. Gers et
    al., 2000; R. Jozefowicz et al., 2015).
    """
    cell, H = cell_of(config, engine), config.hidden_size
    params: Params = {}
    for name, shape in param_shapes(config, cell).items():
        if name.startswith("W_hh"):
            blocks = []
            for _ in range(cell.GATES):
                q, r = np.linalg.qr(rng.standard_normal((H, H)))
                blocks.append(q * np.sign(np.diag(r)))  # the sign makes it uniform over all rotations
            params[name] = np.concatenate(blocks, axis=1).astype(dtype)
        elif name.startswith("W"):
            fan_out = shape[1] if name == "W_out" else H
            limit = np.sqrt(3 if name == "W_ih0" else 6 / (shape[0] + fan_out))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        else:
            params[name] = np.zeros(shape, dtype)
    if config.cell == "lstm":
        for layer in range(config.layers):
            params[f"b{layer}"][H : 2 * H] = 1
    return params
