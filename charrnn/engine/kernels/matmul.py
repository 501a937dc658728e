"""Matrix products, for a step and for a whole sequence, through one tile that stays in registers.

A tile of rows × columns of the result runs over the inner dimension: each step loads one row of a panel of the right
side and one number of each row of the left side, and multiplies all with all. A panel is some columns of the right
side, one row after the other; the part of it that is in use stays in the first cache (K. Goto, R. van de Geijn,
"Anatomy of High-Performance Matrix Multiplication", 2008).
"""

import itertools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels.simd import REGISTER, check_layout, copy, element, fetch, lanes, read
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

ROWS = 6
"""Rows of a tile, at the most."""
DEPTH = 128
"""Rows of a panel that all tiles read before the next ones: 128 of 256 bytes, at the most, stay in the first cache."""
LEFT_BLOCK = 65536
"""Numbers of the left side that all panels meet before the next ones: 256 KB stay in the second cache."""
ROW_PADDING = 16
"""Rows that are read one below the other are an odd multiple of this apart: a power of two, and they would share few
lines of a cache."""
MAX_PREFETCH_ROWS = 2
"""Rows of a tile that computes faster than a panel comes by itself: it asks for what comes later."""
PREFETCH_AHEAD = 2048
"""How many numbers later."""
VECTORS = 4 if REGISTER == 64 else 2
"""Vectors across a tile: 6 × 4 sums fill 24 of 32 registers of AVX-512, 6 × 2 fill 12 of 16 elsewhere."""
ACROSS = sorted({1, 2, VECTORS})
"""Vectors across the tiles that there are: narrow ones for the last panel, which often has few columns."""


def panel_width(itemsize: int) -> int:
    """Columns of a panel."""
    return VECTORS * lanes(itemsize)


def pack(W: Array, workspace: Workspace, transposed: bool = False) -> Array:
    """Lays out a matrix [K, N], or Wᵀ, as panels [⌈N / width⌉, K, width], the last one filled up with zeros."""
    W = np.ascontiguousarray(W)
    K, N = W.T.shape if transposed else W.shape
    width = panel_width(W.itemsize)
    panels = workspace.empty("panels", (-(-N // width), K, width), W.dtype)
    if transposed:
        _pack_transposed(W, panels)
    else:
        _pack(W, panels)
    return panels


@njit(nogil=True, cache=True)
def _pack(W: Array, panels: Array) -> None:
    K, N = W.shape
    count, _, width = panels.shape
    panels[-1] = 0
    for n in range(count):
        first = n * width
        for k in range(K):
            copy(min(width, N - first), (panels,), ((n * K + k) * width,), (W,), (k * N + first,))


@njit(nogil=True, cache=True)
def _pack_transposed(W: Array, panels: Array) -> None:
    N = len(W)
    count, K, width = panels.shape
    panels[-1] = 0
    for n in range(count):
        for first in range(0, K, DEPTH):  # as many as stay in the first cache while their columns come
            for i in range(min(width, N - n * width)):
                for k in range(first, min(first + DEPTH, K)):
                    panels[n, k, i] = W[n * width + i, k]


def scratch(R: int, panels: Array, workspace: Workspace) -> Array:
    """Zeros [R, panels · width], for `packed_matmul` to write R rows to."""
    return workspace.zeros("scratch", (R, panels.shape[0] * panels.shape[2]), panels.dtype)


def bias(panels: Array, workspace: Workspace, b: Array | None = None, first: int = 0) -> Array:
    """What `packed_matmul` begins with [1, panels · width]: zeros, but for b from a first column on."""
    start = workspace.zeros("bias", (1, panels.shape[0] * panels.shape[2]), panels.dtype)
    if b is not None:
        start[0, first : first + len(b)] = b
    return start


@intrinsic
def _tile(
    typingctx: Any,
    rows: Any,
    vectors: Any,
    a: Any,
    a_at: Any,
    a_row: Any,
    a_k: Any,
    p: Any,
    p_at: Any,
    K: Any,
    s: Any,
    s_at: Any,
    s_row: Any,
    c: Any,
    c_at: Any,
    c_row: Any,
) -> Any:
    """c[r] = s[r] + Σ_{k<K} a[r, k] p[k] for up to `ROWS` rows r and the first `vectors` of a panel, or a few more.

    All are flat: `_at` is where the tile begins, `_row` and `_k` are how many numbers the next row and the next k are
    further on.
    """
    check_layout(a, p, s, c)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        rows, vectors, a_value, a_at, a_row, a_k, p_value, p_at, K, s_value, s_at, s_row, c_value, c_at, c_row = args
        kind, index = a.dtype, K.type
        scalar, size = context.get_data_type(kind), kind.bitwidth // 8
        width = lanes(size)
        vector = ir.VectorType(scalar, width)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{width}f{kind.bitwidth}"
        )

        def data(array_type: Any, value: Any, at: Any) -> Any:
            return builder.gep(context.make_array(array_type)(context, builder, value).data, [at])

        def number(n: int) -> ir.Constant:
            return ir.Constant(index, n)

        left, panel = data(a, a_value, a_at), data(p, p_value, p_at)
        start, out = data(s, s_value, s_at), data(c, c_value, c_at)
        after = builder.append_basic_block("tile.end")

        def tile(R: int, across: int) -> None:
            """The loop over k for so many rows and vectors, all of whose sums are in registers."""

            def places(step: ir.Value) -> list[list[ir.Value]]:
                firsts = [builder.mul(step, number(r)) for r in range(R)]
                return [[builder.add(first, number(v * width)) for v in range(across)] for first in firsts]

            lefts = [builder.gep(left, [builder.mul(a_row, number(r))]) for r in range(R)]
            begun = [[read(builder, scalar, start, at, width, size) for at in row] for row in places(s_row)]
            before, body, end = builder.block, builder.append_basic_block("tile"), builder.append_basic_block("sums")
            builder.branch(body)  # K is at least 1
            builder.position_at_end(body)
            k = builder.phi(index)
            sums = [[builder.phi(vector) for _ in range(across)] for _ in range(R)]
            first = builder.mul(k, number(VECTORS * width))
            columns = [
                read(builder, scalar, panel, builder.add(first, number(v * width)), width, size) for v in range(across)
            ]
            if R <= MAX_PREFETCH_ROWS:
                for v in range(across):
                    fetch(builder, panel, builder.add(first, number(v * width + PREFETCH_AHEAD)), cache=1)
            totals = []
            for r in range(R):
                factor = read(builder, scalar, lefts[r], builder.mul(k, a_k), 1, size)
                undefined = ir.Constant(vector, ir.Undefined)
                spread = builder.insert_element(undefined, factor, ir.Constant(ir.IntType(32), 0))
                spread = builder.shuffle_vector(
                    spread, undefined, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
                )
                totals.append([builder.call(fma, [spread, columns[v], sums[r][v]]) for v in range(across)])
            following = builder.add(k, number(1))
            builder.cbranch(builder.icmp_signed("<", following, K), body, end)
            k.add_incoming(number(0), before)
            k.add_incoming(following, body)
            for r in range(R):
                for v in range(across):
                    sums[r][v].add_incoming(begun[r][v], before)
                    sums[r][v].add_incoming(totals[r][v], body)
            builder.position_at_end(end)
            for total_row, row in zip(totals, places(c_row), strict=True):
                for total, at in zip(total_row, row, strict=True):
                    builder.store(total, element(builder, scalar, out, at, width), align=size)
            builder.branch(after)

        choice = builder.switch(builder.add(builder.mul(rows, number(VECTORS + 1)), vectors), after)
        for R in range(1, ROWS + 1):
            for below, across in itertools.pairwise((0, *ACROSS)):
                block = builder.append_basic_block(f"tile.{R}.{across}")
                for wanted in range(below + 1, across + 1):
                    choice.add_case(number(R * (VECTORS + 1) + wanted), block)
                builder.position_at_end(block)
                tile(R, across)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(rows, vectors, a, a_at, a_row, a_k, p, p_at, K, s, s_at, s_row, c, c_at, c_row), codegen


@njit(nogil=True, cache=True)
def _tiles(
    R: int,
    vectors: int,
    a: Array,
    a_at: int,
    a_row: int,
    a_k: int,
    p: Array,
    p_at: int,
    K: int,
    s: Array,
    s_at: int,
    s_row: int,
    c: Array,
    c_at: int,
    c_row: int,
) -> None:
    """`_tile` for R rows, in tiles as even as can be."""
    count = -(-R // ROWS)
    for i in range(count):
        r = R * i // count
        rows = R * (i + 1) // count - r
        _tile(
            rows,
            vectors,
            a,
            a_at + r * a_row,
            a_row,
            a_k,
            p,
            p_at,
            K,
            s,
            s_at + r * s_row,
            s_row,
            c,
            c_at + r * c_row,
            c_row,
        )


@njit(nogil=True, cache=True)
def _vectors(columns: int, width: int) -> int:
    """How many vectors of a panel there are columns for."""
    return min(-(-columns * VECTORS // width), VECTORS)


@njit(nogil=True, cache=True)
def packed_matmul(a: Array, panels: Array, N: int, start: Array, c: Array) -> None:
    """c = start + a @ W for a [R, K], the packed W [K, N], start [1, panels · width] and c [R, panels · width].

    What becomes of the columns of c past N is not said.
    """
    R, K = a.shape
    count, _, width = panels.shape
    c_row, block = c.shape[1], max(LEFT_BLOCK // K, ROWS)
    for r in range(0, R, block):
        rows = min(block, R - r)
        for n in range(count):
            at, vectors = n * width, _vectors(N - n * width, width)
            to = r * c_row + at
            for k in range(0, K, DEPTH):
                p_at, depth = (n * K + k) * width, min(DEPTH, K - k)
                if k == 0:
                    _tiles(rows, vectors, a, r * K, K, 1, panels, p_at, depth, start, at, 0, c, to, c_row)
                else:
                    _tiles(rows, vectors, a, r * K + k, K, 1, panels, p_at, depth, c, to, c_row, c, to, c_row)


def matmul(a: Array, W: Array, workspace: Workspace, b: Array | None = None, transposed: bool = False) -> Array:
    """a @ W + b, or a @ Wᵀ + b, contiguous, for a tall a [R, K], W [K, N] and b [N]."""
    panels = pack(W, workspace, transposed)
    start = bias(panels, workspace, b)
    c = workspace.empty("c", (len(a), start.shape[1]), panels.dtype)
    N = len(W) if transposed else W.shape[1]
    packed_matmul(np.ascontiguousarray(a), panels, N, start, c)
    return _columns(c, N, workspace)


def outer(a: Array, b: Array, workspace: Workspace, columns: int | None = None) -> Array:
    """aᵀ b, contiguous: the sum of the outer products of the rows of a [K, M] and b [K, N], or its first columns."""
    (K, M), N = a.shape, columns or b.shape[1]
    if not K:
        return workspace.zeros("c", (M, N), a.dtype)
    width = panel_width(a.itemsize)
    count, depth = -(-N // width), min(DEPTH, K)
    left = workspace.empty("left", (depth, (-(-M // ROW_PADDING) | 1) * ROW_PADDING), a.dtype)
    room = workspace.zeros if N % width else workspace.empty  # what no column fills is multiplied too
    right = room("right", (count, depth, width), a.dtype)
    c = workspace.empty("c", (M, count * width), a.dtype)
    _outer(np.ascontiguousarray(a), np.ascontiguousarray(b), N, left, right, bias(right, workspace), c)
    return _columns(c, N, workspace)


@njit(nogil=True, cache=True)
def _outer(a: Array, b: Array, N: int, left: Array, right: Array, start: Array, c: Array) -> None:
    K, M = a.shape
    count, most, width = right.shape
    a_k, c_row = left.shape[1], c.shape[1]
    for k in range(0, K, most):
        depth = min(most, K - k)
        for j in range(depth):  # whole rows, as they lie in memory
            copy(M, (left,), (j * a_k,), (a,), ((k + j) * M,))
            for n in range(count):
                at = n * width
                copy(min(width, N - at), (right,), ((n * most + j) * width,), (b,), ((k + j) * b.shape[1] + at,))
        for n in range(count):
            at, vectors = n * width, _vectors(N - n * width, width)
            if k == 0:
                _tiles(M, vectors, left, 0, 1, a_k, right, at * most, depth, start, at, 0, c, at, c_row)
            else:
                _tiles(M, vectors, left, 0, 1, a_k, right, at * most, depth, c, at, c_row, c, at, c_row)


def _columns(c: Array, N: int, workspace: Workspace) -> Array:
    """The first N columns, contiguous."""
    if c.shape[1] == N:
        return c
    found = workspace.empty("columns", (len(c), N), c.dtype)
    found[...] = c[:, :N]
    return found
