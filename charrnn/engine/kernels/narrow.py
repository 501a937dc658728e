"""The compiled version of `layers.narrow`: products by weights that are packed once, in any precision, for many steps.

`pack_weights` makes a tuple of arrays for a product and its bias; its length tells the kernels which product it is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.extending import overload

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import pack, packed_matmul, padded_bias
from charrnn.engine.kernels.narrow_panels import ZERO_BYTE, halves, quads, round_to_bytes, scale_sums
from charrnn.engine.kernels.tile import panel_width
from charrnn.layers.narrow import LARGEST, SMALLEST
from charrnn.layers.workspace import Workspace, aligned_copy
from charrnn.types import Array

Packed = tuple[Array, ...]
"""Panels and a bias [1, panels · width]; in int8 also the steps of the columns, [panels · width], and where their sums
begin [1, panels · width]. With another axis in front, those of several layers."""


def pack_weights(W: Array, precision: str, b: Array | None = None, first: int = 0) -> Packed:
    """Weights [K, N], and a bias as in `padded_bias`, as `multiply` reads them."""
    width = panel_width(W.dtype)
    if precision == "int8":
        panels, steps, totals = quads(W, width)
        starts = _padded(totals * -ZERO_BYTE, width)[None]
        return aligned_copy(panels), _bias(W, width, b, first), _padded(steps, width), starts
    panels = aligned_copy(halves(W, width)) if precision == "bfloat16" else pack(W, Workspace())
    return panels, _bias(W, width, b, first)


def stack(layers: Sequence[Packed]) -> Packed:
    """The weights of several layers, of which `layer_of` picks one."""
    return tuple(aligned_copy(np.stack(arrays)) for arrays in zip(*layers, strict=True))


def _bias(W: Array, width: int, b: Array | None, first: int) -> Array:
    """The `padded_bias` of panels of W."""
    return padded_bias(np.empty((-(-W.shape[1] // width), 0, width), W.dtype), Workspace(), b, first)


def _padded(x: Array, width: int) -> Array:
    """x [N], with zeros up to a whole panel."""
    return np.pad(x, (0, -len(x) % width))


def layer_of(packed: Packed, layer: int) -> Packed:
    """The weights of a layer."""
    raise NotImplementedError("only kernels call this")


@overload(layer_of)
def _layer_of(packed: Any, layer: Any) -> Any:
    def two(packed: Any, layer: Any) -> Any:
        return packed[0][layer], packed[1][layer]

    def four(packed: Any, layer: Any) -> Any:
        return packed[0][layer], packed[1][layer], packed[2][layer], packed[3][layer]

    return two if len(packed) == 2 else four


def part_of(packed: Packed, first: int, last: int) -> Packed:
    """The weights of the panels from `first` up to `last`."""
    raise NotImplementedError("only kernels call this")


@overload(part_of)
def _part_of(packed: Any, first: Any, last: Any) -> Any:
    def two(packed: Any, first: Any, last: Any) -> Any:
        return packed[0][first:last], _columns(packed, packed[1], first, last)

    def four(packed: Any, first: Any, last: Any) -> Any:
        width = packed[0].shape[2]
        steps = packed[2][first * width : last * width]
        return (
            packed[0][first:last],
            _columns(packed, packed[1], first, last),
            steps,
            _columns(packed, packed[3], first, last),
        )

    return two if len(packed) == 2 else four


@kernel
def _columns(packed: Packed, row: Array, first: int, last: int) -> Array:
    """The columns of a row [1, panels · width], or longer, that belong to the panels from `first` up to `last`."""
    width = packed[0].shape[2]
    return row.reshape(row.size)[first * width : last * width].reshape(1, (last - first) * width)


@kernel
def multiply_part(a: Array, packed: Packed, N: int, c: Array, turn: int, part: int, parts: int) -> None:
    """The columns of `multiply` for a single row that belong to one of some parts, which have whole pairs of panels."""
    count, _, width = packed[0].shape
    pairs = (count + 1) // 2
    first, last = pairs * part // parts * 2, min(pairs * (part + 1) // parts * 2, count)
    if first < last:
        columns = min(N - first * width, (last - first) * width)
        multiply(a, part_of(packed, first, last), columns, _columns(packed, c, first, last), turn)


def multiply(a: Array, packed: Packed, N: int, c: Array, turn: int) -> None:
    """c = a @ W + bias for a [R, K], the packed W [K, N] and c [R, panels · width].

    The columns of c from N on are undefined. The values of a row do not depend on other rows. The turn is that of
    `packed_matmul`.
    """
    raise NotImplementedError("only kernels call this")


@overload(multiply)
def _multiply(a: Any, packed: Any, N: Any, c: Any, turn: Any) -> Any:
    def in_floats(a: Any, packed: Any, N: Any, c: Any, turn: Any) -> Any:
        packed_matmul(a, packed[0], N, packed[1], c, turn)

    def in_bytes(a: Any, packed: Any, N: Any, c: Any, turn: Any) -> Any:
        panels, bias, steps, starts = packed
        _multiply_bytes(a, panels, bias, steps, starts, N, c, turn)

    return in_floats if len(packed) == 2 else in_bytes


@kernel
def _multiply_bytes(
    a: Array, panels: Array, bias: Array, steps: Array, starts: Array, N: int, c: Array, turn: int
) -> None:
    """`multiply` in int8: rounds the rows of a, adds products of whole numbers in the memory of c, and scales them."""
    R, K = a.shape
    left = np.empty((R, panels.shape[1]), np.int32)
    left_bytes = left.view(np.uint8)
    # Of numbers without a sign, the order of the bits is theirs, and NaN is the largest
    bits, largest_bits = a.view(np.uint32), np.empty(R, np.uint32)
    largest = largest_bits.view(np.float32)
    for r in range(R):
        most = np.uint32(0)
        for k in range(K):
            most = max(most, np.uint32(bits[r, k] & np.uint32(0x7FFFFFFF)))
        largest_bits[r] = most
        factor = np.float32(LARGEST) / largest[r] if largest[r] >= np.float32(SMALLEST) else np.float32(0)
        round_to_bytes(K, left_bytes, r * left_bytes.shape[1], a, r * K, factor)
    packed_matmul(left, panels, N, starts, c.view(np.int32), turn)
    columns = c.shape[1]
    for r in range(R):
        scale_sums(columns, c, r * columns, largest[r] / np.float32(LARGEST), steps, bias)
