"""The tile: the innermost loop of every matrix product, whose sums stay in vector registers.

A tile of rows × columns of the result runs over the inner dimension: each step loads one row of a panel of the right
matrix and one value from each row of the left matrix, and multiplies every pair. A panel is a few columns of the right
matrix, stored row after row, so that the part in use stays in the first-level cache (K. Goto, R. van de Geijn, "Anatomy
of High-Performance Matrix Multiplication", 2008).

The matrices hold values, which are multiplied as they are, or pairs of bfloat16 (see `bfloat16`): then each step
multiplies two rows of the right matrix. On processors with AMX, that is the work of its own tiles.
"""

import itertools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from charrnn.engine.kernels import amx
from charrnn.engine.kernels.bfloat16 import HAS_TILES, PAIR, PAIRS, add_pairs
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.narrow_panels import add_quads, is_half, load_halves
from charrnn.engine.kernels.simd import REGISTER_BYTES, emit_prefetch, lanes, load, pointer, spread
from charrnn.types import Array

MAX_TILE_ROWS = 6
"""The most rows of a tile."""
MAX_TILE_VECTORS = 4 if REGISTER_BYTES == 64 else 2
"""The vectors across a panel, and across the widest tile: 6 × 4 sums fill 24 of the 32 registers of AVX-512, and 6 × 2
fill 12 of 16 elsewhere."""
TILE_VECTORS = sorted({1, 2, MAX_TILE_VECTORS})
"""The widths of tile that exist, in vectors; the narrow ones are for the last panel, which often has few columns."""
MAX_PREFETCH_ROWS = 2
"""The most rows of a tile that prefetches its panel: it computes faster than the hardware brings the panel."""
PREFETCH_DISTANCE = 2048
"""How far ahead a tile prefetches, in values."""


def panel_width(dtype: Any) -> int:
    """The columns of a panel of values of this type, or of pairs."""
    if dtype == PAIR and HAS_TILES:
        return amx.COLUMNS
    return MAX_TILE_VECTORS * lanes(np.dtype(dtype).itemsize)


def tile_rows(operands: Array) -> tuple[int, int]:
    """The rows that a tile has a multiple of, and the most rows that it has, in a product of such operands."""
    raise NotImplementedError("only kernels call this")


@overload(tile_rows)
def _tile_rows(operands: Any) -> Any:
    rows = (amx.TILE_ROWS, amx.MAX_ROWS) if amx.uses_tiles(operands.dtype) else (1, MAX_TILE_ROWS)

    def implementation(operands: Any) -> Any:
        return rows

    return implementation


def _address(typingctx: Any, array: Any) -> Any:
    if array.layout != "C":
        raise TypeError("the kernels need C-contiguous arrays")

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), codegen


address: Any = intrinsic(_address)
"""The address of an array's values, which must be C-contiguous.

A function that takes addresses in place of arrays is called faster: numba passes an array as a dozen values, and counts
who uses it."""


@kernel
def vectors_for(columns: int, width: int) -> int:
    """The number of vectors that hold these columns of a panel of this width."""
    return min(-(-columns * MAX_TILE_VECTORS // width), MAX_TILE_VECTORS)


@kernel
def multiply_rows(
    R: int,
    vectors: int,
    a: Any,
    a_offset: int,
    a_row_stride: int,
    a_k_stride: int,
    p: Any,
    p_offset: int,
    K: int,
    s: Any,
    s_offset: int,
    s_row_stride: int,
    c: Any,
    c_offset: int,
    c_row_stride: int,
) -> None:
    """c[r] = s[r] + Σ_{k<K} a[r, k] p[k] for R rows: `_tile` for any number of rows, in tiles of even height.

    The matrices are given by their `address`.

    Where tiles have a multiple of rows, the last one reads and writes rows after the R rows.
    """
    unit, most = tile_rows(a)
    units = -(-R // unit)
    count = -(-units // (most // unit))
    for i in range(count):
        r = units * i // count * unit
        rows = units * (i + 1) // count * unit - r
        _tile(
            rows,
            vectors,
            a,
            a_offset + r * a_row_stride,
            a_row_stride,
            a_k_stride,
            p,
            p_offset,
            K,
            s,
            s_offset + r * s_row_stride,
            s_row_stride,
            c,
            c_offset + r * c_row_stride,
            c_row_stride,
        )


@intrinsic
def _tile(
    typingctx: Any,
    rows: Any,
    vectors: Any,
    a: Any,
    a_offset: Any,
    a_row_stride: Any,
    a_k_stride: Any,
    p: Any,
    p_offset: Any,
    K: Any,
    s: Any,
    s_offset: Any,
    s_row_stride: Any,
    c: Any,
    c_offset: Any,
    c_row_stride: Any,
) -> Any:
    """c[r] = s[r] + Σ_{k<K} a[r, k] p[k] for up to `MAX_TILE_ROWS` rows r.

    It computes the first `vectors` of a panel, and perhaps more, up to the next width in `TILE_VECTORS`. All matrices
    are indexed flat: the tile begins at the offset; the strides lead to the next row and the next k.
    """
    if (p.dtype != a.dtype and not is_half(p.dtype)) or s.dtype != c.dtype:
        raise TypeError("a tile needs operands of one type, and sums of one type")

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        rows, vectors, left, a_offset, a_row_stride, a_k_stride, panel, p_offset, K, *rest = args
        start, s_offset, s_row_stride, out, c_offset, c_row_stride = rest
        index, operand = K.type, context.get_data_type(a.dtype)
        scalar, size = context.get_data_type(s.dtype), s.dtype.bitwidth // 8
        width = lanes(size)
        vector = ir.VectorType(scalar, width)

        def constant(n: int) -> ir.Constant:
            return ir.Constant(index, n)

        left, panel = builder.gep(left, [a_offset]), builder.gep(panel, [p_offset])
        start, out = builder.gep(start, [s_offset]), builder.gep(out, [c_offset])
        if amx.uses_tiles(a.dtype):
            matrices = (
                (left, a_row_stride),
                (panel, constant(amx.COLUMNS)),
                K,
                (start, s_row_stride),
                (out, c_row_stride),
            )
            is_high = builder.icmp_signed(">", rows, constant(amx.TILE_ROWS))
            with builder.if_else(is_high) as (high, low):
                with high:
                    amx.emit_tile(builder, amx.MAX_ROWS, *matrices)
                with low:
                    amx.emit_tile(builder, amx.TILE_ROWS, *matrices)
            return context.get_dummy_value()
        tile_end = builder.append_basic_block("tile.end")

        def tile(R: int, across: int) -> None:
            """The loop over k for R rows and `across` vectors, with all sums in registers."""

            def vector_offsets(row_stride: ir.Value) -> list[list[ir.Value]]:
                row_offsets = [builder.mul(row_stride, constant(r)) for r in range(R)]
                return [[builder.add(offset, constant(v * width)) for v in range(across)] for offset in row_offsets]

            left_rows = [builder.gep(left, [builder.mul(a_row_stride, constant(r))]) for r in range(R)]
            initial = [
                [load(builder, scalar, start, offset, width, size) for offset in row]
                for row in vector_offsets(s_row_stride)
            ]
            entry, body, end = builder.block, builder.append_basic_block("tile"), builder.append_basic_block("sums")
            builder.branch(body)  # K is at least 1
            builder.position_at_end(body)
            k = builder.phi(index)
            sums = [[builder.phi(vector) for _ in range(across)] for _ in range(R)]
            first = builder.mul(k, constant(MAX_TILE_VECTORS * width))
            if is_half(p.dtype):
                columns = load_halves(builder, panel, first, across)
            else:
                columns = [
                    load(builder, operand, panel, builder.add(first, constant(v * width)), width, size)
                    for v in range(across)
                ]
            if R <= MAX_PREFETCH_ROWS:
                for v in range(0, across, 2 if is_half(p.dtype) else 1):  # one for each register that is loaded
                    ahead = builder.add(first, constant(v * width + PREFETCH_DISTANCE))
                    emit_prefetch(builder, panel, ahead, cache_level=1)
            totals = []
            for r in range(R):
                factor = load(builder, operand, left_rows[r], builder.mul(k, a_k_stride), 1, size)
                factors = spread(builder, factor, width)
                totals.append([multiply_add(builder, factors, columns[v], sums[r][v]) for v in range(across)])
            next_k = builder.add(k, constant(1))
            builder.cbranch(builder.icmp_signed("<", next_k, K), body, end)
            k.add_incoming(constant(0), entry)
            k.add_incoming(next_k, body)
            for r in range(R):
                for v in range(across):
                    sums[r][v].add_incoming(initial[r][v], entry)
                    sums[r][v].add_incoming(totals[r][v], body)
            builder.position_at_end(end)
            for total_row, row in zip(totals, vector_offsets(c_row_stride), strict=True):
                for total, offset in zip(total_row, row, strict=True):
                    builder.store(total, pointer(builder, scalar, out, offset, width), align=size)
            builder.branch(tile_end)

        # One loop for each size of tile; a switch picks it
        case = builder.add(builder.mul(rows, constant(MAX_TILE_VECTORS + 1)), vectors)
        switch = builder.switch(case, tile_end)
        for R in range(1, MAX_TILE_ROWS + 1):
            for narrower, across in itertools.pairwise((0, *TILE_VECTORS)):
                block = builder.append_basic_block(f"tile.{R}.{across}")
                for wanted in range(narrower + 1, across + 1):
                    switch.add_case(constant(R * (MAX_TILE_VECTORS + 1) + wanted), block)
                builder.position_at_end(block)
                tile(R, across)
        builder.position_at_end(tile_end)
        return context.get_dummy_value()

    argument_types = (
        *(rows, vectors, a, a_offset, a_row_stride, a_k_stride, p, p_offset, K),
        *(s, s_offset, s_row_stride, c, c_offset, c_row_stride),
    )
    return types.void(*argument_types), codegen


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """total + a b, or total + a₀ b₀ + a₁ b₁ for pairs, and so on for quads."""
    kind = total.type
    if kind.element == ir.IntType(32):
        return add_quads(builder, a, b, total)
    if a.type == PAIRS:
        return add_pairs(builder, a, b, total)
    bits = 64 if kind.element == ir.DoubleType() else 32
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f{bits}"
    )
    return builder.call(fma, [a, b, total])
