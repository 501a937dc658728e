"""The transpose of a block of a matrix, in registers: as many rows as a register has lanes, each of them a register."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from charrnn.engine.kernels.simd import check_layout, lanes, load, pointer


@intrinsic
def transpose_block(
    typingctx: Any, x: Any, x_offset: Any, x_stride: Any, out: Any, out_offset: Any, out_stride: Any
) -> Any:
    """Writes the transpose of a block of x to `out`. Both are indexed flat; a stride leads to the next row."""
    check_layout(x, out)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x_value, x_offset, x_stride, out_value, out_offset, out_stride = args
        scalar, size = context.get_data_type(x.dtype), x.dtype.bitwidth // 8
        width = lanes(size)

        def index(i: int) -> ir.Constant:
            return ir.Constant(x_offset.type, i)

        def rows(array_type: Any, value: Any, offset: Any, stride: Any) -> list[ir.Value]:
            first = builder.gep(context.make_array(array_type)(context, builder, value).data, [offset])
            return [builder.gep(first, [builder.mul(stride, index(i))]) for i in range(width)]

        block = [load(builder, scalar, row, index(0), width, size) for row in rows(x, x_value, x_offset, x_stride)]
        half = width // 2
        while half:  # in each square of 2 · half rows, the upper right and the lower left quarter change places
            for i in range(width):
                if not i & half:
                    block[i], block[i + half] = _exchange(builder, block[i], block[i + half], half)
            half //= 2
        for value, row in zip(block, rows(out, out_value, out_offset, out_stride), strict=True):
            builder.store(value, pointer(builder, scalar, row, index(0), width), align=size)
        return context.get_dummy_value()

    return types.void(x, x_offset, x_stride, out, out_offset, out_stride), codegen


def _exchange(builder: ir.IRBuilder, upper: ir.Value, lower: ir.Value, half: int) -> tuple[ir.Value, ir.Value]:
    """Two rows after an exchange: in every 2 · half lanes, the upper one's right half for the lower one's left half.

    A shuffle numbers the lanes of both as if the lower row followed the upper one.
    """
    width = upper.type.count
    of_upper = [width + k - half if k & half else k for k in range(width)]
    of_lower = [width + k if k & half else k + half for k in range(width)]
    kind = ir.VectorType(ir.IntType(32), width)
    new_upper, new_lower = (
        builder.shuffle_vector(upper, lower, ir.Constant(kind, mask)) for mask in (of_upper, of_lower)
    )
    return new_upper, new_lower
