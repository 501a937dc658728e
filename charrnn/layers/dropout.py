"""Dropout: each number is zero with some probability, and otherwise so much larger that the mean stays.

    y = x · mask        mask = 0 with probability p, otherwise 1 / (1 - p)

Backward, the same mask: dx = dy · mask. The masks follow from a seed and a place, so that any rows of them can be made
again, anywhere: SplitMix64 (G. Steele, D. Lea, C. Flood, 2014) makes the n-th random number from n and the seed alone.

Edits here show with `--engine numpy`. `engine/kernels/dropout.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.types import Array, Indices

COLUMNS_PER_NUMBER = 4
"""A random number has 64 bits: 16 for each of four columns, the first in the lowest."""
LEVELS = 1 << 16
INCREMENT, FACTORS, SHIFTS = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB), (30, 27, 31)
"""The constants of SplitMix64."""


def drop(x: Array, out: Array, dropped: float, seed: int, rows: Indices) -> None:
    """Writes x times its mask to out [N, C], which may be x. x is [N, C], or [1, C] for N equal rows.

    The mask of a row follows from the seed, of 64 bits, and its number in `rows` [N]. Values are zero with the
    probability `dropped`, to the nearest 1/65536.
    """
    C = out.shape[1]
    k = np.arange(1, -(-C // COLUMNS_PER_NUMBER) + 1, dtype=np.uint64)
    z = np.uint64(seed) + (rows.astype(np.uint64)[:, None] * np.uint64(len(k)) + k) * np.uint64(INCREMENT)
    for shift, factor in zip(SHIFTS, (*FACTORS, 1), strict=True):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    threshold, scale = threshold_and_scale(dropped)
    kept = z.astype("<u8", copy=False).view("<u2")[:, :C] >= threshold
    np.multiply(x, kept * out.dtype.type(scale), out=out)


def threshold_and_scale(dropped: float) -> tuple[int, float]:
    """The number below which one of 16 bits makes a zero, and the factor of the values that are kept."""
    threshold = min(round(dropped * LEVELS), LEVELS - 1)
    return threshold, LEVELS / (LEVELS - threshold)
