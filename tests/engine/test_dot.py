"""Products with packed weights as they are, and of a single row: the values are those of NumPy."""

import importlib.util
from itertools import product

import numpy as np
import pytest

from charrnn.layers.workspace import Workspace
from charrnn.types import Array

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
RNG = np.random.default_rng(0)


def random(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def packed(W: Array) -> Array:
    from charrnn.engine.kernels.matmul import pack

    return pack(W, Workspace())


def test_rows_by_a_transposed_matrix_that_is_packed_as_it_is() -> None:
    from charrnn.engine.kernels.dot import transposed_product, transposed_row_product

    for K, N in product((1, 3, 16, 37), (1, 64, 65, 200)):
        W, a, c = random(K, N), random(5, N), np.full((5, K + 3), np.nan, np.float32)
        panels = packed(W)
        transposed_product(a, panels, N, c)
        np.testing.assert_allclose(c[:, :K], a @ W.T, rtol=0, atol=1e-4)
        row = np.zeros(panels.shape[0] * panels.shape[2], np.float32)
        row[:N] = a[0]
        for turn in (0, 1):
            c[:] = np.nan
            transposed_row_product(row, panels, c[0], turn)
            np.testing.assert_allclose(c[0, :K], W @ a[0], rtol=0, atol=1e-4)


def test_the_products_of_all_rows_of_a_packed_matrix_with_each_other() -> None:
    from charrnn.engine.kernels.dot import BLOCK_ROWS, gram

    for R, N in product((1, 4, 11), (1, 64, 150)):
        a, c = random(R, N), np.full((R, 12), np.nan, np.float32)
        panels = packed(a)
        count, _, width = panels.shape
        gram(R, panels.reshape(-1), width, count * width, width, (R - 1) * width, c)
        wanted = a @ a.T
        for r in range(R):
            first = r // BLOCK_ROWS * BLOCK_ROWS
            np.testing.assert_allclose(c[r, first:R], wanted[r, first:], rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_single_row_has_the_values_that_it_has_among_others(precision: str) -> None:
    from charrnn.engine.kernels.matmul import packed_matmul
    from charrnn.engine.kernels.narrow import pack_weights

    for K, N in product((1, 150), (40, 64, 128, 300)):
        W, a = random(K, N), random(3, K)
        panels, bias = pack_weights(W, precision, random(N))
        alone, together = (np.zeros((rows, bias.shape[1]), np.float32) for rows in (1, 3))
        packed_matmul(a, panels, N, bias, together, 0)
        for turn in (0, 1):
            packed_matmul(a[:1], panels, N, bias, alone, turn)
            np.testing.assert_array_equal(alone[0, :N], together[0, :N])
        if precision == "float32":
            np.testing.assert_allclose(together[:, :N], a @ W + bias[:, :N], rtol=0, atol=1e-4)
