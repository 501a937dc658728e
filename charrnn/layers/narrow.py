"""Narrow weights: matrices in 8 or 16 bits for each value, with which a trained model draws texts.

A single text is drawn with products of a vector and a matrix. Each reads the whole matrix to use every value once, so
what it takes is the time to bring the bytes from memory; half or a quarter of them take as much less.

- bfloat16: weights rounded as in `matmul`, and multiplied by float32 values in float32.
- int8: weights are whole numbers from -127 to 127, times a float32 step for each column, the largest weight / 127. What
  they multiply is rounded in the same way, with a step for each row, at each product. Then all sums are of whole
  numbers, which are exact in any order (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
  Integer-Arithmetic-Only Inference", 2018).

Biases, the look-up of the first layer, states, gates and all that follows the logits stay in float32. Here rounded
weights are float32 arrays: they show what a model predicts, not how fast it could be.

Edits here show with `--engine numpy`. `engine/kernels/narrow.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from typing import Any

import numpy as np

from charrnn.layers.matmul import Matmul, bfloat16
from charrnn.types import Array

LARGEST = 127
"""The largest whole number: -128 has no opposite."""
SMALLEST = 1e-30
"""A row whose values are all smaller counts as zeros: float32 has no quotients of such numbers."""
STEP_BITS = ~np.uint32(0x7F)
"""The first 25 bits of a float32. With a step of so few, its products with whole numbers up to 127 are exact, so that
rounding what was rounded before changes nothing."""


def round_weights(W: Array, precision: str) -> Array:
    """The weights [K, N] as a model of this precision has them: float32, bfloat16 or int8."""
    if precision == "int8":
        numbers, steps = whole_numbers(W)
        return numbers * steps
    return bfloat16(W) if precision == "bfloat16" else W


def whole_numbers(W: Array) -> tuple[Array, Array]:
    """Weights [K, N] in int8: whole numbers [K, N], still as float32, and the steps [N] of their columns.

    A column with NaN or infinite weights has a step that is no number.
    """
    steps = (np.abs(W).max(axis=0) / np.float32(LARGEST)).view(np.uint32) & STEP_BITS
    steps = steps.view(np.float32)
    steps[steps < SMALLEST] = 1
    with np.errstate(invalid="ignore"):
        return np.rint(W / steps), steps


def round_rows(x: Array) -> Array:
    """Values [R, K] as int8 weights are multiplied by them."""
    largest = np.abs(x).max(axis=-1, keepdims=True)
    factors = np.divide(LARGEST, largest, out=np.zeros_like(largest), where=~(largest < SMALLEST))
    with np.errstate(invalid="ignore"):
        rounded: Array = np.rint(x * factors) * (largest / np.float32(LARGEST))
    return rounded


def int8_matmul(a: Array, W: Array, out: Any = None) -> Array:
    """a @ W with the rows of a rounded; the weights W are rounded already."""
    product: Array = np.matmul(round_rows(a), W, out=out)
    return product


def matmul_with(precision: str) -> Matmul:
    """The product by weights that are rounded to a precision."""
    return int8_matmul if precision == "int8" else np.matmul
