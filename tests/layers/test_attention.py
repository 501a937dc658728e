"""The attention of every engine, against the naive reference, finite differences and PyTorch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.layers.workspace import Workspace
from support import naive

SHAPES = [
    (1, 1, 1, 1, 1),
    (1, 3, 4, 2, 3),
    (5, 1, 3, 4, 4),
    (4, 3, 1, 1, 2),
    (6, 2, 5, 5, 10),
    (3, 7, 9, 17, 8),
    (2, 6, 20, 16, 32),
    (17, 2, 18, 3, 6),
    (2, 2, 3, 70, 33),
    (66, 1, 5, 2, 3),
    (2, 1, 131, 3, 2),
    (2, 2, 2, 131, 3),
]  # Td, B, Ts, H, E
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}
NAMES = ("h", "encoded", "W_a", "W_c", "b_c")
"""What has a gradient, in the order in which `backward` returns it."""


def arguments(Td, B, Ts, H, E, seed=0, dtype=np.float64):
    """Random h, encoded, lengths, W_a, W_c and b_c; of the lengths one is 1 and one is Ts, if there are two rows."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, Ts + 1, size=B)
    lengths[0], lengths[-1] = 1, Ts
    shapes = {"h": (Td, B, H), "encoded": (Ts, B, E), "W_a": (E, H), "W_c": (H + E, H), "b_c": (H,)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["W_a"] /= np.sqrt(E * H)  # so that the weights are neither equal nor a single one
    arrays["W_c"] /= np.sqrt(H + E)
    h, encoded, W_a, W_c, b_c = (array.astype(dtype) for array in arrays.values())
    return h, encoded, lengths, W_a, W_c, b_c


def differentiable(args):
    """The arguments that have a gradient: all except the lengths."""
    return [*args[:2], *args[3:]]


def padding_of(encoded, lengths):
    """Which of the steps [Ts, B] are padding."""
    return np.arange(len(encoded))[:, None] >= lengths


def run(engine, args, d_outputs, workspace=None):
    """The outputs, the weights and the gradients, all of them copies."""
    workspace = workspace or Workspace()
    outputs, cache = engine.attention.forward(*args, workspace)
    weights = engine.attention.weights(cache)
    grads = engine.attention.backward(d_outputs, cache, workspace)
    return [array.copy() for array in (outputs, weights, *grads)]


def check_forward(engine, args):
    """Compares the outputs and weights with the naive reference."""
    outputs, cache = engine.attention.forward(*args, Workspace())
    weights = engine.attention.weights(cache)
    wanted, wanted_weights = naive.attention(*args)
    dtype = args[0].dtype.type
    assert outputs.dtype == weights.dtype == dtype
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(weights, wanted_weights, rtol=0, atol=TOLERANCE[dtype])
    assert (weights[wanted_weights == 0] == 0).all()


# Values


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_equals_the_naive_reference(engine, shape, dtype):
    check_forward(engine, arguments(*shape, seed=sum(shape), dtype=dtype))


@given(*(st.integers(1, n) for n in (20, 5, 20, 20, 20)), st.integers(0, 2**32))
def test_forward_equals_the_naive_reference_at_random_shapes(engine, Td, B, Ts, H, E, seed):
    check_forward(engine, arguments(Td, B, Ts, H, E, seed))


def test_sources_without_padding_equal_the_naive_reference(engine):
    h, encoded, lengths, *weights = arguments(3, 4, 5, 6, 7)
    check_forward(engine, (h, encoded, np.full_like(lengths, 5), *weights))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint64])
def test_lengths_may_be_integers_of_any_type(engine, dtype):
    h, encoded, lengths, *weights = arguments(3, 4, 5, 6, 7)
    check_forward(engine, (h, encoded, lengths.astype(dtype), *weights))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_source_of_one_step_has_its_whole_weight(engine, dtype):
    args = arguments(3, 2, 4, 5, 6, dtype=dtype)
    _, cache = engine.attention.forward(*args, Workspace())
    assert (engine.attention.weights(cache)[:, 0] == [1, 0, 0, 0]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_scores_give_weights_of_zero_and_one_and_finite_gradients(engine, dtype):
    h, encoded, lengths, W_a, W_c, b_c = arguments(4, 3, 5, 6, 7, dtype=dtype)
    args = (h * 1000, encoded, lengths, W_a * 1000, W_c, b_c)
    outputs, weights, *grads = run(engine, args, np.ones_like(h))
    np.testing.assert_array_equal(np.sort(weights, axis=2)[:, :, -1], 1)
    np.testing.assert_array_equal(weights.sum(axis=2), 1)
    wanted, _ = naive.attention(*args)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=TOLERANCE[dtype])
    assert all(np.isfinite(d).all() for d in grads)


# Gradients


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (1, 2, 3, 2, 3), (4, 1, 2, 3, 1), (3, 3, 3, 2, 4), (2, 2, 1, 3, 2)])
def test_backward_equals_finite_differences_of_the_naive_reference(engine, shape):
    args = arguments(*shape, seed=7)
    d_outputs = np.random.default_rng(8).normal(size=args[0].shape)
    _, _, *grads = run(engine, args, d_outputs)  # of Σ d_outputs · outputs
    for name, d, array in zip(NAMES, grads, differentiable(args), strict=True):
        wanted = naive.gradient(lambda: (d_outputs * naive.attention(*args)[0]).sum(), array)
        np.testing.assert_allclose(d, wanted, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("shape", [(19, 5, 23, 35, 70), (3, 9, 40, 64, 20), (66, 2, 9, 130, 16), (1, 4, 135, 16, 32)])
def test_each_gradient_is_the_slope_in_random_directions(engine, shape):
    args, rng, eps = arguments(*shape, seed=3), np.random.default_rng(4), 1e-6
    d_outputs = rng.normal(size=args[0].shape)
    _, _, *grads = run(engine, args, d_outputs)
    for name, d, array in zip(NAMES, grads, differentiable(args), strict=True):
        direction, kept, losses = rng.normal(size=array.shape), array.copy(), []
        for step in (eps, -eps):
            array[...] = kept + step * direction
            losses.append((d_outputs * engine.attention.forward(*args, Workspace())[0]).sum())
        array[...] = kept
        slope = (losses[0] - losses[1]) / (2 * eps)
        assert (d * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("shape", [(7, 3, 9, 17, 20), (12, 6, 12, 32, 64)])
def test_backward_in_float32_equals_backward_in_float64(engine, shape):
    found = {}
    for dtype in (np.float32, np.float64):
        args = [a if a.dtype.kind == "i" else a.astype(dtype) for a in arguments(*shape, seed=7, dtype=np.float32)]
        d_outputs = np.random.default_rng(8).normal(size=args[0].shape).astype(np.float32).astype(dtype)
        found[dtype] = run(engine, args, d_outputs)
    for single, double in zip(found[np.float32], found[np.float64], strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_equal_pytorchs(engine, shape, dtype):
    torch = pytest.importorskip("torch")
    args = arguments(*shape, seed=sum(shape), dtype=dtype)
    d_outputs = np.random.default_rng(8).normal(size=args[0].shape).astype(dtype)
    found, weights, *grads = run(engine, args, d_outputs)

    h, encoded, W_a, W_c, b_c = tensors = [torch.from_numpy(array).requires_grad_() for array in differentiable(args)]
    queries, memory = h.transpose(0, 1), encoded.transpose(0, 1)
    padding = torch.from_numpy(padding_of(*args[1:3]).T)
    scores = (queries @ (memory @ W_a).transpose(1, 2)).masked_fill(padding[:, None], -torch.inf)
    wanted_weights = scores.softmax(dim=2)
    context = wanted_weights @ memory
    wanted = torch.tanh(torch.cat((queries, context), dim=2) @ W_c + b_c).transpose(0, 1)
    wanted.backward(torch.from_numpy(d_outputs))

    tolerance = {"rtol": 0, "atol": 2e-4 if dtype == np.float32 else 1e-11}
    np.testing.assert_allclose(found, wanted.detach().numpy(), **tolerance)
    np.testing.assert_allclose(weights, wanted_weights.detach().numpy().swapaxes(0, 1), **tolerance)
    for name, d, tensor in zip(NAMES, grads, tensors, strict=True):
        np.testing.assert_allclose(d, tensor.grad.numpy(), **tolerance, err_msg=name)


def test_the_gradients_of_the_rows_of_a_batch_add_up_to_those_of_the_batch(engine):
    h, encoded, lengths, *weights = arguments(5, 7, 6, 9, 11)
    d_outputs = np.random.default_rng(1).normal(size=h.shape)
    whole = run(engine, (h, encoded, lengths, *weights), d_outputs)
    shards = [slice(0, 3), slice(3, 4), slice(4, 7)]
    parts = [
        run(engine, (h[:, rows], encoded[:, rows], lengths[rows], *weights), d_outputs[:, rows]) for rows in shards
    ]
    for n, (array, *pieces) in enumerate(zip(whole, *parts, strict=True)):
        summed = np.concatenate(pieces, axis=1) if n < 4 else sum(pieces)
        np.testing.assert_allclose(array, summed, rtol=0, atol=1e-12)


# Padding


@pytest.mark.parametrize("value", [0.0, 1e38, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_values_of_the_padding_change_no_bit(engine, dtype, value):
    h, encoded, lengths, *weights = arguments(4, 5, 7, 6, 9, dtype=dtype)
    padding = padding_of(encoded, lengths)
    assert padding.any()
    other = encoded.copy()
    other[padding] = value
    d_outputs = np.random.default_rng(1).normal(size=h.shape).astype(dtype)
    wanted = run(engine, (h, encoded, lengths, *weights), d_outputs)
    found = run(engine, (h, other, lengths, *weights), d_outputs)
    for array, wanted_array in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(array, wanted_array)
    assert (found[1].transpose(2, 1, 0)[padding] == 0).all()
    assert (found[3][padding] == 0).all()  # d_encoded
    assert (found[3][~padding] != 0).any(axis=1).all()


def test_more_padding_changes_nothing(engine):
    h, encoded, lengths, *weights = arguments(4, 5, 7, 6, 9)
    longer = np.concatenate((encoded, np.full((3, *encoded.shape[1:]), 8.0)))
    d_outputs = np.random.default_rng(1).normal(size=h.shape)
    wanted = run(engine, (h, encoded, lengths, *weights), d_outputs)
    found = run(engine, (h, longer, lengths, *weights), d_outputs)
    found[1], found[3] = found[1][:, :, :7], found[3][:7]
    for array, wanted_array in zip(found, wanted, strict=True):
        np.testing.assert_allclose(array, wanted_array, rtol=0, atol=1e-13)


@pytest.mark.parametrize("lengths", [[0, 3], [3, 6], [-1, 2]])
def test_a_length_outside_the_source_is_an_error(engine, lengths):
    h, encoded, _, *weights = arguments(2, 2, 5, 3, 4)
    with pytest.raises(ValueError, match="outside 1 to 5"):
        engine.attention.forward(h, encoded, np.array(lengths), *weights, Workspace())


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_queries_without_a_row_for_each_source_are_an_error(engine, rows):
    h, encoded, lengths, W_a, W_c, b_c = arguments(2, 3, 5, 3, 4)
    source = engine.attention.project(encoded, lengths, W_a, W_c, b_c, Workspace())
    with pytest.raises(ValueError, match=f"the queries have {rows} rows, but there are 3 sources"):
        engine.attention.attend(np.resize(h, (2, rows, 3)), source, Workspace())


# NaN


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nan_in_a_source_spreads_through_its_row_and_no_further(engine, dtype):
    h, encoded, lengths, *weights = arguments(3, 4, 6, 20, 10, dtype=dtype)
    lengths[1] = 4
    encoded[2, 1, 3] = np.nan
    outputs, alpha, dh, d_encoded, *d_weights = run(engine, (h, encoded, lengths, *weights), np.ones_like(h))
    others = [0, 2, 3]
    for array in (outputs, dh, d_encoded[:4]):
        assert np.isnan(array[:, 1]).all()
        assert np.isfinite(array[:, others]).all()
    assert np.isnan(alpha[:, 1, :4]).all()
    assert (alpha[:, 1, 4:] == 0).all()
    assert (d_encoded[4:, 1] == 0).all()
    assert all(np.isnan(d).any() for d in d_weights)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nan_in_a_query_spreads_through_its_step_and_no_further(engine, dtype):
    h, *rest = arguments(3, 2, 4, 20, 10, dtype=dtype)
    h[1, 0, 5] = np.nan
    outputs, _ = engine.attention.forward(h, *rest, Workspace())
    assert np.isnan(outputs[1, 0]).all()
    assert np.isfinite(outputs[[0, 2]]).all()
    assert np.isfinite(outputs[1, 1]).all()


# Steps


def test_one_step_at_a_time_gives_the_outputs_of_all_steps_at_once(engine):
    h, encoded, lengths, W_a, W_c, b_c = args = arguments(6, 4, 5, 7, 9)
    wanted, cache = engine.attention.forward(*args, Workspace())
    wanted_weights, workspace = engine.attention.weights(cache), Workspace()
    source = engine.attention.project(encoded, lengths, W_a, W_c, b_c, workspace)
    for t in range(len(h)):
        outputs, cache = engine.attention.attend(h[t : t + 1], source, workspace)
        np.testing.assert_allclose(outputs[0], wanted[t], rtol=0, atol=1e-13)
        np.testing.assert_allclose(engine.attention.weights(cache)[0], wanted_weights[t], rtol=0, atol=1e-13)


def test_beams_in_place_of_steps_give_the_outputs_of_as_many_copies_of_the_source(engine):
    K, B = 3, 4
    _, encoded, lengths, W_a, W_c, b_c = arguments(1, B, 5, 7, 9)
    h = np.random.default_rng(2).normal(size=(1, B * K, 7))
    copies = (np.repeat(encoded, K, axis=1), np.repeat(lengths, K), W_a, W_c, b_c)
    wanted, _ = engine.attention.forward(h, *copies, Workspace())
    source = engine.attention.project(encoded, lengths, W_a, W_c, b_c, Workspace())
    outputs, _ = engine.attention.attend(h.reshape(B, K, 7).swapaxes(0, 1), source, Workspace())
    np.testing.assert_allclose(outputs.swapaxes(0, 1).reshape(1, B * K, 7), wanted, rtol=0, atol=1e-13)


# Workspaces


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_reused_workspace_changes_no_result(engine, dtype):
    workspace = Workspace()
    poison = [
        array * dtype(np.nan) if array.dtype == dtype else array for array in arguments(40, 9, 70, 80, 90, dtype=dtype)
    ]
    run(engine, poison, poison[0], workspace)
    for shape in ((5, 3, 6, 4, 8), (2, 7, 3, 3, 5), (1, 1, 1, 1, 1), (6, 4, 9, 70, 65), (19, 3, 18, 5, 2)):
        args = arguments(*shape, seed=shape[0], dtype=dtype)
        d_outputs = np.random.default_rng(shape[1]).normal(size=args[0].shape).astype(dtype)
        used, fresh = run(engine, args, d_outputs, workspace), run(engine, args, d_outputs)
        for array, wanted in zip(used, fresh, strict=True):
            np.testing.assert_array_equal(array, wanted)


def test_the_arguments_and_the_outputs_stay_unchanged(engine):
    args, workspace = arguments(5, 3, 6, 4, 8, dtype=np.float32), Workspace()
    copies = [array.copy() for array in args]
    outputs, cache = engine.attention.forward(*args, workspace)
    d_outputs, kept = np.full_like(outputs, 0.5), outputs.copy()
    engine.attention.backward(d_outputs, cache, workspace)
    np.testing.assert_array_equal(outputs, kept)
    for array, copy in zip(args, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert (d_outputs == 0.5).all()


def test_a_source_outlives_the_calls_of_attend_and_backward(engine):
    h, encoded, lengths, W_a, W_c, b_c = arguments(5, 3, 6, 4, 8)
    workspace = Workspace()
    source = engine.attention.project(encoded, lengths, W_a, W_c, b_c, workspace)
    first, cache = engine.attention.attend(h, source, workspace)
    kept = first.copy()
    kept_grads = [d.copy() for d in engine.attention.backward(np.ones_like(h), cache, workspace)]
    _, other_cache = engine.attention.attend(-2 * h[:3], source, workspace)
    engine.attention.backward(np.ones_like(h[:3]), other_cache, workspace)
    again, cache = engine.attention.attend(h, source, workspace)
    np.testing.assert_array_equal(again, kept)
    for d, wanted in zip(engine.attention.backward(np.ones_like(h), cache, workspace), kept_grads, strict=True):
        np.testing.assert_array_equal(d, wanted)


def test_the_gradients_are_contiguous(engine):
    args, workspace = arguments(5, 3, 6, 4, 8), Workspace()
    outputs, cache = engine.attention.forward(*args, workspace)
    grads = engine.attention.backward(np.ones_like(outputs), cache, workspace)
    assert [d.shape for d in grads] == [array.shape for array in differentiable(args)]
    assert all(d.flags.c_contiguous for d in (outputs, *grads))


def test_threads_with_workspaces_of_their_own_do_not_disturb_each_other(engine):
    jobs = [(arguments(9, 8, 10, 40, 50, seed=seed, dtype=np.float32), Workspace()) for seed in range(8)]

    def work(job):
        args, workspace = job
        return [run(engine, args, np.ones_like(args[0]), workspace) for _ in range(5)][-1]

    wanted = [work(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for found, alone in zip(pool.map(work, jobs), wanted, strict=True):
            for array, wanted_array in zip(found, alone, strict=True):
                np.testing.assert_array_equal(array, wanted_array)
