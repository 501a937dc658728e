"""SIMD vectors as Python expressions: the formulas of the gates, compiled for the vector registers of the host.

Numba compiles scalar loops, and LLVM often cannot prove that it may vectorise them. So a formula here is run once, on
`Vector`s that stand for registers, and each operator emits an instruction; `fused` wraps these in a loop over arrays.
"""

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.cpu_features import host_features
from charrnn.layers.workspace import CACHE_LINE_BYTES


def _host_features() -> frozenset[str]:
    """The instruction sets to compile for: the host's, or those in NUMBA_CPU_NAME and NUMBA_CPU_FEATURES."""
    if config.CPU_FEATURES is not None:
        return frozenset(feature[1:] for feature in config.CPU_FEATURES.split(",") if feature.startswith("+"))
    return host_features() if config.CPU_NAME is None else frozenset()


CPU_FEATURES = _host_features()
REGISTER_BYTES = 64 if "avx512f" in CPU_FEATURES else 32 if "avx2" in CPU_FEATURES else 16
PREFETCHES = not {"amx-tile", "avx512fp16"} & CPU_FEATURES
"""Whether `prefetch` does anything: with AMX comes a second-level cache that fills itself; it costs up to a tenth. A
virtual machine may hide AMX, but not what came with it."""


def lanes(itemsize: int) -> int:
    """How many values of this size a register holds."""
    return REGISTER_BYTES // itemsize


def check_layout(*arrays: Any) -> None:
    """Raises `TypeError`, at compile time, unless the arrays are C-contiguous and of one dtype: kernels index flat."""
    for array in arrays:
        if array.layout != "C" or array.dtype != arrays[0].dtype:
            raise TypeError("the kernels need C-contiguous arrays of one floating-point type")


class Vector:
    """A register at compile time: operators on it emit instructions."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        self.builder = builder
        self.value = value

    def _value_of(self, other: "Vector | float") -> ir.Value:
        if isinstance(other, Vector):
            return other.value
        if isinstance(self.value.type, ir.VectorType):
            return ir.Constant(self.value.type, [other] * self.value.type.count)
        return ir.Constant(self.value.type, other)

    def __add__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, self._value_of(other), flags=("contract",)))

    def __sub__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fsub(self.value, self._value_of(other), flags=("contract",)))

    def __rsub__(self, other: float) -> "Vector":
        return Vector(self.builder, self.builder.fsub(self._value_of(other), self.value, flags=("contract",)))

    def __mul__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, self._value_of(other), flags=("contract",)))

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fdiv(self.value, self._value_of(other), flags=("contract",)))

    __radd__ = __add__
    __rmul__ = __mul__

    def clip(self, limit: float) -> "Vector":
        """Limited to ± limit; NaN stays NaN."""
        value = self.value
        for bound, sign in ((limit, ">"), (-limit, "<")):
            edge = self._value_of(bound)
            value = self.builder.select(self.builder.fcmp_ordered(sign, value, edge), edge, value)
        return Vector(self.builder, value)

    def maximum(self, other: "Vector") -> "Vector":
        """The larger of two values; if one is NaN, this one."""
        is_larger = self.builder.fcmp_ordered(">", other.value, self.value)
        return Vector(self.builder, self.builder.select(is_larger, other.value, self.value))


# tanh x ≈ x P(x²) / Q(x²) for |x| <= 9: a minimax fit with an error of 2e-8, or 4e-7 after rounding
TANH_P = (1.0, 0.13381025195121765, 0.003495587268844247, 2.0609069906640798e-05, 1.3354644501362145e-08)
TANH_Q = (1.0, 0.4671434164047241, 0.025876978412270546, 0.0003285633574705571, 7.776550887683698e-07)
TANH_LIMIT = 8.0
"""The largest |x| of the fit: from 8.08, rounding may give more than 1; at 8, tanh is within a few ulps of 1."""


def tanh(x: Vector) -> Vector:
    """The hyperbolic tangent: in float32 a ratio of polynomials; in float64, which only tests use, that of libm."""
    if x.value.type == ir.DoubleType():
        function = cgutils.get_or_insert_function(
            x.builder.module, ir.FunctionType(ir.DoubleType(), [ir.DoubleType()]), "tanh"
        )
        return Vector(x.builder, x.builder.call(function, [x.value]))
    x = x.clip(TANH_LIMIT)
    y = x * x
    return x * _polynomial(TANH_P, y) / _polynomial(TANH_Q, y)


def _polynomial(coefficients: tuple[float, ...], y: Vector) -> Vector:
    """c₀ + c₁ y + c₂ y² + …, by Horner's rule."""
    total = y * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total = total * y + coefficient
    return total


def sigmoid(x: Vector) -> Vector:
    """σ(x) = ½ tanh(½ x) + ½."""
    return tanh(x * 0.5) * 0.5 + 0.5


def relu(x: Vector) -> Vector:
    """max(x, 0); NaN stays NaN."""
    zero = x._value_of(0.0)
    return Vector(x.builder, x.builder.select(x.builder.fcmp_ordered("<", x.value, zero), zero, x.value))


def relu_slope(y: Vector) -> Vector:
    """The slope of y = relu(x): 1 where y > 0, and otherwise y itself, which is 0 or NaN."""
    is_on = y.builder.fcmp_ordered(">", y.value, y._value_of(0.0))
    return Vector(y.builder, y.builder.select(is_on, y._value_of(1.0), y.value))


# e^r for |r| <= ½ ln 2: its Taylor series, with an error of 6e-9
EXP_SERIES = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040)
EXP_LIMIT = 87.0
"""The largest |x| for which e^x is a normal float32; below -87, exp gives 0."""


def exp(x: Vector) -> Vector:
    """e^x for x <= 0: in float32 2^k e^r with an integer k; in float64, which only tests use, that of libm."""
    builder, kind = x.builder, x.value.type
    if kind == ir.DoubleType():
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), "exp")
        return Vector(builder, builder.call(function, [x.value]))
    clipped = x.clip(EXP_LIMIT)
    # A float32 of this size has no bits left for a fraction: adding it rounds, and leaves k in the last bits
    rounding = 1.5 * 2**23
    shifted = clipped * math.log2(math.e) + rounding
    k = shifted - rounding
    r = clipped - k * 0.693359375 - k * -2.12194440e-4  # ln 2 in two parts, the first with few bits
    integer = ir.IntType(32) if kind == ir.FloatType() else ir.VectorType(ir.IntType(32), kind.count)

    def constant(n: int) -> ir.Constant:
        return ir.Constant(integer, n if kind == ir.FloatType() else [n] * kind.count)

    exponent = builder.add(builder.shl(builder.bitcast(shifted.value, integer), constant(23)), constant(127 << 23))
    power = Vector(builder, builder.bitcast(exponent, kind))
    underflows = builder.fcmp_ordered("<", x.value, clipped.value)
    return Vector(builder, builder.select(underflows, x._value_of(0.0), (power * _polynomial(EXP_SERIES, r)).value))


# Loads, loops and prefetches


def pointer(builder: ir.IRBuilder, scalar: ir.Type, data: ir.Value, index: ir.Value, width: int) -> ir.Value:
    """A pointer to the `width` values from `index`: to a vector, or to a scalar if the width is 1."""
    address = builder.gep(data, [index])
    return builder.bitcast(address, (ir.VectorType(scalar, width) if width > 1 else scalar).as_pointer())


def load(builder: ir.IRBuilder, scalar: ir.Type, data: ir.Value, index: ir.Value, width: int, size: int) -> ir.Value:
    """Loads a vector or a scalar, from any address that is aligned for a scalar of this size."""
    kind = ir.VectorType(scalar, width) if width > 1 else scalar
    return builder.load(pointer(builder, scalar, data, index, width), align=size, typ=kind)


def spread(builder: ir.IRBuilder, value: ir.Value, width: int) -> ir.Value:
    """A register with the value in all lanes, or the value itself if the width is 1."""
    if width == 1:
        return value
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    first = ir.Constant(ir.VectorType(value.type, width), ir.Undefined)
    first = builder.insert_element(first, value, zeros.type.element(0))
    return builder.shuffle_vector(first, first, zeros)


def load_first(
    builder: ir.IRBuilder, scalar: ir.Type, data: ir.Value, index: ir.Value, width: int, n: ir.Value, size: int
) -> ir.Value:
    """Loads the first n values of a vector, and zeros in place of the others, whose addresses need not be valid."""
    kind, flags = ir.VectorType(scalar, width), ir.VectorType(ir.IntType(1), width)
    numbers = ir.Constant(ir.VectorType(n.type, width), list(range(width)))
    is_loaded = builder.icmp_signed("<", numbers, spread(builder, n, width))
    name = f"v{width}f{8 * size}"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind.as_pointer(), ir.IntType(32), flags, kind]),
        f"llvm.masked.load.{name}.p0{name}",
    )
    address = pointer(builder, scalar, data, index, width)
    alignment = ir.Constant(ir.IntType(32), size)
    return builder.call(function, [address, alignment, is_loaded, ir.Constant(kind, [0.0] * width)])


def fused(formula: Callable[..., tuple[Vector, ...]], n_outputs: int) -> Any:
    """Compiles a formula into one pass over arrays: `run(n, outputs, output_offsets, inputs, input_offsets)`.

    For k < n it reads inputs[i].flat[input_offsets[i] + k] for each argument i of the formula, and writes result i to
    outputs[i].flat[output_offsets[i] + k]. The arrays are C-contiguous and of one floating-point type; the offsets are
    tuples of integers. An array may be both an input and an output: each value is read before it is overwritten. An
    input may also be a number of that type, which stands for each k; its offset has no meaning.
    """

    @intrinsic
    def run(typingctx: Any, n: Any, outputs: Any, output_offsets: Any, inputs: Any, input_offsets: Any) -> Any:
        if len(outputs) != n_outputs:
            raise TypeError(f"the formula has {n_outputs} results, not {len(outputs)}")
        kind = outputs[0].dtype
        check_layout(*outputs, *(each for each in inputs if each != kind))

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            count, output_values, output_starts, input_values, input_starts = args
            scalar, size = context.get_data_type(kind), kind.bitwidth // 8
            full_width = lanes(size) if kind is types.float32 else 1

            def addresses(array_types: Any, arrays: Any, offsets: Any) -> list[ir.Value]:
                """Pointers to where the arrays begin; the numbers as they are."""
                found = []
                for i, kind_of_input in enumerate(array_types):
                    found.append(builder.extract_value(arrays, i))
                    if isinstance(kind_of_input, types.Array):
                        data = context.make_array(kind_of_input)(context, builder, found[i]).data
                        found[i] = builder.gep(data, [builder.extract_value(offsets, i)])
                return found

            targets = addresses(outputs, output_values, output_starts)
            sources = addresses(inputs, input_values, input_starts)

            def loop(begin: ir.Value, end: ir.Value, width: int) -> None:
                step = ir.Constant(count.type, width)
                with cgutils.for_range_slice(builder, begin, end, step, count.type) as (k, _):
                    values = (
                        spread(builder, x, width) if x.type == scalar else load(builder, scalar, x, k, width, size)
                        for x in sources
                    )
                    vectors = [Vector(builder, value) for value in values]
                    for target, result in zip(targets, formula(*vectors), strict=True):
                        builder.store(result.value, pointer(builder, scalar, target, k, width), align=size)

            whole = builder.and_(count, ir.Constant(count.type, -full_width))  # the values that fill registers
            loop(ir.Constant(count.type, 0), whole, full_width)
            if full_width > 1:
                loop(whole, count, 1)
            return context.get_dummy_value()

        return types.void(n, outputs, output_offsets, inputs, input_offsets), codegen

    return run


def emit_prefetch(builder: ir.IRBuilder, data: ir.Value, index: ir.Value, cache_level: int) -> None:
    """Emits a prefetch of the cache line with the value at an index to a cache; the address need not be valid."""
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0i8"
    )
    # for reading; locality from 0 to 3; data, not instructions
    address = builder.bitcast(builder.gep(data, [index]), byte)
    builder.call(function, [address, flag(0), flag(4 - cache_level), flag(1)])


@intrinsic
def prefetch(typingctx: Any, array: Any, start: Any, n: Any) -> Any:
    """Prefetches the values array.flat[start : start + n] to the second-level cache, where that pays."""
    check_layout(array)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not PREFETCHES:
            return context.get_dummy_value()
        value, start, n = args
        data = builder.gep(context.make_array(array)(context, builder, value).data, [start])
        step = ir.Constant(n.type, CACHE_LINE_BYTES // (array.dtype.bitwidth // 8))
        with cgutils.for_range_slice(builder, ir.Constant(n.type, 0), n, step, n.type) as (k, _):
            emit_prefetch(builder, data, k, cache_level=2)
        return context.get_dummy_value()

    return types.void(array, start, n), codegen


copy = fused(lambda x: (x,), 1)
"""Copies values from one array to another."""
exponentials = fused(lambda x: (exp(x),), 1)
"""e^x of values that are at most 0."""
