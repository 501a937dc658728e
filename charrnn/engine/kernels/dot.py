"""Dot products of the rows of two matrices, a bᵀ: for matrices that are read only once, so that packing would not pay.

The values of a row lie side by side, or side by side in each panel of a packed matrix, so that a vector register holds
parts of a single sum. The sums of a block of rows stay in registers; at the end, each step of adding halves two
registers at once.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import packed_matmul
from charrnn.engine.kernels.simd import REGISTER_BYTES, Vector, check_layout, copy, lanes, load, load_first, pointer
from charrnn.engine.kernels.tile import MAX_TILE_VECTORS
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
            _block(R - r, a, left, a_stride, 0, C - s, b, right, b_stride, 0, K, K, c, r * stride + s, stride)


@kernel
def transposed_product(a: Array, panels: Array, N: int, c: Array) -> None:
    """c = a Wᵀ for a [R, N] and the packed W [K, N], as it is; c [R, ≥ K] as in `row_products`."""
    (R, a_stride), stride = a.shape, c.shape[1]
    _, K, width = panels.shape
    for r in range(0, R, BLOCK_ROWS):
        for k in range(0, K, BLOCK_COLUMNS):
            panel, gap, out = k * width, (K - 1) * width, r * stride + k
            _block(R - r, a, r * a_stride, a_stride, 0, K - k, panels, panel, width, gap, N, width, c, out, stride)


@kernel
def gram(R: int, a: Array, stride: int, K: int, width: int, gap: int, c: Array) -> None:
    """c[r, s] = Σ_{k<K} a[r, k] a[s, k] for R rows; only in the blocks of `BLOCK_ROWS` rows from the diagonal on.

    a is indexed flat, and the stride leads to the next row. After `width` values of a row there is a gap.
    """
    c_stride = c.shape[1]
    for r in range(0, R, BLOCK_ROWS):
        for s in range(r, R, BLOCK_COLUMNS):
            left, right, out = r * stride, s * stride, r * c_stride + s
            _block(R - r, a, left, stride, gap, R - s, a, right, stride, gap, K, width, c, out, c_stride)


@intrinsic
def _block(
    typingctx: Any,
    R: Any,
    a: Any,
    a_offset: Any,
    a_stride: Any,
    a_gap: Any,
    C: Any,
    b: Any,
    b_offset: Any,
    b_stride: Any,
    b_gap: Any,
    K: Any,
    width: Any,
    c: Any,
    c_offset: Any,
    c_stride: Any,
) -> Any:
    """A block of `row_products`. If R or C is less than its size, the last row stands for those that are missing.

    In a row of a or b there is a gap after every `width` values, which are K, or fill registers.
    """
    check_layout(a, b, c)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        R, a_value, a_offset, a_stride, a_gap, C, b_value, b_offset, b_stride, b_gap, *rest = args
        K, width, c_value, c_offset, c_stride = rest
        kind, index = a.dtype, K.type
        scalar, size = context.get_data_type(kind), kind.bitwidth // 8
        register = lanes(size)

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
        zero = ir.Constant(ir.VectorType(scalar, register), [0.0] * register)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(BLOCK_ROWS * BLOCK_COLUMNS)]

        def add_products(values: list[list[ir.Value]]) -> None:
            x, y = ([Vector(builder, value) for value in side] for side in values)
            pairs = [(row, column) for row in x for column in y]
            for total, (row, column) in zip(sums, pairs, strict=True):
                builder.store((Vector(builder, builder.load(total)) + row * column).value, total)

        # The gaps so far in a row of a and of b, and the values since the last gap
        skipped = [cgutils.alloca_once_value(builder, constant(0)) for _ in range(2)]
        since = cgutils.alloca_once_value(builder, constant(0))

        def places(k: ir.Value) -> list[list[tuple[ir.Value, ir.Value]]]:
            """The rows of a, and of b, each with the place of its value k."""
            found = [builder.add(k, builder.load(gaps)) for gaps in skipped]
            return [[(row, place) for row in side] for side, place in zip((left, right), found, strict=True)]

        whole = builder.and_(K, constant(-register))  # the values that fill registers
        with cgutils.for_range_slice(builder, constant(0), whole, constant(register), index) as (k, _):
            add_products(
                [[load(builder, scalar, row, place, register, size) for row, place in side] for side in places(k)]
            )
            n = builder.add(builder.load(since), constant(register))
            ends = builder.icmp_signed("==", n, width)
            builder.store(builder.select(ends, constant(0), n), since)
            for gaps, gap in zip(skipped, (a_gap, b_gap), strict=True):
                gap = builder.select(ends, gap, constant(0))
                builder.store(builder.add(builder.load(gaps), gap), gaps)
        rest = builder.sub(K, whole)
        with builder.if_then(builder.icmp_signed("<", constant(0), rest)):
            add_products(
                [
                    [load_first(builder, scalar, row, place, register, rest, size) for row, place in side]
                    for side in places(whole)
                ]
            )

        totals = [Vector(builder, builder.load(total)) for total in sums]
        for _ in range(register.bit_length() - 1):  # now a register has parts of one sum, then of two, then of four
            totals = [_add_neighbours(x, y) for x, y in zip(totals[::2], totals[1::2], strict=True)]
        for i in range(BLOCK_ROWS):
            total, lane = divmod(i * BLOCK_COLUMNS, register)
            row = _lanes_of(totals[total], totals[total], range(lane, lane + BLOCK_COLUMNS))
            builder.store(row.value, pointer(builder, scalar, out[i], constant(0), BLOCK_COLUMNS), align=size)
        return context.get_dummy_value()

    argument_types = (
        *(R, a, a_offset, a_stride, a_gap, C, b, b_offset, b_stride, b_gap),
        *(K, width, c, c_offset, c_stride),
    )
    return types.void(*argument_types), codegen


@kernel
def transposed_row_product(a: Array, panels: Array, c: Array, turn: int) -> None:
    """c[k] = Σ_j a[j] W[k, j] for the packed W [K, N], as it is; the values of a [panels · width] from N on are 0.

    a and c [≥ K + 3] are indexed flat. Odd turns take the rows of W from the last to the first, as in `packed_matmul`.
    """
    count, K, width = panels.shape
    rows = REGISTER_BYTES // panels.itemsize
    if rows > K:
        n, gap = count * width, (K - 1) * width
        for k in range(0, K, BLOCK_COLUMNS):
            _block(1, a, 0, n, 0, K - k, panels, k * width, width, gap, n, width, c, k, K)
        return
    blocks = -(-K // rows)
    for i in range(blocks):
        block = blocks - 1 - i if turn % 2 else i
        k = min(block * rows, K - rows)  # the last block may overlap the one before it
        _row_block(a, panels, k * width, K * width, count, c, k)


def multiply_back(a: Array, weights: Array | tuple[Array, Array], N: int, bias: Array, c: Array, turn: int) -> None:
    """c = a Wᵀ + bias for a [R, K] and W [N, K]: what comes back through a product with W.

    The weights are the packed Wᵀ of `packed_matmul`; or, for a single row and no bias, the packed W, as it is, and
    memory [panels · width] for the row, which is 0 from K on.
    """
    raise NotImplementedError("only kernels call this")


@overload(multiply_back)
def _multiply_back(a: Any, weights: Any, N: Any, bias: Any, c: Any, turn: Any) -> Any:
    def with_transposed(a: Any, weights: Any, N: Any, bias: Any, c: Any, turn: Any) -> None:
        packed_matmul(a, weights, N, bias, c, turn)

    def as_it_is(a: Any, weights: Any, N: Any, bias: Any, c: Any, turn: Any) -> None:
        panels, row = weights
        copy(a.shape[1], (row,), (0,), (a,), (0,))
        transposed_row_product(row, panels, c, turn)

    return as_it_is if isinstance(weights, types.BaseTuple) else with_transposed


@intrinsic
def _row_block(
    typingctx: Any, a: Any, panels: Any, offset: Any, panel_stride: Any, count: Any, c: Any, c_offset: Any
) -> Any:
    """A block of `transposed_row_product`: as many rows of W as a register has lanes, from an offset in each panel."""
    check_layout(a, panels, c)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        a_value, panels_value, offset, panel_stride, count, c_value, c_offset = args
        index, scalar, size = count.type, context.get_data_type(a.dtype), a.dtype.bitwidth // 8
        rows = register = lanes(size)
        width = MAX_TILE_VECTORS * register

        def constant(n: int) -> ir.Constant:
            return ir.Constant(index, n)

        left = context.make_array(a)(context, builder, a_value).data
        first = builder.gep(context.make_array(panels)(context, builder, panels_value).data, [offset])
        zero = ir.Constant(ir.VectorType(scalar, register), [0.0] * register)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(rows)]
        with cgutils.for_range(builder, count, intp=index) as panel:
            part = builder.gep(left, [builder.mul(panel.index, constant(width))])
            block = builder.gep(first, [builder.mul(panel.index, panel_stride)])
            for column in range(0, width, register):
                factors = Vector(builder, load(builder, scalar, part, constant(column), register, size))
                for row, total in enumerate(sums):
                    place = constant(row * width + column)
                    values = Vector(builder, load(builder, scalar, block, place, register, size))
                    builder.store((Vector(builder, builder.load(total)) + factors * values).value, total)
        totals = [Vector(builder, builder.load(total)) for total in sums]
        while len(totals) > 1:
            totals = [_add_neighbours(x, y) for x, y in zip(totals[::2], totals[1::2], strict=True)]
        out = context.make_array(c)(context, builder, c_value).data
        builder.store(totals[0].value, pointer(builder, scalar, out, c_offset, register), align=size)
        return context.get_dummy_value()

    return types.void(a, panels, offset, panel_stride, count, c, c_offset), codegen


def _add_neighbours(x: Vector, y: Vector) -> Vector:
    """The sums of every two neighbours, those of x before those of y."""
    lanes_of_both = 2 * x.value.type.count
    return _lanes_of(x, y, range(0, lanes_of_both, 2)) + _lanes_of(x, y, range(1, lanes_of_both, 2))


def _lanes_of(x: Vector, y: Vector, numbers: range) -> Vector:
    """Some of the lanes of x and y, which are numbered as if y followed x."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))
    return Vector(x.builder, x.builder.shuffle_vector(x.value, y.value, mask))
