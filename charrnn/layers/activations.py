"""The activations of the gates: the sigmoid, and a tanh with which a single call serves gates of both kinds.

    σ(a) = 1 / (1 + e⁻ᵃ) = ½ tanh(½ a) + ½        σ' = σ (1 - σ)        between 0 and 1: a gate, closed to open
    tanh(a)                                       tanh' = 1 - tanh²     between -1 and 1: a value

Computed through tanh, σ needs no exponential and no division, and it cannot overflow. Both derivatives are functions of
the value itself, so that the backward pass needs no pre-activations.

Edits here show with `--engine numpy`. `engine/kernels/simd.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.types import Array


def sigmoid(a: Array, out: Array) -> Array:
    """Writes σ(a) to `out`, which may be `a` itself, and returns it."""
    return sigmoid_or_tanh(a, 0.5, 0.5, out)


def sigmoid_or_tanh(a: Array, scale: Array | float, shift: Array | float, out: Array) -> Array:
    """Writes scale · tanh(scale · a) + shift to `out`, which may be `a` itself, and returns it.

    `shift` is 1 - scale. The columns whose scale is ½ become σ(a); those whose scale is 1 become tanh(a). So one call
    computes all gates of a cell, which takes about half the time of a call for each gate.
    """
    np.multiply(a, scale, out=out)
    np.tanh(out, out=out)
    out *= scale
    out += shift
    return out
