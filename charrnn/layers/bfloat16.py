"""bfloat16: the first 16 bits of a float32, which are its sign, its exponent and 7 bits of its fraction.

A product in bfloat16 rounds its operands to that format, multiplies and adds in float32: a product of two such numbers
is exact there. Parameters, states, gates and the loss stay in float32 (D. Kalamkar et al., "A Study of BFLOAT16 for Deep
Learning Training", 2019). NumPy has no such type, so a bfloat16 is here a float32 whose last 16 bits are zero: slow, and
the reference for the compiled engine. The processors round like this, except that values below 2⁻¹²⁶ count as zero there.

Edits here show with `--engine numpy`. `engine/kernels/bfloat16.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from typing import Any

import numpy as np

from charrnn.types import Array

LAST_16_BITS = np.uint32(0xFFFF)
QUIET = np.uint32(0x0040_0000)
"""The bit of a NaN that says that it is one, however the others are cut off."""


def rounded(x: Array) -> Array:
    """The values of a float32 array, rounded to the nearest bfloat16; of two that are as near, to the even one.

    Values beyond the largest bfloat16 round to infinity, as they would in float32; NaN stays NaN.
    """
    if x.dtype != np.float32:
        raise TypeError(f"bfloat16 is rounded from float32, not from {x.dtype}")
    bits = np.ascontiguousarray(x).view(np.uint32)
    last = (bits >> 16) & 1  # of those that stay
    nearest = bits + (LAST_16_BITS >> 1) + last  # carries where the rest is more than half, or half after an odd bit
    whole: Array = np.where(np.isnan(x), bits | QUIET, nearest) & ~LAST_16_BITS
    return whole.view(np.float32)


def matmul(a: Array, b: Array, out: Any = None) -> Array:
    """a @ b with both operands rounded, in float32: as `np.matmul`, in whose place the layers take it."""
    product: Array = np.matmul(rounded(a), rounded(b), out=out)
    return product
