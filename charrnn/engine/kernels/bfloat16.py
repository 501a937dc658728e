"""The operands of products in bfloat16: pairs of neighbours along the inner dimension, two in 32 bits.

`layers.matmul` says what the format is. The processors multiply pairs, a₀ b₀ + a₁ b₁, and add to a float32. So a pair
takes the place of a value in the layout of both matrices, and what moves panels of float32 moves panels of pairs. Zeros
fill the inner dimension up to a whole block, `BLOCK_PAIRS`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

from charrnn.engine.kernels import neon
from charrnn.engine.kernels.kernel import PAIR_TYPE, kernel
from charrnn.engine.kernels.simd import CPU_FEATURES, lanes, load, load_first, pointer
from charrnn.types import Array

PAIR = np.dtype(np.uint32)
"""The type of a pair; the first of the two is in the lower 16 bits."""
BLOCK_PAIRS = lanes(PAIR.itemsize)
"""The pairs in a register, and in a row of a tile of AMX."""
HAS_TILES = {"amx-tile", "amx-bf16"} <= CPU_FEATURES
"""Whether the processor multiplies whole tiles, far faster than `HAS_PRODUCTS` does."""
HAS_PRODUCTS = neon.HAS_PAIR_PRODUCTS or {"avx512f", "avx512bw", "avx512bf16"} <= CPU_FEATURES
"""Whether the processor multiplies registers of pairs: this module needs it."""
IS_FASTER = HAS_TILES or neon.HAS_PAIR_PRODUCTS or (HAS_PRODUCTS and "sse4a" in CPU_FEATURES)
"""Whether products of pairs are faster than those in float32. AMD's processors, which alone have SSE4a, multiply a
register of pairs as fast as one of values; Intel's since Sapphire Rapids take four times as long, and use tiles."""

REGISTER = ir.VectorType(ir.FloatType(), BLOCK_PAIRS)
HALVES = ir.VectorType(ir.IntType(16), 2 * BLOCK_PAIRS)
PAIRS = ir.VectorType(ir.IntType(32), BLOCK_PAIRS)


def is_pair(dtype: Any) -> bool:
    """Whether a type of numba's is `PAIR`."""
    return bool(dtype == PAIR_TYPE)


@register_jitable
def padded_pairs(K: int) -> int:
    """The pairs that hold K values, with those that fill the last block."""
    return -(-K // (2 * BLOCK_PAIRS)) * BLOCK_PAIRS


def as_operand(x: Array, pairs: Array) -> Array:
    """What a product reads in place of x [R, K]: x itself or, if `pairs` are such, its pairs, which it writes there."""
    raise NotImplementedError("only kernels call this")


@overload(as_operand)
def _as_operand(x: Any, pairs: Any) -> Any:
    def itself(x: Any, pairs: Any) -> Any:
        return x

    def rounded(x: Any, pairs: Any) -> Any:
        round_rows(x, pairs)
        return pairs

    return rounded if is_pair(pairs.dtype) else itself


@kernel
def round_rows(x: Array, out: Array) -> None:
    """Writes the pairs in the rows of x [R, K] to out [R, ≥ `padded_pairs(K)`]."""
    R, K = x.shape
    for r in range(R):
        _round_row(K, out, r * out.shape[1], x, r * K)


@kernel
def pack_pairs(x: Array, panels: Array) -> None:
    """Packs the pairs of neighbours in the columns of x [K, N] as panels [⌈N / width⌉, `padded_pairs(K)`, width].

    In the last panel, zeros fill the columns up to a whole register.
    """
    pack_columns(x, x.shape[1], panels)


@kernel
def pack_columns(x: Array, N: int, panels: Array) -> None:
    """As `pack_pairs`, of the first N columns of x."""
    K, stride = x.shape
    count, depth, width = panels.shape
    whole = -(-K // 2)
    for k in range(whole):  # whole rows, in the order of memory
        for n in range(count):
            column, has_second = n * width, 2 * k + 1 < K
            first = 2 * k * stride + column
            second = first + stride if has_second else first
            _pair_two_rows(min(width, N - column), panels, (n * depth + k) * width, x, first, second, has_second)
    panels[:, whole:] = 0


def add_pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """total + a₀ b₀ + a₁ b₁ in registers of pairs."""
    if neon.HAS_PAIR_PRODUCTS:
        return neon.add_pairs(builder, a, b, total)
    name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * BLOCK_PAIRS}"
    function = ir.FunctionType(REGISTER, [REGISTER, PAIRS, PAIRS])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [total, a, b])


def _to_halves(builder: ir.IRBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """The values of two registers, rounded to bfloat16, one after the other."""
    if neon.HAS_PAIR_PRODUCTS:
        return _round(builder, low, high)
    name, function = "llvm.x86.avx512bf16.cvtne2ps2bf16.512", ir.FunctionType(HALVES, [REGISTER, REGISTER])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [high, low])


def _round(builder: ir.IRBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """As `_to_halves`, by the steps of `layers.matmul.bfloat16`, which all processors have."""
    count = 2 * BLOCK_PAIRS
    both = builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count))))
    bits = builder.bitcast(both, ir.VectorType(ir.IntType(32), count))

    def constant(n: int) -> ir.Constant:
        return ir.Constant(bits.type, [n] * count)

    last = builder.and_(builder.lshr(bits, constant(16)), constant(1))
    nearest = builder.add(builder.add(bits, constant(0x7FFF)), last)
    quiet = builder.or_(bits, constant(0x0040_0000))
    kept = builder.select(builder.fcmp_unordered("uno", both, both), quiet, nearest)
    return builder.trunc(builder.lshr(kept, constant(16)), HALVES)


def _for_registers(builder: ir.IRBuilder, n: ir.Value, step: int, body: Any) -> None:
    """Emits body(k, None) for k = 0, step, … while a whole step is left of n, and body(k, rest) for what is left."""
    zero = ir.Constant(n.type, 0)
    whole = builder.and_(n, ir.Constant(n.type, -step))
    with cgutils.for_range_slice(builder, zero, whole, ir.Constant(n.type, step), n.type) as (k, _):
        body(k, None)
    rest = builder.sub(n, whole)
    with builder.if_then(builder.icmp_signed("<", zero, rest)):
        body(whole, rest)


def _load(builder: ir.IRBuilder, data: ir.Value, k: ir.Value, n: ir.Value | None) -> ir.Value:
    """A register of the values from k: of all, or of the first n and zeros."""
    if n is None:
        return load(builder, ir.FloatType(), data, k, BLOCK_PAIRS, 4)
    return load_first(builder, ir.FloatType(), data, k, BLOCK_PAIRS, n, 4)


@intrinsic
def _round_row(typingctx: Any, n: Any, out: Any, out_offset: Any, x: Any, x_offset: Any) -> Any:
    """Writes n values of x, from an offset, to `out`, as pairs of neighbours."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        n, out_value, out_offset, x_value, x_offset = args
        source = builder.gep(context.make_array(x)(context, builder, x_value).data, [x_offset])
        target = builder.gep(context.make_array(out)(context, builder, out_value).data, [out_offset])
        half, one = ir.Constant(n.type, BLOCK_PAIRS), ir.Constant(n.type, 1)

        def body(k: ir.Value, rest: ir.Value | None) -> None:
            after = None if rest is None else builder.sub(rest, half)
            halves = _to_halves(
                builder, _load(builder, source, k, rest), _load(builder, source, builder.add(k, half), after)
            )
            address = pointer(builder, ir.IntType(32), target, builder.ashr(k, one), BLOCK_PAIRS)
            builder.store(builder.bitcast(halves, PAIRS), address, align=4)

        _for_registers(builder, n, 2 * BLOCK_PAIRS, body)
        return context.get_dummy_value()

    return types.void(n, out, out_offset, x, x_offset), codegen


@intrinsic
def _pair_two_rows(
    typingctx: Any, n: Any, out: Any, out_offset: Any, x: Any, first_offset: Any, second_offset: Any, has_second: Any
) -> Any:
    """Writes the pairs of n values of two rows of x to `out`: each value with the one below it, or with zero."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        n, out_value, out_offset, x_value, first_offset, second_offset, has_second = args
        data = context.make_array(x)(context, builder, x_value).data
        first, second = builder.gep(data, [first_offset]), builder.gep(data, [second_offset])
        target = builder.gep(context.make_array(out)(context, builder, out_value).data, [out_offset])
        places = [place for k in range(BLOCK_PAIRS) for place in (k, k + BLOCK_PAIRS)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)

        def body(k: ir.Value, rest: ir.Value | None) -> None:
            zeros = ir.Constant(REGISTER, [0.0] * BLOCK_PAIRS)
            below = builder.select(has_second, _load(builder, second, k, rest), zeros)
            halves = _to_halves(builder, _load(builder, first, k, rest), below)
            pairs = builder.bitcast(builder.shuffle_vector(halves, halves, mask), PAIRS)
            builder.store(pairs, pointer(builder, ir.IntType(32), target, k, BLOCK_PAIRS), align=4)

        _for_registers(builder, n, BLOCK_PAIRS, body)
        return context.get_dummy_value()

    return types.void(n, out, out_offset, x, first_offset, second_offset, has_second), codegen
