"""The compiled twin of `optimizers.adam`: each number is read and written once, where NumPy takes ten passes."""

import math
from typing import Any

import numpy as np
from numba import njit

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
    number = p.dtype.type
    unbias = number(1 / math.sqrt(1 - beta2**t))
    shares = number(beta1), number(1 - beta1), number(beta2), number(1 - beta2)  # in float32, 1 - β₂ is another number
    _adam(p, d, m, v, shares, unbias, number(epsilon), number(rate / (1 - beta1**t)))


@njit(nogil=True, cache=True, error_model="numpy")
def _adam(
    p: Array, d: Array, m: Array, v: Array, shares: tuple[float, ...], unbias: float, epsilon: float, rate: float
) -> None:
    p, d, m, v = p.reshape(p.size), d.reshape(p.size), m.reshape(p.size), v.reshape(p.size)
    old_m, new_m, old_v, new_v = shares
    for i in range(len(p)):
        m[i] = old_m * m[i] + new_m * d[i]
        v[i] = old_v * v[i] + new_v * d[i] * d[i]
        p[i] -= rate * (m[i] / (unbias * np.sqrt(v[i]) + epsilon))
