"""The cells, the look-up and the loss of every engine, held to their naive twins and to finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import naive

from charrnn.config import TrainingConfig
from charrnn.layers.workspace import Workspace
from charrnn.training import optimizers

CELLS = ("rnn", "gru", "lstm")
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


def differences(f, array, eps=1e-5):
    """∂f/∂array by central differences; the array is changed in place, entry by entry, and restored."""
    slopes = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + eps
        above = f()
        array[index] = kept - eps
        below = f()
        array[index] = kept
        slopes[index] = (above - below) / (2 * eps)
    return slopes


def test_what_a_cell_says_of_itself(engine):
    for name in CELLS:
        cell = getattr(engine, name)
        recurrent = ("W_hh", "b_hn") if name == "gru" else ("W_hh",)
        assert (naive.GATES[name], naive.STATES[name], recurrent) == (cell.GATES, cell.STATES, cell.RECURRENT)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("T", "B", "H"), SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_forward_equals_its_naive_twin(engine, cell, T, B, H, dtype):
    args = arguments(cell, T, B, H, seed=T + B + H, dtype=dtype)
    outputs, state, _ = getattr(engine, cell).forward(*args)
    wanted, last = naive.CELLS[cell](*args)
    assert outputs.dtype == state.dtype == dtype
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(state, last, rtol=0, atol=TOLERANCE[dtype])


@given(st.sampled_from(CELLS), st.integers(1, 6), st.integers(1, 13), st.integers(1, 7), st.integers(0, 2**32))
def test_forward_equals_its_naive_twin_at_random_shapes(engine, cell, T, B, H, seed):
    args = arguments(cell, T, B, H, seed)
    outputs, state, _ = getattr(engine, cell).forward(*args)
    wanted, last = naive.CELLS[cell](*args)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=1e-11)
    np.testing.assert_allclose(state, last, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", CELLS)
def test_gates_that_are_wide_open_or_shut(engine, cell, dtype):
    x, *rest = arguments(cell, 4, 2, 3, dtype=dtype)
    x[:] = np.where(x > 0, dtype(1e4), dtype(-1e4))
    outputs, state, cache = getattr(engine, cell).forward(x, *rest)
    wanted, last = naive.CELLS[cell](x, *rest)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(state, last, rtol=0, atol=TOLERANCE[dtype])
    assert all(np.isfinite(d).all() for d in getattr(engine, cell).backward(np.ones_like(outputs), cache))


@pytest.mark.parametrize("cut", [1, 4, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_two_chunks_are_one_long_chunk(engine, cell, cut):
    x, *recurrent, state = arguments(cell, 9, 3, 5)
    forward = getattr(engine, cell).forward
    outputs, last, _ = forward(x, *recurrent, state)
    first, between, _ = forward(x[:cut], *recurrent, state)
    second, end, _ = forward(x[cut:], *recurrent, between)
    np.testing.assert_allclose(np.concatenate((first, second)), outputs, rtol=0, atol=1e-13)
    np.testing.assert_allclose(end, last, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_inputs_stay_as_they_are(engine, cell):
    args = arguments(cell, 5, 3, 4, dtype=np.float32)
    copies = [array.copy() for array in args]
    outputs, _, cache = getattr(engine, cell).forward(*args)
    d_outputs = np.full_like(outputs, 0.5)
    getattr(engine, cell).backward(d_outputs, cache)
    for array, copy in zip(args, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert (d_outputs == 0.5).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_call_leaves_the_results_of_the_first_alone(engine, cell):
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


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_of_some_rows_of_a_batch_is_read_right(engine, cell):
    x, *recurrent, state = arguments(cell, 4, 6, 3)
    rows = slice(1, 4)
    outputs, last, _ = getattr(engine, cell).forward(x[:, rows].copy(), *recurrent, state[:, rows])
    wanted, wanted_last = naive.CELLS[cell](x[:, rows], *recurrent, state[:, rows])
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=1e-11)
    np.testing.assert_allclose(last, wanted_last, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_no_number_stays_none(engine, cell, dtype):
    x, *rest = arguments(cell, 3, 2, 20, dtype=dtype)
    x[1, 0, 0] = np.nan
    outputs, state, _ = getattr(engine, cell).forward(x, *rest)
    assert np.isfinite(outputs[0]).all()
    assert np.isnan(outputs[1, 0, 0])
    assert np.isnan(outputs[2, 0]).all()
    assert np.isnan(state[:, 0]).any()
    assert np.isfinite(outputs[:, 1]).all()


@pytest.mark.parametrize("cell", CELLS)
def test_memory_that_was_used_before_changes_nothing(engine, cell):
    workspace = Workspace()
    for T, B, H in ((5, 3, 4), (2, 7, 3), (1, 1, 1), (6, 4, 17)):
        args = arguments(cell, T, B, H, seed=T)
        weights = np.random.default_rng(T).normal(size=(T, B, H))
        wanted, wanted_state, wanted_cache = getattr(engine, cell).forward(*args)
        outputs, state, cache = getattr(engine, cell).forward(*args, workspace)  # which may overwrite its input
        np.testing.assert_array_equal(outputs, wanted)
        np.testing.assert_array_equal(state, wanted_state)
        grads = getattr(engine, cell).backward(weights, cache, workspace)
        for d, wanted_d in zip(grads, getattr(engine, cell).backward(weights, wanted_cache), strict=True):
            np.testing.assert_array_equal(d, wanted_d)


@pytest.mark.parametrize(("T", "B", "H"), [(1, 1, 1), (1, 2, 3), (4, 1, 2), (3, 2, 3), (2, 3, 1)])
@pytest.mark.parametrize("cell", CELLS)
def test_backward_equals_finite_differences_of_the_naive_twin(engine, cell, T, B, H):
    args = arguments(cell, T, B, H, seed=7)
    weights = np.random.default_rng(8).normal(size=(T, B, H))
    _, _, cache = getattr(engine, cell).forward(*args)
    grads = getattr(engine, cell).backward(weights.copy(), cache)  # of Σ weights · outputs
    for d, array in zip(grads, args, strict=True):
        wanted = differences(lambda: (weights * naive.CELLS[cell](*args)[0]).sum(), array)
        np.testing.assert_allclose(d, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("T", "B", "H"), [(3, 7, 17), (2, 6, 32)])
@pytest.mark.parametrize("cell", CELLS)
def test_backward_in_single_precision_equals_it_in_double(engine, cell, T, B, H):
    grads = {}
    for dtype in (np.float32, np.float64):
        args = [array.astype(dtype) for array in arguments(cell, T, B, H, seed=7, dtype=np.float32)]
        weights = np.random.default_rng(8).normal(size=(T, B, H)).astype(np.float32).astype(dtype)
        _, _, cache = getattr(engine, cell).forward(*args)
        grads[dtype] = getattr(engine, cell).backward(weights, cache)
    for single, double in zip(grads[np.float32], grads[np.float64], strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


# The look-up


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9), st.integers(0, 2**32))
def test_embedding_forward_equals_its_naive_twin(engine, V, T, B, columns, seed):
    rng = np.random.default_rng(seed)
    ids, W_ih, b = rng.integers(V, size=(T, B), dtype=np.uint8), rng.normal(size=(V, columns)), rng.normal(size=columns)
    np.testing.assert_allclose(
        engine.embedding.forward(ids, W_ih, b, Workspace()), naive.embedding(ids, W_ih, b), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_embedding_backward_equals_finite_differences(engine, dtype):
    rng = np.random.default_rng(3)
    ids, W_ih, b = rng.integers(4, size=(3, 2)).astype(dtype), rng.normal(size=(5, 6)), rng.normal(size=6)
    dx = rng.normal(size=(3, 2, 6))
    wanted = differences(lambda: (dx * naive.embedding(ids, W_ih, b)).sum(), W_ih)
    dW_ih = engine.embedding.backward(dx, ids, 5, Workspace())
    np.testing.assert_allclose(dW_ih, wanted, rtol=0, atol=1e-9)
    assert (dW_ih[4] == 0).all()  # a character that was never read
    np.testing.assert_allclose(dW_ih.sum(axis=0), dx.sum(axis=(0, 1)), rtol=0, atol=1e-12)  # db


def test_embedding_of_ids_that_are_a_transposed_view(engine):
    rng = np.random.default_rng(4)
    ids, W_ih, b = rng.integers(5, size=(2, 7), dtype=np.uint8).T, rng.normal(size=(5, 3)), rng.normal(size=3)
    np.testing.assert_allclose(
        engine.embedding.forward(ids, W_ih, b, Workspace()), naive.embedding(ids, W_ih, b), rtol=0, atol=1e-14
    )
    dx = rng.normal(size=(7, 2, 3))
    np.testing.assert_allclose(
        engine.embedding.backward(dx, ids, 5, Workspace()),
        engine.embedding.backward(dx, ids.copy(), 5, Workspace()),
        rtol=0,
        atol=1e-14,
    )


# The map between layers


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("N", "into", "out"), [(1, 1, 1), (7, 3, 5), (13, 20, 70), (6, 131, 64), (50, 2, 129), (600, 131, 33)]
)
def test_linear_maps_equal_their_naive_twins(engine, N, into, out, dtype):
    rng = np.random.default_rng(N)
    x, W, b, dy = (rng.normal(size=shape).astype(dtype) for shape in ((N, into), (into, out), (out,), (N, out)))
    kept = [array.copy() for array in (x, W, b, dy)]
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype] * N**0.5}
    y = engine.linear.forward(x, W, b, Workspace())
    dx, dW, db = engine.linear.backward(dy, x, W, Workspace())
    assert {array.dtype for array in (y, dx, dW, db)} == {np.dtype(dtype)}
    for array, copy in zip((x, W, b, dy), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    x, W, b, dy = (array.astype(np.float64) for array in kept)
    np.testing.assert_allclose(y, np.einsum("ni,io->no", x, W) + b, **tolerance)
    np.testing.assert_allclose(dx, np.einsum("no,io->ni", dy, W), **tolerance)
    np.testing.assert_allclose(dW, np.einsum("ni,no->io", x, dy), **tolerance)
    np.testing.assert_allclose(db, dy.sum(axis=0), **tolerance)


@given(st.integers(1, 14), st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32))
def test_linear_backward_undoes_forward(engine, N, into, out, seed):
    rng = np.random.default_rng(seed)
    x, W, b, dy = (rng.normal(size=shape) for shape in ((N, into), (into, out), (out,), (N, out)))
    given_loss = (dy * engine.linear.forward(x, W, b, Workspace())).sum()
    dx, dW, db = engine.linear.backward(dy, x, W, Workspace())
    # The loss is linear in each of the three, so each gradient times its own array is what that adds to it
    assert (dx * x).sum() + (db * b).sum() == pytest.approx(given_loss, rel=1e-9, abs=1e-9)
    assert (dW * W).sum() + (db * b).sum() == pytest.approx(given_loss, rel=1e-9, abs=1e-9)


def test_look_up_and_map_in_memory_that_was_used_before(engine):
    workspace, rng = Workspace(), np.random.default_rng(0)
    for V, T, B, G in ((5, 4, 3, 8), (3, 2, 2, 5), (9, 5, 7, 20)):
        ids, W, b = rng.integers(V, size=(T, B), dtype=np.uint8), rng.normal(size=(V, G)), rng.normal(size=G)
        x, dx = rng.normal(size=(T * B, V)), rng.normal(size=(T, B, G))
        for used, fresh in (
            (engine.embedding.forward(ids, W, b, workspace), engine.embedding.forward(ids, W, b, Workspace())),
            (engine.embedding.backward(dx, ids, V, workspace), engine.embedding.backward(dx, ids, V, Workspace())),
            (engine.linear.forward(x, W, b, workspace), engine.linear.forward(x, W, b, Workspace())),
        ):
            np.testing.assert_array_equal(used, fresh)


# The loss


@given(st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.integers(0, 2**32))
def test_log_softmax_equals_its_naive_twin(engine, N, V, scale, seed):
    logits = np.random.default_rng(seed).normal(size=(N, V)) * scale
    kept = logits.copy()
    wanted = [naive.log_softmax(row) for row in logits]
    np.testing.assert_allclose(engine.softmax.log_softmax(logits), wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(logits, kept)


def test_log_softmax_is_of_the_last_axis(engine):
    logits = np.random.default_rng(2).normal(size=(3, 4, 5))
    wanted = [[naive.log_softmax(row) for row in rows] for rows in logits]
    np.testing.assert_allclose(engine.softmax.log_softmax(logits), wanted, rtol=1e-13)
    np.testing.assert_allclose(engine.softmax.log_softmax(logits[0, 0]), wanted[0][0], rtol=1e-13)


@given(st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.integers(0, 2**32))
def test_cross_entropy_equals_its_naive_twin(engine, N, V, scale, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(N, V)) * scale, rng.integers(V, size=N, dtype=np.uint8)
    rows = [naive.log_softmax(row) for row in logits]
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), targets)
    assert loss == pytest.approx(-sum(row[v] for row, v in zip(rows, targets, strict=True)), rel=1e-12, abs=1e-12)
    wanted = np.exp(rows) - np.eye(V)[targets]  # p - [v = target]
    np.testing.assert_allclose(d_logits, wanted, rtol=0, atol=1e-13)


@given(st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.integers(0, 2**32))
def test_surprises_equal_their_naive_twin(engine, N, V, scale, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(N, V)) * scale, rng.integers(V, size=N, dtype=np.uint8)
    wanted = [-naive.log_softmax(row)[v] for row, v in zip(logits, targets, strict=True)]
    np.testing.assert_allclose(engine.softmax.token_nll(logits, targets), wanted, rtol=1e-12, atol=1e-12)


def test_cross_entropy_backward_equals_finite_differences(engine):
    rng = np.random.default_rng(5)
    logits, targets = rng.normal(size=(3, 4)) * 2, np.array([0, 3, 1], np.uint8)
    _, d_logits = engine.softmax.cross_entropy(logits.copy(), targets)
    wanted = differences(
        lambda: -sum(naive.log_softmax(row)[v] for row, v in zip(logits, targets, strict=True)), logits
    )
    np.testing.assert_allclose(d_logits, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_logits_stay_finite(engine, dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype)
    logp = engine.softmax.log_softmax(logits.copy())
    half, third = np.log(2), np.log(3)
    wanted = [[0, -2e4, -1e4], [-third, -third, -third], [-half, -half, -2e4 - half]]
    np.testing.assert_allclose(logp, wanted, rtol=1e-6)
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), np.array([1, 2, 0], np.uint8))
    assert loss == pytest.approx(2e4 + third + half, rel=1e-6)
    np.testing.assert_allclose(d_logits, [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3], [-0.5, 0.5, 0]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [5, 200])
def test_an_id_that_no_character_has_is_an_error(engine, wrong):
    ids, rng = np.array([[1, wrong]], np.uint8), np.random.default_rng(1)
    for call in (
        lambda: engine.embedding.forward(ids, rng.normal(size=(5, 3)), np.zeros(3), Workspace()),
        lambda: engine.softmax.token_nll(rng.normal(size=(2, 5)), ids[0]),
        lambda: engine.softmax.cross_entropy(rng.normal(size=(2, 5)), ids[0]),
    ):
        with pytest.raises(IndexError):
            call()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_step_of_adam_is_that_of_its_naive_twin(engine, dtype):
    if engine.adam is None:
        pytest.skip("this engine has none of its own")
    rng, config = np.random.default_rng(3), TrainingConfig(steps=1)
    ours = [rng.normal(size=(5, 7)).astype(dtype), *np.zeros((2, 5, 7), dtype)]
    theirs = [array.copy() for array in ours]
    for t in range(1, 6):
        d = rng.normal(size=(5, 7)).astype(dtype)
        for step, (p, m, v) in ((engine.adam, ours), (optimizers.adam, theirs)):
            step(p, d, m, v, 0.01, t, config)
    for array, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_a_single_character_is_certain(engine):
    logits = np.array([[3.0], [-1e4]])
    assert (engine.softmax.log_softmax(logits.copy()) == 0).all()
    loss, d_logits = engine.softmax.cross_entropy(logits.copy(), np.array([0, 0], np.uint8))
    assert loss == 0
    assert (d_logits == 0).all()
