"""Vectors of numbers as Python expressions: the formulas of the gates, compiled for the registers of the host.

Numba compiles scalar loops, and LLVM often can't prove that they may run on vectors. So a formula here is run once, on
`Vector`s that stand for registers, and each operator leaves an instruction behind; `fused` wraps those in a loop.
"""

import math
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _host_features() -> frozenset[str]:
    """The instruction sets to compile for: the host's, or those that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say."""
    if config.CPU_FEATURES is not None:
        return frozenset(scope[1:] for scope in config.CPU_FEATURES.split(",") if scope.startswith("+"))
    if config.CPU_NAME is not None:
        return frozenset()
    try:
        return frozenset(name for name, has in llvmlite.binding.get_host_cpu_features().items() if has)
    except RuntimeError:  # a system that doesn't tell
        return frozenset()


FEATURES = _host_features()
REGISTER = 64 if "avx512f" in FEATURES else 32 if "avx2" in FEATURES else 16
"""Bytes of a vector register."""


LINE = 64
"""Bytes that caches keep together."""


def lanes(itemsize: int) -> int:
    """How many numbers of a size a register holds."""
    return REGISTER // itemsize


def check_layout(*arrays: Any) -> None:
    """Raises `TypeError` while code is made, unless the arrays are C-contiguous and of one type: kernels index flat."""
    for array in arrays:
        if array.layout != "C" or array.dtype != arrays[0].dtype:
            raise TypeError("the kernels take C-contiguous arrays of one floating-point type")


# tanh x ≈ x P(x²) / Q(x²) for |x| <= 9: a minimax fit, 2e-8 off, 4e-7 as rounded. From 8.08 on rounding may take it
# past 1, so it is held at 8, where float32 is a few units in the last place from 1
P = (1.0, 0.13381025195121765, 0.003495587268844247, 2.0609069906640798e-05, 1.3354644501362145e-08)
Q = (1.0, 0.4671434164047241, 0.025876978412270546, 0.0003285633574705571, 7.776550887683698e-07)


class Vector:
    """A register while code is made: operators on it emit instructions."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        self.builder = builder
        self.value = value

    def _number(self, other: "Vector | float") -> ir.Value:
        if isinstance(other, Vector):
            return other.value
        if isinstance(self.value.type, ir.VectorType):
            return ir.Constant(self.value.type, [other] * self.value.type.count)
        return ir.Constant(self.value.type, other)

    def __add__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, self._number(other), flags=("contract",)))

    def __sub__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fsub(self.value, self._number(other), flags=("contract",)))

    def __rsub__(self, other: float) -> "Vector":
        return Vector(self.builder, self.builder.fsub(self._number(other), self.value, flags=("contract",)))

    def __mul__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, self._number(other), flags=("contract",)))

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fdiv(self.value, self._number(other), flags=("contract",)))

    __radd__ = __add__
    __rmul__ = __mul__

    def within(self, limit: float) -> "Vector":
        """Held within ± limit; a NaN stays a NaN."""
        value = self.value
        for bound, sign in ((limit, ">"), (-limit, "<")):
            edge = self._number(bound)
            value = self.builder.select(self.builder.fcmp_ordered(sign, value, edge), edge, value)
        return Vector(self.builder, value)


def tanh(x: Vector) -> Vector:
    """The hyperbolic tangent: in float32 a ratio of polynomials, in float64, which only tests use, libm's."""
    if x.value.type == ir.DoubleType():
        function = cgutils.get_or_insert_function(
            x.builder.module, ir.FunctionType(ir.DoubleType(), [ir.DoubleType()]), "tanh"
        )
        return Vector(x.builder, x.builder.call(function, [x.value]))
    x = x.within(8.0)
    y = x * x
    return x * _polynomial(P, y) / _polynomial(Q, y)


def _polynomial(coefficients: tuple[float, ...], y: Vector) -> Vector:
    total = y * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total = total * y + coefficient
    return total


def sigmoid(x: Vector) -> Vector:
    """σ(x) = ½ tanh(½ x) + ½."""
    return tanh(x * 0.5) * 0.5 + 0.5


# e^r for |r| <= ½ ln 2, by Taylor's series: 6e-9 off
E = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040)


def exp(x: Vector) -> Vector:
    """e^x for x <= 0: in float32 2^k e^r with a whole k, and 0 where that gets too small; in float64 libm's."""
    builder, kind = x.builder, x.value.type
    if kind == ir.DoubleType():
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), "exp")
        return Vector(builder, builder.call(function, [x.value]))
    held = x.within(87.0)
    # A number so large has no room for fractions: adding it rounds, and leaves k in the last bits
    rounding = 1.5 * 2**23
    shifted = held * math.log2(math.e) + rounding
    k = shifted - rounding
    r = held - k * 0.693359375 - k * -2.12194440e-4  # ln 2 in two parts, the first of few bits
    integer = ir.IntType(32) if kind == ir.FloatType() else ir.VectorType(ir.IntType(32), kind.count)

    def whole(n: int) -> ir.Constant:
        return ir.Constant(integer, n if kind == ir.FloatType() else [n] * kind.count)

    exponent = builder.add(builder.shl(builder.bitcast(shifted.value, integer), whole(23)), whole(127 << 23))
    power = Vector(builder, builder.bitcast(exponent, kind))
    tiny = builder.fcmp_ordered("<", x.value, held.value)
    return Vector(builder, builder.select(tiny, x._number(0.0), (power * _polynomial(E, r)).value))


def element(builder: ir.IRBuilder, scalar: ir.Type, data: ir.Value, index: ir.Value, width: int) -> ir.Value:
    """The address of the numbers from `index`: as a vector's, or a single number's where the width is 1."""
    address = builder.gep(data, [index])
    return builder.bitcast(address, (ir.VectorType(scalar, width) if width > 1 else scalar).as_pointer())


def read(builder: ir.IRBuilder, scalar: ir.Type, data: ir.Value, index: ir.Value, width: int, size: int) -> ir.Value:
    """Loads a vector, or a number, from any address that suits a number."""
    kind = ir.VectorType(scalar, width) if width > 1 else scalar
    return builder.load(element(builder, scalar, data, index, width), align=size, typ=kind)


def fused(formula: Callable[..., tuple[Vector, ...]], outputs: int) -> Any:
    """Compiles a formula into one pass: `run(n, to, at, of, start)`.

    For k < n it reads of[i].flat[start[i] + k] for every argument of the formula and writes its results to
    to[i].flat[at[i] + k]: `to` and `of` are tuples of C-contiguous arrays of one floating-point type, `at` and `start`
    tuples of as many integers. An output may be an input: each place is read before it is written.
    """

    @intrinsic
    def run(typingctx: Any, n: Any, to: Any, at: Any, of: Any, start: Any) -> Any:
        if len(to) != outputs:
            raise TypeError(f"the formula gives {outputs} results, not {len(to)}")
        check_layout(*to, *of)

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            count, to_value, at_value, of_value, start_value = args
            kind = to[0].dtype
            scalar, size = context.get_data_type(kind), kind.bitwidth // 8
            full = lanes(size) if kind is types.float32 else 1

            def addresses(arrays_type: Any, arrays: Any, offsets: Any) -> list[ir.Value]:
                found = []
                for i, array_type in enumerate(arrays_type):
                    array = context.make_array(array_type)(context, builder, builder.extract_value(arrays, i))
                    found.append(builder.gep(array.data, [builder.extract_value(offsets, i)]))
                return found

            targets, sources = addresses(to, to_value, at_value), addresses(of, of_value, start_value)

            def loop(begin: ir.Value, end: ir.Value, width: int) -> None:
                step = ir.Constant(count.type, width)
                with cgutils.for_range_slice(builder, begin, end, step, count.type) as (k, _):
                    vectors = [Vector(builder, read(builder, scalar, source, k, width, size)) for source in sources]
                    for target, result in zip(targets, formula(*vectors), strict=True):
                        builder.store(result.value, element(builder, scalar, target, k, width), align=size)

            whole = builder.and_(count, ir.Constant(count.type, -full))
            loop(ir.Constant(count.type, 0), whole, full)
            if full > 1:
                loop(whole, count, 1)
            return context.get_dummy_value()

        return types.void(n, to, at, of, start), codegen

    return run


def fetch(builder: ir.IRBuilder, data: ir.Value, index: ir.Value, cache: int) -> None:
    """Asks for the number at an index, and those beside it, to be brought to a cache; it need not exist."""
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0i8"
    )
    # to read, how near from 0 to 3, and not an instruction
    builder.call(function, [builder.bitcast(builder.gep(data, [index]), byte), flag(0), flag(4 - cache), flag(1)])


@intrinsic
def prefetch(typingctx: Any, array: Any, at: Any, n: Any) -> Any:
    """Asks for the numbers array.flat[at : at + n], which will be wanted soon, to be brought to the second cache."""
    check_layout(array)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        value, at, n = args
        data = builder.gep(context.make_array(array)(context, builder, value).data, [at])
        step = ir.Constant(n.type, LINE // (array.dtype.bitwidth // 8))
        with cgutils.for_range_slice(builder, ir.Constant(n.type, 0), n, step, n.type) as (k, _):
            fetch(builder, data, k, cache=2)
        return context.get_dummy_value()

    return types.void(array, at, n), codegen


copy = fused(lambda x: (x,), 1)
"""Copies numbers."""
exponentials = fused(lambda x: (exp(x),), 1)
"""e^x of each of some numbers, none above 0."""
