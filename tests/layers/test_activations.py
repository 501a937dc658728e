"""The activations: values against their definitions, and the same bits wherever the result is written."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.layers.activations import sigmoid, sigmoid_or_tanh
from support import naive

EDGES = [0.0, -0.0, 1e-30, -1e-30, 20.0, -20.0, 88.0, -88.0, 745.0, -745.0, 1e30, -1e30, math.inf, -math.inf]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-7), (np.float64, 4e-16)])
def test_sigmoid_equals_its_definition(dtype, tolerance):
    a = np.concatenate((np.random.default_rng(0).normal(size=500) * 5, EDGES)).astype(dtype)
    wanted = [naive.sigma(float(value)) if math.isfinite(value) else float(value > 0) for value in a]
    found = sigmoid(a, np.empty_like(a))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_of_nan_is_nan(dtype):
    a = np.array([np.nan, 1.0], dtype)
    assert np.isnan(sigmoid(a, a)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.integers(1, 9), st.integers(1, 70), st.integers(0, 2**32))
def test_sigmoid_has_the_same_bits_in_place_in_a_slice_and_in_another_array(dtype, B, H, seed):
    a = (np.random.default_rng(seed).normal(size=(B, H)) * 4).astype(dtype)
    kept, other, in_place, wide = a.copy(), np.empty_like(a), a.copy(), np.zeros((B, 2 * H), dtype)
    assert sigmoid(a, other) is other
    assert sigmoid(in_place, in_place) is in_place
    wide[:, :H] = a
    sigmoid(wide[:, :H], wide[:, :H])
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(in_place, other)
    np.testing.assert_array_equal(wide[:, :H], other)
    assert (wide[:, H:] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_or_tanh_has_the_bits_of_sigmoid_or_of_tanh_in_each_column(dtype):
    a = (np.random.default_rng(1).normal(size=(7, 60)) * 4).astype(dtype)
    scale = np.where(np.arange(60) % 3, 0.5, 1).astype(dtype)
    found = sigmoid_or_tanh(a, scale, 1 - scale, np.empty_like(a))
    np.testing.assert_array_equal(found[:, scale == 0.5], sigmoid(a, np.empty_like(a))[:, scale == 0.5])
    np.testing.assert_array_equal(found[:, scale == 1], np.tanh(a)[:, scale == 1])
