"""The sum of the outer products of the rows of two matrices, aᵀ b: the gradient of weights, over a whole sequence."""

from typing import Any

import numpy as np
from numba.extending import overload

from charrnn.engine.kernels.amx import TILE_ROWS
from charrnn.engine.kernels.bfloat16 import PAIR, pack_columns, padded_pairs
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import (
    MAX_BLOCK_DEPTH,
    first_columns,
    pack_transposed,
    packed_matmul,
    padded_bias,
    sums,
)
from charrnn.engine.kernels.simd import copy
from charrnn.engine.kernels.tile import address, multiply_rows, panel_width, vectors_for
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

ROW_PADDING = 16
"""Rows of the transposed left matrix are an odd multiple of this apart: if it were a power of two, the values of a
column would compete for few lines of a cache."""
OUTER_BLOCK_DEPTH = 1056
"""The most rows of two matrices in a block of their `outer` product in bfloat16: the sums are read and written once for
a block, whose pairs are still in a cache. Its rows of pairs are an odd number of blocks: see `odd_stride`."""


Memory = tuple[Array, ...]
"""The blocks of both matrices: two arrays, or three for pairs."""


def outer(a: Array, b: Array, workspace: Workspace, columns: int | None = None, precision: str = "float32") -> Array:
    """aᵀ b, contiguous: the sum of the outer products of the rows of a [K, M] and b [K, N], or its first columns."""
    (K, M), N = a.shape, columns or b.shape[1]
    if not K:
        return workspace.zeros("c", (M, N), a.dtype)
    memory, bias, c = outer_memory(K, M, N, a.dtype, workspace, precision)
    add_outer(np.ascontiguousarray(a), np.ascontiguousarray(b), N, memory, bias, c)
    return first_columns(c[:M], N, workspace)


def outer_memory(
    K: int, M: int, N: int, dtype: Any, workspace: Workspace, precision: str = "float32"
) -> tuple[Memory, Array, Array]:
    """The memory of `add_outer`, a bias of zeros, and the sums, whose first M rows and N columns it fills."""
    width = panel_width(PAIR if precision == "bfloat16" else dtype)
    count = -(-N // width)
    if precision == "bfloat16":
        depth, rows = padded_pairs(min(K, OUTER_BLOCK_DEPTH)), -(-M // TILE_ROWS) * TILE_ROWS
        pairs, left = (workspace.empty(name, (depth * rows,), PAIR) for name in ("pairs", "left"))
        panels = workspace.empty("panels", (count, depth, width), PAIR)
        return (pairs, left, panels), padded_bias(panels, workspace), sums(rows, panels, workspace)
    depth = min(MAX_BLOCK_DEPTH, K)
    left = workspace.empty("left", (depth, (-(-M // ROW_PADDING) | 1) * ROW_PADDING), dtype)
    new = workspace.zeros if N % width else workspace.empty  # the tiles also read the columns that b does not fill
    right = new("right", (count, depth, width), dtype)
    return (left, right), padded_bias(right, workspace), workspace.empty("c", (M, count * width), dtype)


@kernel
def add_outer(a: Array, b: Array, N: int, memory: Memory, bias: Array, c: Array) -> None:
    """c = aᵀ b for the first N columns of b, with `outer_memory`."""
    _add_blocks(a, b, N, memory, bias, c)


def _add_blocks(a: Array, b: Array, N: int, memory: Memory, bias: Array, c: Array) -> None:
    """`add_outer` of values, or of pairs."""
    raise NotImplementedError("only kernels call this")


@overload(_add_blocks)
def _add_blocks_of(a: Any, b: Any, N: Any, memory: Any, bias: Any, c: Any) -> Any:
    def of_values(a: Any, b: Any, N: Any, memory: Any, bias: Any, c: Any) -> None:
        left, right = memory
        _outer_of_values(a, b, N, left, right, bias, c)

    def of_pairs(a: Any, b: Any, N: Any, memory: Any, bias: Any, c: Any) -> None:
        pairs, left, panels = memory
        _outer_of_pairs(a, b, N, pairs, left, panels, bias, c)

    return {2: of_values, 3: of_pairs}[len(memory)]


@kernel
def _outer_of_values(a: Array, b: Array, N: int, left: Array, right: Array, bias: Array, c: Array) -> None:
    K, M = a.shape
    count, max_depth, width = right.shape
    k_stride, c_stride = left.shape[1], c.shape[1]
    first_left, first_right, first_c = address(left), address(right), address(c)
    for k in range(0, K, max_depth):
        depth = min(max_depth, K - k)
        for j in range(depth):  # whole rows, in the order of memory
            copy(M, (left,), (j * k_stride,), (a,), ((k + j) * M,))
            for n in range(count):
                out, column = (n * max_depth + j) * width, n * width
                copy(min(width, N - column), (right,), (out,), (b,), ((k + j) * b.shape[1] + column,))
        for n in range(count):
            column, vectors = n * width, vectors_for(N - n * width, width)
            panel = column * max_depth
            s, s_stride = (first_c, c_stride) if k else (address(bias), 0)
            multiply_rows(
                *(M, vectors, first_left, 0, 1, k_stride, first_right, panel, depth),
                *(s, column, s_stride, first_c, column, c_stride),
            )


@kernel
def _outer_of_pairs(
    a: Array, b: Array, N: int, pairs: Array, left: Array, panels: Array, bias: Array, c: Array
) -> None:
    """A sum of products of blocks of rows, whose pairs go along the columns: the memory holds a block at a time."""
    K, M = a.shape
    count, _, width = panels.shape
    rows, memory = -(-M // TILE_ROWS) * TILE_ROWS, panels.reshape(panels.size)
    for k in range(0, K, OUTER_BLOCK_DEPTH):
        end = min(k + OUTER_BLOCK_DEPTH, K)
        depth = padded_pairs(end - k)
        # One panel of all columns, and its transpose
        one, across = pairs[: depth * rows].reshape(1, depth, rows), left[: depth * rows].reshape(1, rows, depth)
        right = memory[: count * depth * width].reshape(count, depth, width)
        pack_columns(a[k:end], M, one)
        pack_transposed(one[0], across)
        pack_columns(b[k:end], N, right)
        packed_matmul(across[0], right, N, c if k else bias, c, 0)
