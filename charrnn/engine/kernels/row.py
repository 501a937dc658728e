"""A row times a matrix: the product of a step of a single text, which waits for nothing but the weights.

A tile of one row has too few sums to keep a processor busy: each has to wait for its last one. So two panels are read
at once, with twice as many. The sums are those of a tile, to the bit. Narrow weights, which have to be widened first,
gain nothing by that.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from charrnn.engine.kernels.simd import lanes, load, pointer, spread
from charrnn.engine.kernels.tile import MAX_TILE_VECTORS, multiply_add
from charrnn.types import Array

PANELS = 2
"""The panels that are read at once."""


def whole_pairs(panels: Array, R: int, n: int) -> int:
    """How many of n panels `multiply_row` takes in a product with R rows."""
    raise NotImplementedError("only kernels call this")


@overload(whole_pairs)
def _whole_pairs(panels: Any, R: Any, n: Any) -> Any:
    def of_floats(panels: Any, R: Any, n: Any) -> Any:
        return n // PANELS * PANELS if R == 1 else 0

    def of_others(panels: Any, R: Any, n: Any) -> Any:
        return 0

    return of_floats if isinstance(panels.dtype, types.Float) else of_others


@intrinsic
def multiply_row(
    typingctx: Any,
    a: Any,
    a_offset: Any,
    p: Any,
    p_offset: Any,
    panel_stride: Any,
    K: Any,
    s: Any,
    s_offset: Any,
    c: Any,
    c_offset: Any,
) -> Any:
    """c = s + Σ_{k<K} a[k] p[k] for a row a and the columns of `PANELS` panels, the next one a stride after the first.

    All are given by their `address`, and indexed flat from an offset on.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not isinstance(p.dtype, types.Float):
            return context.get_dummy_value()  # see `whole_pairs`
        left, a_offset, panels, p_offset, panel_stride, K, start, s_offset, out, c_offset = args
        index, scalar, size = K.type, context.get_data_type(a.dtype), a.dtype.bitwidth // 8
        register = lanes(size)

        def constant(n: int) -> ir.Constant:
            return ir.Constant(index, n)

        columns = [constant(v * register) for v in range(PANELS * MAX_TILE_VECTORS)]
        start, out = builder.gep(start, [s_offset]), builder.gep(out, [c_offset])
        sums = [
            cgutils.alloca_once_value(builder, load(builder, scalar, start, column, register, size))
            for column in columns
        ]
        firsts = [
            builder.gep(panels, [builder.add(p_offset, builder.mul(panel_stride, constant(n)))]) for n in range(PANELS)
        ]
        row = builder.gep(left, [a_offset])
        with cgutils.for_range(builder, K, intp=index) as step:
            factor = spread(builder, load(builder, scalar, row, step.index, 1, size), register)
            first = builder.mul(step.index, constant(MAX_TILE_VECTORS * register))
            places = [builder.add(first, column) for column in columns[:MAX_TILE_VECTORS]]
            values = [load(builder, scalar, panel, place, register, size) for panel in firsts for place in places]
            for total, value in zip(sums, values, strict=True):
                builder.store(multiply_add(builder, factor, value, builder.load(total)), total)
        for total, column in zip(sums, columns, strict=True):
            builder.store(builder.load(total), pointer(builder, scalar, out, column, register), align=size)
        return context.get_dummy_value()

    argument_types = (a, a_offset, p, p_offset, panel_stride, K, s, s_offset, c, c_offset)
    return types.void(*argument_types), codegen
