"""The network: its values against the naive twin, its gradients in random directions, and what training begins with."""

import math

import numpy as np
import pytest
from support import naive

import charrnn.engine.protocols
from charrnn.config import ModelConfig
from charrnn.layers.workspace import Workspace
from charrnn.model import dropout, initialization, network

CELLS = ("rnn", "gru", "lstm")
V, B, H = 5, 3, 4


def problem(config, engine, T, B=B, seed=0, dtype=np.float64):
    """Random parameters, inputs, targets, state and dropout masks of a network."""
    rng = np.random.default_rng(seed)
    shapes = network.param_shapes(config, network.cell_of(config, engine))
    params = {name: rng.normal(scale=0.5, size=shape).astype(dtype) for name, shape in shapes.items()}
    inputs, targets = rng.integers(config.vocab_size, size=(2, T, B), dtype=np.uint8)
    zeros = network.zero_state(config, engine, B, dtype)
    state = rng.uniform(-0.9, 0.9, zeros.shape).astype(dtype)
    return params, inputs, targets, state, dropout.dropout_masks(config, T, B, rng, dtype)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_loss_and_state_equal_the_naive_twin(engine, cell, layers, dropout):
    config = ModelConfig(V, cell, H, layers, dropout)
    params, inputs, targets, state, masks = problem(config, engine, T=4)
    loss, _, next_state = network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    logits, wanted_state = naive.network(params, inputs, state, cell, layers, masks)
    assert loss == pytest.approx(naive.loss(logits, targets), rel=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_forward_and_loss_equal_the_naive_twin(engine, cell, layers):
    config = ModelConfig(V, cell, H, layers, dropout=0.5)  # which is for training alone
    params, inputs, targets, state, _ = problem(config, engine, T=3)
    wanted, wanted_state = naive.network(params, inputs, state, cell, layers)
    logits, next_state = network.forward(params, inputs, state, config, engine)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
    loss, next_state = network.loss(params, inputs, targets, state, config, engine)
    assert loss == pytest.approx(naive.loss(wanted, targets), rel=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
    nats, next_state = network.token_nll(params, inputs, targets, state, config, engine)
    T, B = targets.shape
    each = [[naive.loss(wanted[t, row][None, None], targets[t, row][None, None]) for row in range(B)] for t in range(T)]
    np.testing.assert_allclose(nats, each, rtol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_equals_forward_over_one(cell, layers):
    reference = charrnn.engine.load("numpy")
    config = ModelConfig(V, cell, hidden_size=H, layers=layers)
    params, inputs, _, state, _ = problem(config, reference, T=1)
    kept = state.copy()
    logits, after = network.forward(params, inputs, state, config, reference)
    step_logits, step_after = network.step(params, inputs[0], state, config, reference)
    np.testing.assert_allclose(step_logits, logits[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(step_after, after, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(state, kept)


@pytest.mark.parametrize("T", [1, 7])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_in_random_directions(engine, cell, layers, dropout, T):
    config = ModelConfig(V, cell, H, layers, dropout)
    params, inputs, targets, state, masks = problem(config, engine, T, seed=layers)
    _, grads, _ = network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    assert list(grads) == list(params)
    rng = np.random.default_rng(99)

    def along(direction, eps):
        moved = {name: p + eps * direction[name] for name, p in params.items()}
        return network.loss_and_gradients(moved, inputs, targets, state, config, engine, masks)[0]

    for _ in range(4):
        direction = {name: rng.normal(size=p.shape) for name, p in params.items()}
        slope, eps = sum((grads[name] * direction[name]).sum() for name in params), 1e-4
        # Richardson: of the central differences of two widths, what is left when their error of eps² cancels
        narrow = (along(direction, eps) - along(direction, -eps)) / (2 * eps)
        wide = (along(direction, 2 * eps) - along(direction, -2 * eps)) / (4 * eps)
        assert slope == pytest.approx((4 * narrow - wide) / 3, rel=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_parameter_alone(engine, cell, dropout):
    config = ModelConfig(V, cell, H, 2, dropout)
    params, inputs, targets, state, masks = problem(config, engine, T=5, seed=11)
    _, grads, _ = network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    rng = np.random.default_rng(12)
    for name, p in params.items():
        direction = rng.normal(size=p.shape)

        def along(eps, name=name, moved=p, direction=direction):
            changed = params | {name: moved + eps * direction}
            return network.loss_and_gradients(changed, inputs, targets, state, config, engine, masks)[0]

        wanted = (along(1e-5) - along(-1e-5)) / 2e-5
        assert (grads[name] * direction).sum() == pytest.approx(wanted, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("cell", CELLS)
def test_arguments_stay_as_they_are(engine, cell):
    config = ModelConfig(V, cell, H, 2, dropout=0.3)
    params, inputs, targets, state, masks = problem(config, engine, T=3, dtype=np.float32)
    before = [array.copy() for array in (*params.values(), inputs, targets, state, masks)]
    network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    network.loss(params, inputs, targets, state, config, engine)
    for array, copy in zip((*params.values(), inputs, targets, state, masks), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("borders", [[0, 3, 6], [0, 1, 2, 6], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradients_of_shards_add_up_to_those_of_the_batch(engine, cell, borders):
    config = ModelConfig(V, cell, H, 2, dropout=0.3)
    params, inputs, targets, state, masks = problem(config, engine, T=5, B=6)
    loss, grads, next_state = network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    parts = [
        network.loss_and_gradients(
            params, inputs[:, rows], targets[:, rows], state[:, :, rows], config, engine, masks[:, :, rows]
        )
        for rows in map(slice, borders, borders[1:])
    ]
    assert sum(scope for scope, _, _ in parts) == pytest.approx(loss, rel=1e-12)
    for name, d in grads.items():
        np.testing.assert_allclose(sum(scope[name] for _, scope, _ in parts), d, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([s for _, _, s in parts], axis=2), next_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_losses_and_gradients_follow_the_dtype_of_the_parameters(engine, cell):
    config = ModelConfig(V, cell, H, 2, dropout=0.3)
    params, inputs, targets, state, masks = problem(config, engine, T=5, dtype=np.float32)
    loss, grads, next_state = network.loss_and_gradients(params, inputs, targets, state, config, engine, masks)
    doubles = {name: p.astype(np.float64) for name, p in params.items()}
    wanted_loss, wanted, wanted_state = network.loss_and_gradients(
        doubles, inputs, targets, state.astype(np.float64), config, engine, masks.astype(np.float64)
    )
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-5)
    assert next_state.dtype == np.float32
    for name, d in grads.items():
        assert d.dtype == np.float32, name
        np.testing.assert_allclose(d, wanted[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_memory_that_was_used_before_changes_nothing(engine, cell):
    config, workspace = ModelConfig(V, cell, H, 3, dropout=0.3), Workspace()
    for T, B in ((7, 3), (6, 3), (1, 5), (9, 8)):
        params, inputs, targets, state, masks = problem(config, engine, T, B, seed=T)
        args = (params, inputs, targets, state, config, engine)
        loss, grads, next_state = network.loss_and_gradients(*args, masks, workspace)
        wanted_loss, wanted, wanted_state = network.loss_and_gradients(*args, masks)
        assert loss == wanted_loss
        np.testing.assert_array_equal(next_state, wanted_state)
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name])
        assert network.loss(*args, workspace)[0] == network.loss(*args)[0]


# Dropout


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_masks_leave_the_mean_as_it_is(dropout):
    config = ModelConfig(V, "lstm", 64, 2, dropout)
    masks = dropout.dropout_masks(config, 20, 10, np.random.default_rng(0), np.float64)
    assert np.unique(masks) == pytest.approx([0, 1 / (1 - dropout)], rel=1e-4)
    n = masks.size  # 25,600 draws: the share left out is within five of its standard deviations
    assert abs((masks == 0).mean() - dropout) < 5 * math.sqrt(dropout * (1 - dropout) / n)
    assert abs(masks.mean() - 1) < 5 * math.sqrt(dropout / (1 - dropout) / n)


def test_dropout_masks_follow_from_the_seed():
    config = ModelConfig(V, "gru", 16, 2, 0.5)
    first, again, other = (dropout.dropout_masks(config, 3, 2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()


def test_without_dropout_no_random_number_is_drawn():
    rng = np.random.default_rng(1)
    assert dropout.dropout_masks(ModelConfig(V), 3, 2, rng) is None
    assert rng.random() == np.random.default_rng(1).random()


# What training begins with


@pytest.mark.parametrize("cell", CELLS)
def test_biases_begin_at_zero_but_for_the_forget_gate(engine, cell):
    params = initialization.initial_params(ModelConfig(V, cell, H, 3), engine, np.random.default_rng(0))
    gates = naive.GATES[cell]
    for layer in range(3):
        forget = [0, 1, 0, 0] if cell == "lstm" else [0] * gates
        np.testing.assert_array_equal(params[f"b{layer}"], np.repeat(forget, H))
        if cell == "gru":
            np.testing.assert_array_equal(params[f"b_hn{layer}"], np.zeros(H))
    np.testing.assert_array_equal(params["b_out"], np.zeros(V))


@pytest.mark.parametrize("H", [1, 2, 33])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_begin_orthogonal_gate_by_gate(engine, cell, H):
    params = initialization.initial_params(ModelConfig(V, cell, H, 2), engine, np.random.default_rng(0), np.float64)
    blocks = [block for layer in range(2) for block in np.split(params[f"W_hh{layer}"], naive.GATES[cell], axis=1)]
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(H), rtol=0, atol=1e-12)
    if H > 1:
        assert all((one != other).any() for n, one in enumerate(blocks) for other in blocks[:n])


@pytest.mark.parametrize("cell", CELLS)
def test_other_weights_begin_with_unit_variance_or_within_glorots_limits(engine, cell):
    V, H = 40, 64
    params = initialization.initial_params(ModelConfig(V, cell, H, 2), engine, np.random.default_rng(0), np.float64)
    for name, limit in (
        ("W_ih0", math.sqrt(3)),
        ("W_ih1", math.sqrt(6 / (H + H))),
        ("W_out", math.sqrt(6 / (H + V))),
    ):
        assert 0.99 * limit < np.abs(params[name]).max() <= limit
        assert params[name].std() == pytest.approx(limit / math.sqrt(3), rel=0.05)
        assert abs(params[name].mean()) < 0.05 * limit


def test_initial_parameters_follow_from_the_seed_and_are_single_precision(engine):
    first, again, other = (
        initialization.initial_params(ModelConfig(V, "lstm", H), engine, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert all(p.dtype == np.float32 for p in first.values())
    for name, p in first.items():
        np.testing.assert_array_equal(p, again[name])
    assert (first["W_hh1"] != other["W_hh1"]).any()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_first_loss_is_near_that_of_a_guess(engine, cell, layers):
    V, T, B = 60, 30, 20
    config = ModelConfig(V, cell, 64, layers)
    params = initialization.initial_params(config, engine, np.random.default_rng(0))
    inputs, targets = np.random.default_rng(1).integers(V, size=(2, T, B), dtype=np.uint8)
    loss, _ = network.loss(params, inputs, targets, network.zero_state(config, engine, B), config, engine)
    assert loss / inputs.size == pytest.approx(math.log(V), abs=0.25)


# Rows that end before others of their batch


def padded(config, engine, lengths, seed=0):
    """A problem whose rows end at some lengths, and the places before those."""
    T = max(lengths)
    params, inputs, targets, state, masks = problem(config, engine, T, len(lengths), seed)
    return (params, inputs, targets, state, masks), np.arange(T)[:, None] < lengths


@pytest.mark.parametrize("lengths", [[1, 4, 7], [3, 3, 3], [0, 5, 2, 0], [6]], ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("gru", 2), ("lstm", 3)])
def test_a_batch_that_is_filled_up_equals_its_rows_alone(engine, cell, layers, dropout, lengths):
    config = ModelConfig(V, cell, H, layers, dropout)
    (params, inputs, targets, state, masks), real = padded(config, engine, lengths)
    loss, grads, next_state = network.loss_and_gradients(
        params, inputs, targets, state, config, engine, masks, real=real
    )
    alone = {}
    for row, T in enumerate(lengths):
        if T:
            rows = slice(row, row + 1)
            alone[row] = network.loss_and_gradients(
                params,
                inputs[:T, rows],
                targets[:T, rows],
                state[:, :, rows],
                config,
                engine,
                None if masks is None else masks[:, :T, rows],
            )
    assert loss == pytest.approx(sum(nats for nats, _, _ in alone.values()), rel=1e-12)
    assert list(grads) == list(params)
    for name, d in grads.items():
        np.testing.assert_allclose(sum(scope[name] for _, scope, _ in alone.values()), d, rtol=0, atol=1e-12)
    for row, (_, _, state_alone) in alone.items():
        if lengths[row] == max(lengths):
            np.testing.assert_allclose(next_state[:, :, row], state_alone[:, :, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_of_a_batch_that_is_filled_up_equals_the_naive_twin(engine, cell):
    config = ModelConfig(V, cell, H, 2)
    (params, inputs, targets, state, _), real = padded(config, engine, [2, 5, 4])
    wanted = 0.0
    for row, T in enumerate([2, 5, 4]):
        rows = slice(row, row + 1)
        logits, _ = naive.network(params, inputs[:T, rows], state[:, :, rows], cell, 2)
        wanted += naive.loss(logits, targets[:T, rows])
    assert network.loss(params, inputs, targets, state, config, engine, real=real)[0] == pytest.approx(
        wanted, rel=1e-12
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_places_that_count_in_random_directions(engine, cell, layers):
    config, rng = ModelConfig(V, cell, H, layers, 0.3), np.random.default_rng(5)
    params, inputs, targets, state, masks = problem(config, engine, T=6, seed=layers)
    real = rng.random(inputs.shape) < 0.5  # any places at all, not only the ends of rows

    def run(params):
        return network.loss_and_gradients(params, inputs, targets, state, config, engine, masks, real=real)

    _, grads, _ = run(params)
    for _ in range(4):
        direction = {name: rng.normal(size=p.shape) for name, p in params.items()}
        slope, eps = sum((grads[name] * direction[name]).sum() for name in params), 1e-4
        f = {n: run({name: p + n * eps * direction[name] for name, p in params.items()})[0] for n in (-2, -1, 1, 2)}
        narrow, wide = (f[1] - f[-1]) / (2 * eps), (f[2] - f[-2]) / (4 * eps)
        assert slope == pytest.approx((4 * narrow - wide) / 3, rel=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_what_fills_a_row_up_changes_nothing(engine, cell):
    config = ModelConfig(V, cell, H, 2)
    (params, inputs, targets, state, _), real = padded(config, engine, [1, 4, 7])
    results = []
    for seed in (1, 2):
        filled = np.random.default_rng(seed).integers(V, size=(2, *inputs.shape), dtype=np.uint8)
        x, y = (np.where(real, ids, other) for ids, other in zip((inputs, targets), filled, strict=True))
        results.append(network.loss_and_gradients(params, x, y, state, config, engine, real=real))
    (loss, grads, _), (other_loss, other_grads, _) = results
    assert loss == other_loss
    for name, d in grads.items():
        np.testing.assert_allclose(d, other_grads[name], rtol=0, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS)
def test_places_that_all_count_are_no_different_from_none_named(engine, cell):
    config = ModelConfig(V, cell, H, 2, dropout=0.3)
    params, inputs, targets, state, masks = problem(config, engine, T=5)
    args = (params, inputs, targets, state, config, engine, masks)
    (loss, grads, _), (named, named_grads, _) = (
        network.loss_and_gradients(*args, real=real) for real in (None, np.ones(inputs.shape, bool))
    )
    assert loss == named
    for name, d in grads.items():
        np.testing.assert_array_equal(d, named_grads[name])


@pytest.mark.parametrize("cell", CELLS)
def test_a_shard_in_which_all_rows_have_ended_adds_nothing(engine, cell):
    config = ModelConfig(V, cell, H, 2, dropout=0.3)
    params, inputs, targets, state, masks = problem(config, engine, T=4, dtype=np.float32)
    args, nowhere = (params, inputs, targets, state, config, engine), np.zeros(inputs.shape, bool)
    loss, grads, _ = network.loss_and_gradients(*args, masks, real=nowhere)
    assert loss == network.loss(*args, real=nowhere)[0] == 0
    for name, p in params.items():
        assert grads[name].shape == p.shape
        assert not grads[name].any()


@pytest.mark.parametrize("cell", CELLS)
def test_memory_that_was_used_before_changes_nothing_where_rows_end(engine, cell):
    config, workspace = ModelConfig(V, cell, H, 2), Workspace()
    for lengths in ([7, 3, 2], [1, 1], [0, 4, 9, 9, 1], [2, 5]):
        (params, inputs, targets, state, _), real = padded(config, engine, lengths, seed=len(lengths))
        args = (params, inputs, targets, state, config, engine)
        loss, grads, _ = network.loss_and_gradients(*args, workspace=workspace, real=real)
        wanted_loss, wanted, _ = network.loss_and_gradients(*args, real=real)
        assert loss == wanted_loss == pytest.approx(network.loss(*args, workspace, real)[0], rel=1e-6)
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name])
