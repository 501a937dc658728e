"""The compiled version of `layers.dropout`: the numbers of a mask are made in blocks that stay in the first cache."""

from typing import Any

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.simd import fused
from charrnn.layers.dropout import COLUMNS_PER_NUMBER, FACTORS, INCREMENT, SHIFTS, threshold_and_scale
from charrnn.types import Array, Indices

BLOCK = 256
"""The random numbers that are made at once."""
_increment, _factors, _shifts = np.uint64(INCREMENT), np.array(FACTORS, np.uint64), np.array(SHIFTS, np.uint64)
_product = fused(lambda x, mask: (x * mask,), 1)


def drop(x: Array, out: Array, dropped: float, seed: int, rows: Indices) -> None:
    """As `layers.dropout.drop`."""
    threshold, scale = threshold_and_scale(dropped)
    _drop(x, out, np.uint16(threshold), out.dtype.type(scale), np.uint64(seed), rows.astype(np.uint64))


@kernel
def _drop(x: Array, out: Array, threshold: int, scale: float, seed: int, rows: Any) -> None:
    N, C = out.shape
    numbers = -(-C // COLUMNS_PER_NUMBER)
    z, mask = np.empty(BLOCK, np.uint64), np.empty(BLOCK * COLUMNS_PER_NUMBER, out.dtype)
    bits, factor, shift = z.view(np.uint16), _factors, _shifts
    for n in range(N):
        for begin in range(0, numbers, BLOCK):
            before = seed + (rows[n] * np.uint64(numbers) + np.uint64(begin)) * _increment
            for k in range(min(BLOCK, numbers - begin)):
                v = before + np.uint64(k + 1) * _increment
                v = (v ^ (v >> shift[0])) * factor[0]
                v = (v ^ (v >> shift[1])) * factor[1]
                z[k] = v ^ (v >> shift[2])
            column = begin * COLUMNS_PER_NUMBER
            width = min(BLOCK * COLUMNS_PER_NUMBER, C - column)
            for c in range(width):
                mask[c] = scale if bits[c] >= threshold else 0
            _product(width, (out,), (n * C + column,), (x, mask), (min(n, len(x) - 1) * C + column, 0))
