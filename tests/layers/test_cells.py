"""The cells of every engine, against the naive reference and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import layers
from charrnn.layers.workspace import Workspace
from support import naive
from support.cells import CELLS

SHAPES = [
    (1, 1, 1),
    (1, 3, 4),
    (5, 1, 3),
    (4, 3, 1),
    (6, 2, 5),
    (3, 7, 17),
    (2, 6, 16),
    (1, 13, 40),
    (2, 2, 131),
]  # T, B, H
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


def arguments(cell, T, B, H, seed=0, dtype=np.float64):
    """Random x, recurrent parameters and state, as `forward` takes them."""
    rng = np.random.default_rng(seed)
    GH = naive.GATES[cell] * H
    x, W_hh = rng.normal(size=(T, B, GH)), rng.normal(size=(H, GH)) / np.sqrt(H)
    b_hn = [rng.normal(size=H)] if cell == "gru" else []
    state = rng.uniform(-0.9, 0.9, (naive.STATES[cell], B, H))
    return [array.astype(dtype) for array in (x, W_hh, *b_hn, state)]


def check_forward(engine, cell, args):
    """Compares `forward` with the naive reference; returns the outputs and the cache."""
    outputs, state, cache = getattr(engine, cell).forward(*args)
    wanted, wanted_state = naive.CELLS[cell](*args)
    dtype = args[0].dtype.type
    rtol = TOLERANCE[dtype] if cell == "rnn_relu" else 0  # which alone has values beyond 1
    assert outputs.dtype == state.dtype == dtype
    np.testing.assert_allclose(outputs, wanted, rtol=rtol, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(state, wanted_state, rtol=rtol, atol=TOLERANCE[dtype])
    return outputs, cache


def test_cells_declare_their_gates_states_and_recurrent_parameters(engine):
    for name in CELLS:
        cell = getattr(engine, name)
        recurrent = ("W_hh", "b_hn") if name == "gru" else ("W_hh",)
        assert (naive.GATES[name], naive.STATES[name], recurrent) == (cell.GATES, cell.STATES, cell.RECURRENT)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("T", "B", "H"), SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_forward_equals_the_naive_reference(engine, cell, T, B, H, dtype):
    check_forward(engine, cell, arguments(cell, T, B, H, seed=T + B + H, dtype=dtype))


@given(st.sampled_from(CELLS), st.integers(1, 6), st.integers(1, 13), st.integers(1, 7), st.integers(0, 2**32))
def test_forward_equals_the_naive_reference_at_random_shapes(engine, cell, T, B, H, seed):
    check_forward(engine, cell, arguments(cell, T, B, H, seed))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("B", "H"), [(1, 1), (1, 4), (3, 5), (7, 17)])
@pytest.mark.parametrize("cell", CELLS)
def test_step_equals_the_naive_reference_and_changes_no_argument(cell, B, H, dtype):
    x, *recurrent, state = args = arguments(cell, 1, B, H, seed=B + H, dtype=dtype)
    copies = [array.copy() for array in args]
    found = getattr(layers, cell).step(x[0], *recurrent, state)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, naive.CELLS[cell](*args)[1], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for array, copy in zip(args, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("cell", CELLS)
def test_forward_reads_the_state_of_some_rows_of_a_batch(engine, cell):
    x, *recurrent, state = arguments(cell, 4, 6, 3)
    rows = slice(1, 4)
    check_forward(engine, cell, [x[:, rows].copy(), *recurrent, state[:, rows]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", CELLS)
def test_gates_that_are_fully_open_or_closed_give_finite_gradients(engine, cell, dtype):
    x, *rest = arguments(cell, 4, 2, 3, dtype=dtype)
    x[:] = np.where(x > 0, dtype(1e4), dtype(-1e4))
    outputs, cache = check_forward(engine, cell, [x, *rest])
    assert all(np.isfinite(d).all() for d in getattr(engine, cell).backward(np.ones_like(outputs), cache))


@pytest.mark.parametrize("cut", [1, 4, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_in_two_parts_equals_the_whole(engine, cell, cut):
    x, *recurrent, state = arguments(cell, 9, 3, 5)
    forward = getattr(engine, cell).forward
    outputs, last, _ = forward(x, *recurrent, state)
    first, between, _ = forward(x[:cut], *recurrent, state)
    second, end, _ = forward(x[cut:], *recurrent, between)
    np.testing.assert_allclose(np.concatenate((first, second)), outputs, rtol=0, atol=1e-13)
    np.testing.assert_allclose(end, last, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_workspace_the_arguments_stay_unchanged(engine, cell):
    args = arguments(cell, 5, 3, 4, dtype=np.float32)
    copies = [array.copy() for array in args]
    outputs, _, cache = getattr(engine, cell).forward(*args)
    d_outputs = np.full_like(outputs, 0.5)
    getattr(engine, cell).backward(d_outputs, cache)
    for array, copy in zip(args, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert (d_outputs == 0.5).all()


@pytest.mark.parametrize("cell", CELLS)
def test_with_a_workspace_only_x_may_change_and_the_outputs_outlive_backward(engine, cell):
    x, *rest = arguments(cell, 5, 3, 4, dtype=np.float32)
    copies, workspace = [array.copy() for array in rest], Workspace()
    outputs, next_state, cache = getattr(engine, cell).forward(x, *rest, workspace)
    d_outputs, kept, kept_state = np.full_like(outputs, 0.5), outputs.copy(), next_state.copy()
    getattr(engine, cell).backward(d_outputs, cache, workspace)
    np.testing.assert_array_equal(outputs, kept)
    for array, copy in zip(rest, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert (d_outputs == 0.5).all()
    getattr(engine, cell).forward(*arguments(cell, 5, 3, 4, seed=2, dtype=np.float32), workspace)
    np.testing.assert_array_equal(next_state, kept_state)


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_call_leaves_the_results_of_the_first_unchanged(engine, cell):
    c = getattr(engine, cell)
    outputs, state, cache = c.forward(*arguments(cell, 5, 3, 4, seed=1))
    kept, kept_state = outputs.copy(), state.copy()
    c.forward(*arguments(cell, 5, 3, 4, seed=2))
    np.testing.assert_array_equal(outputs, kept)
    np.testing.assert_array_equal(state, kept_state)
    grads = c.backward(np.ones_like(outputs), cache)
    copies = [d.copy() for d in grads]
    other, _, other_cache = c.forward(*arguments(cell, 5, 3, 4, seed=3))
    c.backward(np.ones_like(other), other_cache)
    for d, copy in zip(grads, copies, strict=True):
        np.testing.assert_array_equal(d, copy)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_spreads_through_its_row_and_no_further(engine, cell, dtype):
    x, *rest = arguments(cell, 3, 2, 20, dtype=dtype)
    x[1, 0, -1] = np.nan
    outputs, state, _ = getattr(engine, cell).forward(x, *rest)
    assert np.isfinite(outputs[0]).all()
    assert np.isnan(outputs[1, 0, -1])
    assert np.isnan(outputs[2, 0]).all()
    assert np.isnan(state[:, 0]).any()
    assert np.isfinite(outputs[:, 1]).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_reused_workspace_changes_no_result(engine, cell):
    workspace = Workspace()
    for T, B, H in ((5, 3, 4), (2, 7, 3), (1, 1, 1), (6, 4, 17)):
        args = arguments(cell, T, B, H, seed=T)
        weights = np.random.default_rng(T).normal(size=(T, B, H))
        wanted, wanted_state, wanted_cache = getattr(engine, cell).forward(*args)
        outputs, state, cache = getattr(engine, cell).forward(*args, workspace)  # may overwrite x
        np.testing.assert_array_equal(outputs, wanted)
        np.testing.assert_array_equal(state, wanted_state)
        grads = getattr(engine, cell).backward(weights, cache, workspace)
        for d, wanted_d in zip(grads, getattr(engine, cell).backward(weights, wanted_cache), strict=True):
            np.testing.assert_array_equal(d, wanted_d)


@pytest.mark.parametrize(("T", "B", "H"), [(1, 1, 1), (1, 2, 3), (4, 1, 2), (3, 2, 3), (2, 3, 1)])
@pytest.mark.parametrize("cell", CELLS)
def test_backward_equals_finite_differences_of_the_naive_reference(engine, cell, T, B, H):
    args = arguments(cell, T, B, H, seed=7)
    weights = np.random.default_rng(8).normal(size=(T, B, H))
    _, _, cache = getattr(engine, cell).forward(*args)
    grads = getattr(engine, cell).backward(weights.copy(), cache)  # of Σ weights · outputs
    for d, array in zip(grads, args, strict=True):
        wanted = naive.gradient(lambda: (weights * naive.CELLS[cell](*args)[0]).sum(), array)
        np.testing.assert_allclose(d, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("T", "B", "H"), [(3, 7, 17), (2, 6, 32)])
@pytest.mark.parametrize("cell", CELLS)
def test_backward_in_float32_equals_backward_in_float64(engine, cell, T, B, H):
    grads = {}
    for dtype in (np.float32, np.float64):
        args = [array.astype(dtype) for array in arguments(cell, T, B, H, seed=7, dtype=np.float32)]
        weights = np.random.default_rng(8).normal(size=(T, B, H)).astype(np.float32).astype(dtype)
        _, _, cache = getattr(engine, cell).forward(*args)
        grads[dtype] = getattr(engine, cell).backward(weights, cache)
    for single, double in zip(grads[np.float32], grads[np.float64], strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)
