"""Reductions: the largest of some values, and their sum, in vector registers.

A loop that adds up values waits for each addition before the next one. Here each lane of a register has a sum of its
own, and these are added at the end.
"""

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels.simd import Vector, check_layout, lanes, load, load_first, spread


def _reduction(combine: Callable[[Vector, Vector], Vector], neutral: float, in_float64: bool = False) -> Any:
    """Compiles `run(n, x, offset)`: n values of x, indexed flat from an offset on, combined; x is C-contiguous."""

    @intrinsic
    def run(typingctx: Any, n: Any, x: Any, offset: Any) -> Any:
        check_layout(x)

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            n, x_value, offset = args
            scalar, size = context.get_data_type(x.dtype), x.dtype.bitwidth // 8
            kind = ir.DoubleType() if in_float64 else scalar
            width = lanes(8) if in_float64 else lanes(size)
            data = builder.gep(context.make_array(x)(context, builder, x_value).data, [offset])
            start = ir.Constant(ir.VectorType(kind, width), [neutral] * width)
            found = cgutils.alloca_once_value(builder, start)

            def take(value: ir.Value) -> None:
                if value.type != start.type:
                    value = builder.fpext(value, start.type)
                builder.store(combine(Vector(builder, builder.load(found)), Vector(builder, value)).value, found)

            zero = ir.Constant(n.type, 0)
            whole = builder.and_(n, ir.Constant(n.type, -width))  # the values that fill registers
            with cgutils.for_range_slice(builder, zero, whole, ir.Constant(n.type, width), n.type) as (k, _):
                take(load(builder, scalar, data, k, width, size))
            rest = builder.sub(n, whole)
            with builder.if_then(builder.icmp_signed("<", zero, rest)):
                numbers = ir.Constant(ir.VectorType(n.type, width), list(range(width)))
                is_value = builder.icmp_signed("<", numbers, spread(builder, rest, width))
                values = load_first(builder, scalar, data, whole, width, rest, size)
                others = ir.Constant(values.type, [neutral] * width)
                take(builder.select(is_value, values, others))
            total = Vector(builder, builder.load(found))
            half = width // 2
            while half:  # each lane gets what lies half of the rest away
                mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [k ^ half for k in range(width)])
                others = builder.shuffle_vector(total.value, total.value, mask)
                total = combine(total, Vector(builder, others))
                half //= 2
            return builder.extract_element(total.value, ir.Constant(ir.IntType(32), 0))

        return (types.float64 if in_float64 else x.dtype)(n, x, offset), codegen

    return run


largest = _reduction(Vector.maximum, -math.inf)
"""The largest of n values, or -inf; it is no matter whether one of them is NaN."""
sum_of = _reduction(Vector.__add__, 0.0, in_float64=True)
"""The sum of n values, in float64."""
