"""The compiled version of `optimizers.adam`: each value is read and written once, where NumPy makes ten passes."""

import math
from typing import Any

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.types import Array


def adam(
    p: Array,
    d: Array,
    m: Array,
    v: Array,
    rate: float,
    t: int,
    config: Any,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> None:
    """As `optimizers.adam`."""
    dtype = p.dtype.type
    unbias = dtype(1 / math.sqrt(1 - beta2**t))
    betas = dtype(beta1), dtype(1 - beta1), dtype(beta2), dtype(1 - beta2)  # 1 - β₂ in float64, then rounded
    kept = dtype(1 - rate * config.decoupled_decay)
    _adam(p, d, m, v, betas, unbias, dtype(epsilon), dtype(rate / (1 - beta1**t)), kept)


@kernel(error_model="numpy")
def _adam(
    p: Array,
    d: Array,
    m: Array,
    v: Array,
    betas: tuple[float, ...],
    unbias: float,
    epsilon: float,
    rate: float,
    kept: float,
) -> None:
    p, d, m, v = p.reshape(p.size), d.reshape(p.size), m.reshape(p.size), v.reshape(p.size)
    beta1, one_minus_beta1, beta2, one_minus_beta2 = betas
    for i in range(len(p)):
        m[i] = beta1 * m[i] + one_minus_beta1 * d[i]
        v[i] = beta2 * v[i] + one_minus_beta2 * d[i] * d[i]
        p[i] = kept * p[i] - rate * (m[i] / (unbias * np.sqrt(v[i]) + epsilon))
