"""Dot products of the rows of two matrices, a bᵀ: for matrices that are read only once, so that packing would not pay.

The values of a row lie side by side, so that a vector register holds parts of a single sum. The sums of a block of rows
stay in registers; at the end, each step of adding halves two registers at once.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.simd import REGISTER_BYTES, Vector, check_layout, lanes, load, load_first, pointer
from charrnn.types import Array

BLOCK_ROWS = 4
"""The rows of a in a block."""
BLOCK_COLUMNS = 4 if REGISTER_BYTES == 64 else 2
"""The rows of b in a block: 4 × 4 sums fill half of the registers of AVX-512, and 4 × 2 half of those elsewhere."""


@kernel
def row_products(
    R: int, a: Array, a_offset: int, a_stride: int, C: int, b: Array, b_offset: int, b_stride: int, K: int, c: Array
) -> None:
    """c[r, s] = Σ_{k<K} a[r, k] b[s, k] for the first R rows and C columns of c.

    a and b are indexed flat, from an offset on; the strides lead to the next row. The columns of c from C on are
    undefined; with them their number is a multiple of `BLOCK_COLUMNS`.
    """
    stride = c.shape[1]
    for r in range(0, R, BLOCK_ROWS):
        for s in range(0, C, BLOCK_COLUMNS):
            left, right = a_offset + r * a_stride, b_offset + s * b_stride
            _block(R - r, a, left, a_stride, C - s, b, right, b_stride, K, c, r * stride + s, stride)


@intrinsic
def _block(
    typingctx: Any,
    R: Any,
    a: Any,
    a_offset: Any,
    a_stride: Any,
    C: Any,
    b: Any,
    b_offset: Any,
    b_stride: Any,
    K: Any,
    c: Any,
    c_offset: Any,
    c_stride: Any,
) -> Any:
    """A block of `row_products`. If R or C is less than its size, the last row stands for those that are missing."""
    check_layout(a, b, c)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        R, a_value, a_offset, a_stride, C, b_value, b_offset, b_stride, K, c_value, c_offset, c_stride = args
        kind, index = a.dtype, K.type
        scalar, size = context.get_data_type(kind), kind.bitwidth // 8
        width = lanes(size)

        def constant(n: int) -> ir.Constant:
            return ir.Constant(index, n)

        def rows(array_type: Any, value: Any, offset: Any, stride: Any, count: Any, block: int) -> list[ir.Value]:
            """Pointers to the rows of a block."""
            first = builder.gep(context.make_array(array_type)(context, builder, value).data, [offset])
            last = builder.sub(count, constant(1))
            numbers = [
                builder.select(builder.icmp_signed("<", last, constant(i)), last, constant(i)) for i in range(block)
            ]
            return [builder.gep(first, [builder.mul(number, stride)]) for number in numbers]

        left = rows(a, a_value, a_offset, a_stride, R, BLOCK_ROWS)
        right = rows(b, b_value, b_offset, b_stride, C, BLOCK_COLUMNS)
        out = rows(c, c_value, c_offset, c_stride, R, BLOCK_ROWS)
        zero = ir.Constant(ir.VectorType(scalar, width), [0.0] * width)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(BLOCK_ROWS * BLOCK_COLUMNS)]

        def add_products(load_from: Callable[[ir.Value], ir.Value]) -> None:
            x, y = ([Vector(builder, load_from(row)) for row in side] for side in (left, right))
            pairs = [(row, column) for row in x for column in y]
            for total, (row, column) in zip(sums, pairs, strict=True):
                builder.store((Vector(builder, builder.load(total)) + row * column).value, total)

        whole = builder.and_(K, constant(-width))  # the values that fill registers
        with cgutils.for_range_slice(builder, constant(0), whole, constant(width), index) as (k, _):
            add_products(lambda row: load(builder, scalar, row, k, width, size))
        rest = builder.sub(K, whole)
        with builder.if_then(builder.icmp_signed("<", constant(0), rest)):
            add_products(lambda row: load_first(builder, scalar, row, whole, width, rest, size))

        totals = [Vector(builder, builder.load(total)) for total in sums]
        for _ in range(width.bit_length() - 1):  # now a register has parts of one sum, then of two, then of four
            totals = [_add_neighbours(x, y) for x, y in zip(totals[::2], totals[1::2], strict=True)]
        for i in range(BLOCK_ROWS):
            register, lane = divmod(i * BLOCK_COLUMNS, width)
            row = _lanes_of(totals[register], totals[register], range(lane, lane + BLOCK_COLUMNS))
            builder.store(row.value, pointer(builder, scalar, out[i], constant(0), BLOCK_COLUMNS), align=size)
        return context.get_dummy_value()

    signature = types.void(R, a, a_offset, a_stride, C, b, b_offset, b_stride, K, c, c_offset, c_stride)
    return signature, codegen


def _add_neighbours(x: Vector, y: Vector) -> Vector:
    """The sums of every two neighbours, those of x before those of y."""
    lanes_of_both = 2 * x.value.type.count
    return _lanes_of(x, y, range(0, lanes_of_both, 2)) + _lanes_of(x, y, range(1, lanes_of_both, 2))


def _lanes_of(x: Vector, y: Vector, numbers: range) -> Vector:
    """Some of the lanes of x and y, which are numbered as if y followed x."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))
    return Vector(x.builder, x.builder.shuffle_vector(x.value, y.value, mask))
