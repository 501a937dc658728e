"""The compiled twin of `optimizers.adam`: each number is read and written once, where NumPy takes ten passes."""

import math
from typing import Any

import numpy as np
from numba import njit

from charrnn.notation import Array


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
    _adam(p, d, m, v, number(beta1), number(beta2), unbias, number(epsilon), number(rate / (1 - beta1**t)))


@njit(nogil=True, cache=True, error_model="numpy")
def _adam(
    p: Array, d: Array, m: Array, v: Array, beta1: float, beta2: float, unbias: float, epsilon: float, rate: float
) -> None:
    p, d, m, v = p.reshape(p.size), d.reshape(p.size), m.reshape(p.size), v.reshape(p.size)
    one = p.dtype.type(1)
    for i in range(len(p)):
        m[i] = beta1 * m[i] + (one - beta1) * d[i]
        v[i] = beta2 * v[i] + (one - beta2) * d[i] * d[i]
        p[i] -= rate * (m[i] / (unbias * np.sqrt(v[i]) + epsilon))
