"""Panels of narrow weights: how they lie in memory, and how a tile multiplies them.

- Halves, for bfloat16: the 16 bits of each value. Two registers of columns lie interleaved, value by value, so that a
  shift widens one of them to float32 and a mask the other: two instructions, which all processors have.
- Quads, for int8: four neighbours along the inner dimension in 32 bits, as `bfloat16` has pairs. The left matrix has
  such quads too, of whole numbers plus 128, since x86 multiplies bytes without a sign by bytes with one; ARM's products
  of bytes with signs need no 128.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels import neon
from charrnn.engine.kernels.simd import CPU_FEATURES, REGISTER_BYTES, lanes, load, pointer, spread
from charrnn.layers.matmul import bfloat16
from charrnn.layers.narrow import whole_numbers
from charrnn.types import Array

HALF, QUAD = np.dtype(np.uint16), np.dtype(np.int32)
"""The types of the values of such panels."""
QUAD_BYTES = 4
ZERO_BYTE = 0 if neon.HAS_BYTE_PRODUCTS else 128
"""The byte of the left matrix that stands for 0."""
HAS_BYTE_PRODUCTS = {"avx512f": "avx512vnni", "avx2": "avxvnni"}
"""The features with which x86 adds four products of bytes in one instruction, by the one that it widens."""
ROUNDING = 1.5 * 2**23 + ZERO_BYTE
"""A float32 of this size has no bits left for a fraction: adding it rounds, and leaves a byte in the last bits."""
INTEGER = ir.IntType(32)


def is_half(dtype: Any) -> bool:
    """Whether a type of numba's is `HALF`."""
    return bool(dtype == types.uint16)


def halves(W: Array, width: int) -> Array:
    """Panels [⌈N / width⌉, K, width] of the halves of W [K, N], which bfloat16 rounds; zeros fill the last panel."""
    bits = (bfloat16(W).view(np.uint32) >> 16).astype(HALF)
    panels, register = _panels(bits, width), lanes(4)
    two_registers = panels.reshape(*panels.shape[:2], -1, 2, register)
    return np.ascontiguousarray(two_registers.swapaxes(-1, -2)).reshape(panels.shape)


def quads(W: Array, width: int) -> tuple[Array, Array, Array]:
    """Panels [⌈N / width⌉, ⌈K / 4⌉, width] of the quads of W [K, N] in int8; its steps [N], and the sums of columns."""
    numbers, steps = whole_numbers(W)
    with np.errstate(invalid="ignore"):  # where a step is no number, the numbers need be none
        numbers = np.pad(numbers, ((0, -len(W) % QUAD_BYTES), (0, 0))).astype(np.int8)
    by_column = np.ascontiguousarray(numbers.reshape(-1, QUAD_BYTES, W.shape[1]).swapaxes(1, 2))
    return _panels(by_column.view(QUAD)[..., 0], width), steps, numbers.sum(axis=0, dtype=np.int32)


def _panels(x: Array, width: int) -> Array:
    """The panels [⌈N / width⌉, K, width] of x [K, N]; zeros fill the last one."""
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % width)))
    return np.ascontiguousarray(padded.reshape(len(x), -1, width).swapaxes(0, 1))


def load_halves(builder: ir.IRBuilder, panel: ir.Value, first: ir.Value, count: int) -> list[ir.Value]:
    """The next `count` registers of columns, widened to float32, of the halves of a panel from the index `first`."""
    width = lanes(4)
    integers, floats = ir.VectorType(INTEGER, width), ir.VectorType(ir.FloatType(), width)
    found: list[ir.Value] = []
    for register in range(0, count, 2):
        place = builder.add(first, ir.Constant(first.type, register * width))
        address = builder.bitcast(builder.gep(panel, [place]), integers.as_pointer())
        both = builder.load(address, align=HALF.itemsize, typ=integers)
        low = builder.shl(both, ir.Constant(integers, [16] * width))
        high = builder.and_(both, ir.Constant(integers, [0xFFFF0000] * width))
        found += [builder.bitcast(half, floats) for half in (low, high)]
    return found[:count]


def add_quads(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """total + a₀ b₀ + a₁ b₁ + a₂ b₂ + a₃ b₃ in registers of quads; the bytes of a have a sign if `ZERO_BYTE` is 0."""
    kind = total.type
    if neon.HAS_BYTE_PRODUCTS:
        return neon.add_quads(builder, a, b, total)
    widest = "avx512f" if REGISTER_BYTES == 64 else "avx2"
    if REGISTER_BYTES > 16 and HAS_BYTE_PRODUCTS[widest] in CPU_FEATURES:
        name = f"llvm.x86.avx512.vpdpbusd.{8 * REGISTER_BYTES}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, [total, a, b])

    def constant(n: int) -> ir.Constant:
        return ir.Constant(kind, [n] * kind.count)

    for n in range(QUAD_BYTES):
        left = builder.and_(builder.lshr(a, constant(8 * n)), constant(0xFF))
        right = builder.ashr(builder.shl(b, constant(24 - 8 * n)), constant(24))
        total = builder.add(total, builder.mul(left, right))
    return total


@intrinsic
def round_to_bytes(typingctx: Any, n: Any, out: Any, out_offset: Any, x: Any, x_offset: Any, factor: Any) -> Any:
    """Writes n values of x, times a factor and rounded to whole numbers, to bytes, to which `ZERO_BYTE` is added."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        n, out_value, out_offset, x_value, x_offset, factor = args
        source = builder.gep(context.make_array(x)(context, builder, x_value).data, [x_offset])
        target = builder.gep(context.make_array(out)(context, builder, out_value).data, [out_offset])

        def loop(begin: ir.Value, end: ir.Value, width: int) -> None:
            def typed(scalar: ir.Type) -> ir.Type:
                return ir.VectorType(scalar, width) if width > 1 else scalar

            floats, step = typed(ir.FloatType()), ir.Constant(n.type, width)
            rounding = ir.Constant(floats, [ROUNDING] * width if width > 1 else ROUNDING)
            with cgutils.for_range_slice(builder, begin, end, step, n.type) as (k, _):
                values = load(builder, ir.FloatType(), source, k, width, 4)
                shifted = builder.fadd(builder.fmul(values, spread(builder, factor, width)), rounding)
                numbers = builder.trunc(builder.bitcast(shifted, typed(INTEGER)), typed(ir.IntType(8)))
                builder.store(numbers, pointer(builder, ir.IntType(8), target, k, width), align=1)

        whole = builder.and_(n, ir.Constant(n.type, -lanes(4)))
        loop(ir.Constant(n.type, 0), whole, lanes(4))
        loop(whole, n, 1)
        return context.get_dummy_value()

    return types.void(n, out, out_offset, x, x_offset, factor), codegen


@intrinsic
def scale_sums(typingctx: Any, n: Any, c: Any, c_offset: Any, factor: Any, steps: Any, bias: Any) -> Any:
    """Replaces n sums of whole numbers in c by bias + factor · step · sum; n fills registers, and c holds the bits."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        n, c_value, c_offset, factor, steps_value, bias_value = args
        target = builder.gep(context.make_array(c)(context, builder, c_value).data, [c_offset])
        each_step = context.make_array(steps)(context, builder, steps_value).data
        each_bias = context.make_array(bias)(context, builder, bias_value).data
        width, scalar = lanes(4), ir.FloatType()
        factors = spread(builder, factor, width)
        step = ir.Constant(n.type, width)
        with cgutils.for_range_slice(builder, ir.Constant(n.type, 0), n, step, n.type) as (k, _):
            bits = builder.bitcast(load(builder, scalar, target, k, width, 4), ir.VectorType(INTEGER, width))
            scale = builder.fmul(factors, load(builder, scalar, each_step, k, width, 4))
            product = builder.fmul(scale, builder.sitofp(bits, scale.type), flags=("contract",))
            total = builder.fadd(product, load(builder, scalar, each_bias, k, width, 4), flags=("contract",))
            builder.store(total, pointer(builder, scalar, target, k, width), align=4)
        return context.get_dummy_value()

    return types.void(n, c, c_offset, factor, steps, bias), codegen
