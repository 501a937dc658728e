"""NEON, the vectors of ARM's processors: their products of bytes and of pairs in bfloat16, for registers of 128 bits.

Each is one instruction, which ARM's architecture has as an option (FEAT_DotProd, FEAT_BF16). The one in bfloat16 rounds
in its own way (Arm, "Architecture Reference Manual for A-profile architecture", BFDOT): it rounds to odd the sum of the
two products, and its sum with the total. So each may be off by almost a unit in the last place, up as often as down.
Values below 2⁻¹²⁶ are zero. Sums that float32 can hold are exact.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from charrnn.engine.kernels.simd import CPU_FEATURES

HAS_BYTE_PRODUCTS = "dotprod" in CPU_FEATURES
"""Whether the processor adds four products of bytes with signs; no feature of another architecture has this name."""
HAS_PAIR_PRODUCTS = "bf16" in CPU_FEATURES
"""Whether it adds two products in bfloat16."""
BYTES = ir.VectorType(ir.IntType(8), 16)


class BFloat(ir.Type):  # type: ignore[misc] # llvmlite has no type hints
    """LLVM's bfloat16, which llvmlite does not have."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


BFLOATS = ir.VectorType(BFloat(), 8)


def add_quads(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """total + a₀ b₀ + a₁ b₁ + a₂ b₂ + a₃ b₃ of bytes with signs, in registers of quads."""
    return _call(builder, "sdot.v4i32.v16i8", total, builder.bitcast(a, BYTES), builder.bitcast(b, BYTES))


def add_pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """total + a₀ b₀ + a₁ b₁ in registers of pairs."""
    return _call(builder, "bfdot.v4f32.v8bf16", total, builder.bitcast(a, BFLOATS), builder.bitcast(b, BFLOATS))


def _call(builder: ir.IRBuilder, name: str, *args: ir.Value) -> ir.Value:
    """Emits an instruction, whose result has the type of the first argument."""
    compile_for_host(builder.function)
    kind = ir.FunctionType(args[0].type, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.aarch64.neon.{name}")
    return builder.call(function, args)


def compile_for_host(function: Any) -> None:
    """Lets LLVM use all of the processor's instruction sets in a function: numba tells it only of those it finds."""
    features = ",".join(f"+{name}" for name in sorted(CPU_FEATURES))
    set.add(function.attributes, f'"target-features"="{features}"')  # llvmlite knows only attributes without a value
