"""The matrix product of the cells and of the linear layer: of operands as they are, or rounded to bfloat16.

A bfloat16 is the first 16 bits of a float32: its sign, its exponent and 7 bits of its fraction. A product in that
precision rounds both operands, multiplies, which is exact in float32, and adds in float32. All else stays in float32:
parameters, states, gates, the loss and the optimizer (D. Kalamkar et al., "A Study of BFLOAT16 for Deep Learning
Training", 2019). Many processors multiply such numbers much faster. NumPy has no such type, so a bfloat16 is here a
float32 whose last 16 bits are zero, which is slow. A processor's product differs in the order of its sums, and takes
values below 2⁻¹²⁶ for zero; one of ARM's also in how it rounds them.

Edits here show with `--engine numpy`. `engine/kernels/matmul.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.types import Array

Matmul = Callable[..., Array]
"""`matmul(a, b, out=None)`, which computes a @ b as `np.matmul` does."""

LAST_16_BITS = np.uint32(0xFFFF)
QUIET = np.uint32(0x0040_0000)
"""The bit of a NaN that says that it is one, whichever others are cut off."""


def matmul_in(precision: str) -> Matmul:
    """The product in a precision, float32 or bfloat16; what is called float32 keeps the type of its operands."""
    return bfloat16_matmul if precision == "bfloat16" else np.matmul


def bfloat16_matmul(a: Array, b: Array, out: Any = None) -> Array:
    """a @ b with both operands rounded to bfloat16, in float32."""
    product: Array = np.matmul(bfloat16(a), bfloat16(b), out=out)
    return product


def bfloat16(x: Array) -> Array:
    """The values of a float32 array, rounded to the nearest bfloat16; of two that are as near, to the even one.

    Values beyond the largest bfloat16 become infinite, as in any rounding; NaN stays NaN. Raises `TypeError` for
    another type, which would have to be rounded twice.
    """
    if x.dtype != np.float32:
        raise TypeError(f"bfloat16 is rounded from float32, not from {x.dtype}")
    bits = np.ascontiguousarray(x).view(np.uint32)
    last = (bits >> 16) & 1  # of the bits that stay
    nearest = bits + (LAST_16_BITS >> 1) + last  # carries where the rest is above half, or half and the last bit odd
    kept: Array = np.where(np.isnan(x), bits | QUIET, nearest) & ~LAST_16_BITS
    return kept.view(np.float32)


def from_bfloat16(bits: Array, out: Any = None) -> Array:
    """The float32 values whose first 16 bits are given, as unsigned numbers; the others are zero."""
    values: Array = np.empty(bits.shape, np.float32) if out is None else out
    np.left_shift(bits, np.uint32(16), out=values.view(np.uint32), dtype=np.uint32)
    return values
