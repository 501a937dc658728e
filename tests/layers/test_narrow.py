"""Narrow weights: how they and what they are multiplied by are rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import WEIGHT_PRECISIONS
from charrnn.layers.matmul import bfloat16
from charrnn.layers.narrow import int8_matmul, matmul_with, round_rows, round_weights, whole_numbers


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def test_int8_weights_are_the_nearest_multiples_of_a_step_and_ties_go_to_the_even_one() -> None:
    assert round_weights(column(127, 2.5, 3.5, -2.5, 0.4, -126.6), "int8").ravel().tolist() == [127, 2, 4, -2, 0, -127]
    assert round_weights(column(-254, 3, 5, 1), "int8").ravel().tolist() == [-254, 4, 4, 0]
    assert round_weights(column(0, 0), "int8").ravel().tolist() == [0, 0]


def test_each_column_of_weights_and_each_row_of_values_has_a_step_of_its_own() -> None:
    x = np.array([[127, 1, 0.4], [1270, 14, 16]], np.float32)
    assert round_rows(x).tolist() == [[127, 1, 0], [1270, 10, 20]]
    assert round_weights(np.ascontiguousarray(x.T), "int8").tolist() == [[127, 1270], [1, 10], [0, 20]]


@given(st.integers(1, 40), st.integers(1, 9), st.floats(-40, 4), st.integers(0, 2**32))
def test_no_weight_is_off_by_more_than_half_a_step_and_rounding_again_changes_nothing(K, N, magnitude, seed) -> None:
    W = np.random.default_rng(seed).normal(scale=2**magnitude, size=(K, N)).astype(np.float32)
    numbers, steps = whole_numbers(W)
    assert np.abs(numbers).max() <= 127
    np.testing.assert_array_equal(numbers, np.rint(numbers))
    assert (np.abs(numbers * steps - W) <= steps * 0.5001).all()
    np.testing.assert_allclose(steps, np.abs(W).max(axis=0) / 127, rtol=2**-16)
    for precision in WEIGHT_PRECISIONS:
        rounded = round_weights(W, precision)
        assert rounded.dtype == np.float32
        np.testing.assert_array_equal(round_weights(rounded, precision), rounded)


def test_the_other_precisions_round_weights_alone() -> None:
    rng = np.random.default_rng(0)
    a, W = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 5), (5, 4)))
    assert round_weights(W, "float32") is W
    np.testing.assert_array_equal(round_weights(W, "bfloat16"), bfloat16(W))
    for precision in ("float32", "bfloat16"):
        np.testing.assert_array_equal(matmul_with(precision)(a, W), a @ W)
    np.testing.assert_array_equal(matmul_with("int8")(a, W), round_rows(a) @ W)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_show_in_their_row_or_column_alone(value: float) -> None:
    a, W = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    a[1, 2] = value
    found = int8_matmul(a, W)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, True]
    W[2, 3] = value
    with np.errstate(invalid="ignore"):
        rounded = round_weights(W, "int8")
    assert np.isfinite(rounded).all(axis=0).tolist() == [True, True, True, False, True]


def test_tiny_values_count_as_zeros() -> None:
    x = np.array([[1e-31, -1e-40, 0], [0, 0, 0]], np.float32)
    np.testing.assert_array_equal(round_rows(x), np.zeros_like(x))
