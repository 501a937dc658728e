"""The products in bfloat16 of the compiled engine, on this processor and as on others, and where there are none."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn import layers
from charrnn.errors import ConfigError, EngineError
from charrnn.layers.matmul import bfloat16, bfloat16_matmul
from charrnn.layers.workspace import Workspace
from support import naive
from support.cells import CELLS
from support.processes import python

if importlib.util.find_spec("numba") is None:
    pytest.skip("needs numba", allow_module_level=True)

from charrnn.engine import cpu_features, precision
from charrnn.engine.kernels import amx, matmul, simd
from charrnn.engine.kernels import bfloat16 as pairs
from charrnn.engine.kernels.outer import OUTER_BLOCK_DEPTH, outer

HAS_BFLOAT16 = not precision.problem_with_bfloat16()
needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor or system has no bfloat16")
SHAPES = [(1, 1, 1), (3, 5, 7), (16, 32, 32), (17, 33, 65), (31, 64, 96), (50, 129, 130), (49, 300, 513)]
"""Rows, depth and columns around the sizes of registers, tiles and panels."""


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    """Whole numbers that bfloat16 rounds, whose products and sums are exact in float32: so their order is no matter."""
    return rng.integers(-280, 281, shape).astype(np.float32)


@needs_bfloat16
@pytest.mark.parametrize(("R", "K", "N"), SHAPES)
def test_products_are_those_of_the_reference_bit_for_bit(R: int, K: int, N: int) -> None:
    rng = np.random.default_rng(R)
    a, W, b = integers(rng, R, K), integers(rng, K, N), integers(rng, N)
    wanted = bfloat16_matmul(a, W)
    if K > 5:
        assert not np.array_equal(wanted, a @ W)
    for transposed, right in ((False, W), (True, np.ascontiguousarray(W.T))):
        found = matmul.matmul(a, right, Workspace(), b, transposed, "bfloat16")
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted + b)
    columns = -(-N // 3)
    left = np.ascontiguousarray(a.T)
    np.testing.assert_array_equal(outer(left, W, Workspace(), precision="bfloat16"), wanted)
    found = outer(left, W, Workspace(), columns, "bfloat16")
    np.testing.assert_array_equal(found, wanted[:, :columns])


@needs_bfloat16
@pytest.mark.parametrize("M", [33, 200])  # in one block of rows, and in several
def test_a_sum_of_many_rows_is_taken_in_blocks(M: int) -> None:
    rng, K = np.random.default_rng(0), 2 * OUTER_BLOCK_DEPTH + 21
    a, b = (rng.integers(-280, 281, (K, n)) * (rng.random((K, 1)) < 0.05) for n in (M, 70))
    a, b = a.astype(np.float32), b.astype(np.float32)
    np.testing.assert_array_equal(
        outer(a, b, Workspace(), precision="bfloat16"), bfloat16_matmul(np.ascontiguousarray(a.T), b)
    )


@needs_bfloat16
def test_no_rows_have_no_products() -> None:
    x, W, dy = np.zeros((0, 5), np.float32), np.ones((5, 3), np.float32), np.zeros((0, 3), np.float32)
    assert matmul.matmul(x, W, Workspace(), precision="bfloat16").shape == (0, 3)
    np.testing.assert_array_equal(outer(x, dy, Workspace(), precision="bfloat16"), np.zeros((5, 3)))


@needs_bfloat16
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38])
def test_nan_and_infinity_pass_through_and_stay_in_their_row(value: float) -> None:
    a, W = np.ones((20, 40), np.float32), np.ones((40, 50), np.float32)
    a[7, 39] = value
    with np.errstate(all="ignore"):
        wanted = bfloat16_matmul(a, W)
    assert not np.isfinite(wanted[7]).any()
    np.testing.assert_array_equal(matmul.matmul(a, W, Workspace(), precision="bfloat16"), wanted)


@needs_bfloat16
def test_a_reused_workspace_changes_no_product() -> None:
    workspace, rng = Workspace(), np.random.default_rng(0)
    for R, K, N in (*SHAPES[::-1], *SHAPES):
        a, W = rng.normal(size=(R, K)).astype(np.float32), rng.normal(size=(K, N)).astype(np.float32)
        for function in (matmul.matmul, lambda a, W, *rest, **kw: outer(a.T.copy(), W, *rest, **kw)):
            used, fresh = (function(a, W, w, precision="bfloat16").copy() for w in (workspace, Workspace()))
            np.testing.assert_array_equal(used, fresh)


def results(layer: Any, name: str, precision: str, T: int, B: int, H: int) -> list[np.ndarray[Any, Any]]:
    """What a cell computes forward and backward."""
    rng, G = np.random.default_rng(1), naive.GATES[name]
    shapes = [(T, B, G * H), (H, G * H), *([(H,)] if name == "gru" else []), (naive.STATES[name], B, H)]
    x, *recurrent, state = (rng.normal(scale=0.3, size=shape).astype(np.float32) for shape in shapes)
    outputs, after, cache = layer.forward(x, *recurrent, state, precision=precision)
    outputs = outputs.copy()
    return [outputs, after, *layer.backward(rng.normal(size=(T, B, H)).astype(np.float32), cache)]


@needs_bfloat16
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("T", "B", "H"), [(1, 3, 17), (6, 16, 32), (5, 37, 65)])
def test_cells_are_those_of_the_reference(name: str, T: int, B: int, H: int) -> None:
    page, compiled = getattr(layers, name), getattr(engines.load("numba"), name)
    found, wanted = (results(layer, name, "bfloat16", T, B, H) for layer in (compiled, page))
    float32 = results(page, name, "float32", T, B, H)
    errors = [np.abs(array - reference).mean() for array, reference in zip(found, wanted, strict=True)]
    effects = [np.abs(array - reference).mean() for array, reference in zip(float32, wanted, strict=True)]
    assert max(effects) > 1e-4
    # A sum in another order may round to another bfloat16, but rarely; that of float32 differs everywhere
    for error, effect in zip(errors, effects, strict=True):
        assert error < 0.1 * effect + 1e-7


@needs_bfloat16
def test_an_engine_in_bfloat16_has_all_products_in_it() -> None:
    rng = np.random.default_rng(0)
    x, W, dy = integers(rng, 9, 40), integers(rng, 40, 6), integers(rng, 9, 6)
    for name in ("numpy", "numba"):
        engine = engines.load(name, "bfloat16")
        assert engine is engines.load(name, "bfloat16")
        assert engine.adam is engines.load(name).adam
        y = engine.linear.forward(x, W, np.zeros(6, np.float32), Workspace())
        np.testing.assert_array_equal(y, bfloat16_matmul(x, W))
        dx, dW, db = engine.linear.backward(dy, x, W, Workspace())
        np.testing.assert_array_equal(dx, bfloat16_matmul(dy, W.T))
        np.testing.assert_array_equal(dW, bfloat16_matmul(x.T, dy))
        np.testing.assert_array_equal(db, dy.sum(axis=0))
        for cell in CELLS:
            plain, own = getattr(engines.load(name), cell), getattr(engine, cell)
            assert (own.GATES, own.STATES, own.RECURRENT) == (plain.GATES, plain.STATES, plain.RECURRENT)
            h = np.array([[[bfloat16(np.float32([1.003]))[0]]]])
            one = np.ones((1, own.GATES), np.float32)
            args = [np.zeros((1, 1, own.GATES), np.float32), one, *([one[0, :1]] if cell == "gru" else [])]
            state = np.full((own.STATES, 1, 1), 1.003, np.float32)
            rounded = np.concatenate((h, state[1:]))
            found, _, _ = own.forward(*args, state)
            wanted, _, _ = plain.forward(*args, rounded)
            if cell != "gru":  # whose z ⊙ h is no product of matrices
                np.testing.assert_allclose(found, wanted, rtol=1e-6)


# Other processors

AGREE = """
import sys
import numpy as np
from charrnn import engine as engines
from charrnn.engine.kernels import bfloat16, matmul, simd
from charrnn.engine.kernels.outer import outer
from charrnn.layers.matmul import bfloat16_matmul
from charrnn.layers.workspace import Workspace

assert engines.resolve_precision("bfloat16", "numba") == "bfloat16"
assert engines.resolve_precision("auto", "numba") == "float32"
assert not bfloat16.HAS_TILES
assert simd.REGISTER_BYTES == 64
rng = np.random.default_rng(0)
for R, K, N in ((1, 1, 1), (17, 33, 65), (50, 129, 200)):
    a, W = (rng.integers(-280, 281, shape).astype(np.float32) for shape in ((R, K), (K, N)))
    wanted = bfloat16_matmul(a, W)
    np.testing.assert_array_equal(matmul.matmul(a, W, Workspace(), precision="bfloat16"), wanted)
    found = matmul.matmul(a, W.T.copy(), Workspace(), transposed=True, precision="bfloat16")
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(outer(a.T.copy(), W, Workspace(), precision="bfloat16"), wanted)
print("agreed")
"""
FEATURES = "+fma,+avx2,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512bf16"


@pytest.mark.skipif("avx512bf16" not in simd.CPU_FEATURES, reason="this processor has no AVX512_BF16")
def test_processors_without_tiles_multiply_registers_of_pairs(tmp_path: Any) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": FEATURES}
    assert python(AGREE, **cache) == "agreed\n"


IS_FASTER = "from charrnn.engine.kernels.bfloat16 import IS_FASTER; print(IS_FASTER)"


@pytest.mark.skipif(cpu_features.IS_ARM, reason="the sets of instructions are x86's")
@pytest.mark.parametrize(
    ("more", "is_faster"), [("", False), (",+amx-tile,+amx-bf16", True), (",+sse4a", True)], ids=["none", "AMX", "AMD"]
)
def test_auto_takes_pairs_only_where_they_are_multiplied_faster(more: str, is_faster: bool) -> None:
    features = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": FEATURES + more}
    assert python(IS_FASTER, **features) == f"{is_faster}\n"


LACKS = """
from charrnn import engine as engines
from charrnn.errors import EngineError

assert engines.resolve_precision("auto", "numba") == "float32"
assert engines.resolve_precision("bfloat16", "numpy") == "bfloat16"
try:
    engines.load("numba", "bfloat16")
except EngineError as error:
    print(error)
"""


def test_a_processor_without_bfloat16_is_told(tmp_path: Any) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    needed = "FEAT_BF16" if cpu_features.IS_ARM else "AVX512_BF16 or AMX"
    assert python(LACKS, **cache) == (
        f'this processor can\'t multiply in bfloat16, for which it takes {needed}: use `precision="float32"`\n'
    )


@pytest.mark.parametrize(("is_arm", "needed"), [(True, "FEAT_BF16"), (False, "AVX512_BF16 or AMX")])
def test_each_architecture_is_told_its_own_feature(is_arm: bool, needed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "HAS_PRODUCTS", False)
    monkeypatch.setattr(precision, "IS_ARM", is_arm)
    assert precision.problem_with_bfloat16().endswith(f"for which it takes {needed}")


def test_a_system_that_keeps_the_tiles_to_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "HAS_PRODUCTS", True)
    monkeypatch.setattr(pairs, "HAS_TILES", True)
    monkeypatch.setattr(pairs, "IS_FASTER", True)
    monkeypatch.setattr(amx, "request_tiles", lambda: False)
    assert engines.resolve_precision("auto", "numba") == "float32"
    with pytest.raises(EngineError, match=r"this system doesn't let programs use .* AMX.*: use `precision=.float32.`"):
        engines.resolve_precision("bfloat16", "numba")


def test_precisions_have_names() -> None:
    assert engines.resolve_precision("float32", "numba") == "float32"
    assert engines.resolve_precision("auto", "numpy") == "float32"
    with pytest.raises(ConfigError, match="choose one of auto, float32, bfloat16"):
        engines.resolve_precision("float16", "numba")
