"""The compiled products by narrow weights: those of the reference, row by row, on this processor and on others."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config import WEIGHT_PRECISIONS
from charrnn.layers.narrow import matmul_with, round_weights
from support.narrow import product
from support.processes import python

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
SHAPES = [(1, 1, 1), (1, 128, 512), (3, 5, 7), (16, 32, 32), (17, 33, 65), (50, 129, 130), (7, 700, 200)]
"""Rows, depth and columns around the sizes of registers, quads, panels and blocks."""


def whole(R: int, K: int, N: int) -> list[Any]:
    """Whole numbers, of which the largest make all steps 1: so products and sums are exact, in any order."""
    rng = np.random.default_rng(R + K)
    a, W, b = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((R, K), (K, N), (N,)))
    a[:, -1], W[0] = -127, 127
    return [a, W, b]


@pytest.mark.parametrize(("R", "K", "N"), SHAPES)
@pytest.mark.parametrize("precision", WEIGHT_PRECISIONS)
def test_products_are_those_of_the_reference(precision: str, R: int, K: int, N: int) -> None:
    a, W, b = whole(R, K, N)
    np.testing.assert_array_equal(round_weights(W, precision), W)
    for turn in range(2):
        np.testing.assert_array_equal(product(precision, b, turn)(a, W), a @ W + b)
    rng = np.random.default_rng(R)
    a, W = rng.normal(size=(R, K)).astype(np.float32), rng.normal(size=(K, N)).astype(np.float32)
    rounded = round_weights(W, precision)
    found, wanted = product(precision, b)(a, rounded), matmul_with(precision)(a, rounded) + b
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * K**0.5 * np.abs(wanted).max())
    np.testing.assert_array_equal(product(precision, b)(a, W), found)  # it rounds the weights itself
    if precision != "float32" and K > 1:
        assert np.abs(found - a @ W - b).max() > 1e-4


@pytest.mark.parametrize("precision", WEIGHT_PRECISIONS)
def test_a_row_does_not_depend_on_the_others(precision: str) -> None:
    rng = np.random.default_rng(1)
    a, W = rng.normal(size=(23, 150)).astype(np.float32), rng.normal(size=(150, 70)).astype(np.float32)
    together = product(precision)(a, W)
    for row in range(len(a)):
        np.testing.assert_array_equal(product(precision)(a[row : row + 1], W)[0], together[row])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", WEIGHT_PRECISIONS)
def test_nan_and_infinity_show_in_their_row_or_column_alone(precision: str, value: float) -> None:
    a, W = np.ones((20, 40), np.float32), np.ones((40, 50), np.float32)
    a[7, 39] = value
    finite = np.isfinite(product(precision)(a, W))
    assert not finite[7].any()
    assert finite.sum() == 19 * 50
    a[7, 39], W[3, 11] = 1, value
    finite = np.isfinite(product(precision)(a, W))
    assert not finite[:, 11].any()
    assert finite.sum() == 20 * 49


@pytest.mark.parametrize("precision", WEIGHT_PRECISIONS)
def test_zeros_and_tiny_values_give_the_bias(precision: str) -> None:
    W, b = np.random.default_rng(0).normal(size=(33, 20)).astype(np.float32), np.arange(20, dtype=np.float32)
    a = np.zeros((2, 33), np.float32)
    a[1] = 1e-35
    np.testing.assert_allclose(product(precision, b)(a, W), np.array([b, b]), atol=1e-30)
    np.testing.assert_array_equal(product(precision, b)(np.ones((2, 33), np.float32), 0 * W), np.array([b, b]))


AGREE = """
import sys
import numpy as np
from charrnn.engine.kernels import simd
from support.narrow import product

assert simd.REGISTER_BYTES == int(sys.argv[1])
for R, K, N in ((1, 1, 1), (17, 33, 65), (2, 600, 40)):
    rng = np.random.default_rng(R)
    a, W = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((R, K), (K, N)))
    a[:, 0] = W[0] = 127
    for precision in ("bfloat16", "int8"):
        np.testing.assert_array_equal(product(precision)(a, W), a @ W)
print("agreed")
"""


@pytest.mark.parametrize(("features", "register"), [("", 16), ("+avx2,+fma,+avxvnni", 32)])
def test_processors_without_products_of_bytes_and_with_narrower_ones_compute_the_same(
    features: str, register: int, tmp_path: Path
) -> None:
    from charrnn.engine.kernels import simd

    if not {feature[1:] for feature in features.split(",") if feature} <= simd.CPU_FEATURES:
        pytest.skip("this processor lacks one of the features")
    env = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    assert python(AGREE, register, **env, PYTHONPATH=str(Path(__file__).parents[1])) == "agreed\n"
