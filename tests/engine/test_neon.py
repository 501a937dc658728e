"""ARM's products of narrow numbers: the instructions that are emitted, and what surrounds them, on any machine."""

import importlib.util
from pathlib import Path

import pytest

from support.processes import python

if importlib.util.find_spec("numba") is None:
    pytest.skip("needs numba", allow_module_level=True)

FEATURES = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+neon,+dotprod,+bf16"}
"""Makes charrnn emit them on whichever processor."""

EMITS = """
import llvmlite.binding
from llvmlite import ir
from charrnn.engine.kernels import bfloat16, neon, tile

quads, floats = ir.VectorType(ir.IntType(32), 4), ir.VectorType(ir.FloatType(), 4)
module = ir.Module()
for name, total in (("in_bytes", quads), ("in_pairs", floats)):
    function = ir.Function(module, ir.FunctionType(total, [quads, quads, total]), name)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(tile.multiply_add(builder, *function.args))
llvmlite.binding.initialize_all_targets()
llvmlite.binding.initialize_all_asmprinters()
try:
    target = llvmlite.binding.Target.from_triple("aarch64-linux-gnu")
except RuntimeError:
    print("no target")
else:
    machine = target.create_target_machine(cpu="generic", features="")  # as numba takes a processor it does not know
    compiled = llvmlite.binding.parse_assembly(str(module))
    compiled.verify()
    print(machine.emit_assembly(compiled))
"""


def test_a_product_is_one_instruction_which_numba_need_not_know(tmp_path: Path) -> None:
    assembly = python(EMITS, NUMBA_CACHE_DIR=str(tmp_path), **FEATURES)
    if assembly == "no target\n":
        pytest.skip("this llvmlite compiles for no ARM processor")
    in_bytes, in_pairs = assembly.split("in_pairs:")
    assert "sdot\tv2.4s, v0.16b, v1.16b" in in_bytes
    assert "bfdot\tv2.4s, v0.8h, v1.8h" in in_pairs
    assert "bfdot" not in in_bytes


AGREE = """
import numpy as np
from llvmlite import ir
from charrnn.engine import resolve_precision
from charrnn.engine.kernels import bfloat16, matmul, narrow_panels, neon, outer, simd
from charrnn.layers.matmul import bfloat16 as rounded, bfloat16_matmul
from charrnn.layers.workspace import Workspace
from support.narrow import product

# In place of the instructions, which other processors lack, what they do to numbers whose sums are exact
def add_parts(builder, a, b, total, parts, widen):
    kind, integers = total.type, a.type
    add, multiply = (builder.fadd, builder.fmul) if kind != integers else (builder.add, builder.mul)
    for n in range(parts):
        shift = ir.Constant(integers, [32 // parts * (parts - 1 - n)] * 4)
        total = add(total, multiply(*(widen(builder, x, shift, kind) for x in (a, b))))
    return total

def widen_byte(builder, x, shift, kind):
    return builder.ashr(builder.shl(x, shift), ir.Constant(kind, [24] * 4))

def widen_half(builder, x, shift, kind):
    return builder.bitcast(builder.and_(builder.shl(x, shift), ir.Constant(x.type, [0xFFFF0000] * 4)), kind)

neon.add_quads = lambda builder, a, b, total: add_parts(builder, a, b, total, 4, widen_byte)
neon.add_pairs = lambda builder, a, b, total: add_parts(builder, a, b, total, 2, widen_half)

assert simd.REGISTER_BYTES == 16
assert narrow_panels.ZERO_BYTE == 0
assert resolve_precision("auto", "numba") == "bfloat16"
rng = np.random.default_rng(0)
for R, K, N in ((1, 1, 1), (17, 33, 65), (50, 129, 21)):
    a, W = (rng.integers(-280, 281, shape).astype(np.float32) for shape in ((R, K), (K, N)))
    wanted = bfloat16_matmul(a, W)
    np.testing.assert_array_equal(matmul.matmul(a, W, Workspace(), precision="bfloat16"), wanted)
    found = matmul.matmul(a, W.T.copy(), Workspace(), transposed=True, precision="bfloat16")
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(outer.outer(a.T.copy(), W, Workspace(), precision="bfloat16"), wanted)
    a, W = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((R, K), (K, N)))
    a[:, 0] = W[0] = 127
    np.testing.assert_array_equal(product("int8")(a, W), a @ W)

# What is rounded: halves of the last bit, NaN with any bits, infinity, what rounds to it, and zeros
halves, others = [0x3F808000, 0x3F818000, 0x3F808001], [0x7F800001, 0x7FFFFFFF, 0xFF800000, 0x7F7FFFFF, 0x80000000]
bits = np.concatenate((np.array(halves + others, np.uint32), rng.integers(0, 2**32, 993, np.uint32)))
out = np.empty((1, bfloat16.padded_pairs(len(bits))), bfloat16.PAIR)
bfloat16.round_rows(bits.view(np.float32)[None], out)
np.testing.assert_array_equal(out.view(np.uint16)[0, : len(bits)], rounded(bits.view(np.float32)).view(np.uint32) >> 16)
assert not out.view(np.uint16)[0, len(bits) :].any()
print("agreed")
"""


def test_registers_of_four_pairs_and_signed_quads_give_the_products_of_the_reference(tmp_path: Path) -> None:
    env = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    assert python(AGREE, **env, **FEATURES) == "agreed\n"
