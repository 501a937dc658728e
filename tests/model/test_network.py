"""The network: its values against the naive reference, its gradients in random directions, with and without a mask."""

import math

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.dataset.batch import Batch
from charrnn.inspection import weights
from charrnn.layers.workspace import Workspace
from charrnn.model.initialization import initial_params
from charrnn.model.network import Network
from charrnn.training.rank_shards import backward_order
from support import naive
from support.cells import CELLS, model_config
from support.masks import masks_of_outputs
from support.slopes import moved, slope_along

V, B, H = 5, 3, 4


def problem(config, engine, T, B=B, seed=0, dtype=np.float64):
    """A network with random parameters, a batch [T, B], a state and dropout masks."""
    rng, network = np.random.default_rng(seed), Network(config, engine)
    params = {name: rng.normal(scale=0.5, size=shape).astype(dtype) for name, shape in network.param_shapes.items()}
    inputs, targets = rng.integers(config.vocab_size, size=(2, T, B), dtype=np.uint8)
    state = rng.uniform(-0.9, 0.9, network.state_shape(B)).astype(dtype)
    return network, params, Batch(inputs, targets), state, masks_of_outputs(network, T, B, rng, dtype)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_loss_and_state_equal_the_naive_reference(engine, cell, layers, dropout):
    network, params, batch, state, masks = problem(model_config(V, cell, H, layers, dropout), engine, T=4)
    loss, _, next_state = network.loss_and_gradients(params, batch, state, masks)
    logits, wanted_state = naive.network(params, batch.inputs, state, cell, layers, masks)
    assert loss == pytest.approx(naive.loss(logits, batch.targets), rel=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_handed_on_from_the_decoder_down_to_the_first_layer(engine, cell):
    network, params, batch, state, masks = problem(model_config(V, cell, H, 2, 0.4), engine, T=3)
    received = []
    _, grads, _ = network.loss_and_gradients(params, batch, state, masks, receive=received.append)
    assert [name for some in received for name in some] == [name for some in backward_order(network) for name in some]
    assert [*received[0]] == ["W_out", "b_out"]
    assert len(received) == 5
    for some in received:
        for name, found in some.items():
            np.testing.assert_array_equal(found, grads[name])


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_forward_and_losses_equal_the_naive_reference(engine, cell, layers):
    config = model_config(V, cell, H, layers, dropout=0.5)  # which is for training alone
    network, params, batch, state, _ = problem(config, engine, T=3)
    inputs, targets = batch.inputs, batch.targets
    wanted, wanted_state = naive.network(params, inputs, state, cell, layers)
    logits, next_state = network.forward(params, inputs, state)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
    loss, next_state = network.loss(params, batch, state)
    assert loss == pytest.approx(naive.loss(wanted, targets), rel=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
    nats, next_state = network.token_nll(params, inputs, targets, state)
    T, B = targets.shape
    each = [[naive.loss(wanted[t, row][None, None], targets[t, row][None, None]) for row in range(B)] for t in range(T)]
    np.testing.assert_allclose(nats, each, rtol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_equals_forward_over_one(cell, layers):
    config = model_config(V, cell, H, layers)
    network, params, batch, state, _ = problem(config, engines.load("numpy"), T=1)
    kept = state.copy()
    logits, after = network.forward(params, batch.inputs, state)
    step_logits, step_after = network.step(params, batch.inputs[0], state)
    np.testing.assert_allclose(step_logits, logits[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(step_after, after, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(state, kept)


@pytest.mark.parametrize(("cell", "states"), [("lstm", 2), ("gru", 1), ("rnn", 1), ("rnn_relu", 1)])
def test_the_shape_of_a_state_is_that_of_the_zero_state(engine, cell, states):
    network = Network(model_config(V, cell, H, 3), engine)
    assert network.state_shape(B) == network.zero_state(B).shape == (3, states, B, H)
    assert network.state_shape(2**60) == (3, states, 2**60, H), "an array of this shape would not fit into memory"


def check_gradients_in_random_directions(network, params, batch, state, masks, rng):
    """Compares the gradients with finite differences of the loss, in four directions among all parameters."""
    _, grads, _ = network.loss_and_gradients(params, batch, state, masks)
    assert list(grads) == list(params)
    for _ in range(4):
        direction = {name: rng.normal(size=p.shape) for name, p in params.items()}
        slope = sum((grads[name] * direction[name]).sum() for name in params)

        def loss(eps, direction=direction):
            return network.loss_and_gradients(moved(params, direction, eps), batch, state, masks)[0]

        assert slope == pytest.approx(slope_along(loss, network.config.nonlinearity), rel=1e-6)


@pytest.mark.parametrize("T", [1, 7])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_in_random_directions(engine, cell, layers, dropout, T):
    config = model_config(V, cell, H, layers, dropout)
    network, params, batch, state, masks = problem(config, engine, T, seed=layers)
    check_gradients_in_random_directions(network, params, batch, state, masks, np.random.default_rng(99))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_parameter_alone(engine, cell, dropout):
    network, params, batch, state, masks = problem(model_config(V, cell, H, 2, dropout), engine, T=5, seed=11)
    _, grads, _ = network.loss_and_gradients(params, batch, state, masks)
    rng = np.random.default_rng(12)
    for name, p in params.items():
        direction = rng.normal(size=p.shape)

        def loss(eps, name=name, direction=direction):
            return network.loss_and_gradients(moved(params, {name: direction}, eps), batch, state, masks)[0]

        wanted = (loss(1e-5) - loss(-1e-5)) / 2e-5
        assert (grads[name] * direction).sum() == pytest.approx(wanted, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("cell", CELLS)
def test_arguments_stay_as_they_are(engine, cell):
    config = model_config(V, cell, H, 2, dropout=0.3)
    network, params, batch, state, masks = problem(config, engine, T=3, dtype=np.float32)
    arrays = (*params.values(), batch.inputs, batch.targets, state, masks)
    before = [array.copy() for array in arrays]
    network.loss_and_gradients(params, batch, state, masks)
    network.loss(params, batch, state)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("borders", [[0, 3, 6], [0, 1, 2, 6], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradients_of_shards_add_up_to_those_of_the_batch(engine, cell, borders):
    network, params, batch, state, masks = problem(model_config(V, cell, H, 2, dropout=0.3), engine, T=5, B=6)
    loss, grads, next_state = network.loss_and_gradients(params, batch, state, masks)
    parts = [
        network.loss_and_gradients(params, batch.shard(rows), state[:, :, rows], masks[:, :, rows])
        for rows in map(slice, borders, borders[1:])
    ]
    assert sum(nats for nats, _, _ in parts) == pytest.approx(loss, rel=1e-12)
    for name, d in grads.items():
        np.testing.assert_allclose(sum(part[name] for _, part, _ in parts), d, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([s for _, _, s in parts], axis=2), next_state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_losses_and_gradients_follow_the_dtype_of_the_parameters(engine, cell):
    config = model_config(V, cell, H, 2, dropout=0.3)
    network, params, batch, state, masks = problem(config, engine, T=5, dtype=np.float32)
    loss, grads, next_state = network.loss_and_gradients(params, batch, state, masks)
    doubles = {name: p.astype(np.float64) for name, p in params.items()}
    wanted_loss, wanted, wanted_state = network.loss_and_gradients(
        doubles, batch, state.astype(np.float64), masks.astype(np.float64)
    )
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-5)
    assert next_state.dtype == np.float32
    for name, d in grads.items():
        assert d.dtype == np.float32, name
        np.testing.assert_allclose(d, wanted[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_that_was_used_before_changes_nothing(engine, cell):
    config, workspace = model_config(V, cell, H, 3, dropout=0.3), Workspace()
    for T, B in ((7, 3), (6, 3), (1, 5), (9, 8)):
        network, params, batch, state, masks = problem(config, engine, T, B, seed=T)
        loss, grads, next_state = network.loss_and_gradients(params, batch, state, masks, workspace)
        wanted_loss, wanted, wanted_state = network.loss_and_gradients(params, batch, state, masks)
        assert loss == wanted_loss
        np.testing.assert_array_equal(next_state, wanted_state)
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name])
        assert network.loss(params, batch, state, workspace)[0] == network.loss(params, batch, state)[0]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_first_loss_is_near_that_of_a_uniform_guess(engine, cell, layers):
    V, T, B = 60, 30, 20
    network = Network(model_config(V, cell, 64, layers), engine)
    params = initial_params(network, np.random.default_rng(0))
    inputs, targets = np.random.default_rng(1).integers(V, size=(2, T, B), dtype=np.uint8)
    loss, _ = network.loss(params, Batch(inputs, targets), network.zero_state(B))
    assert loss / inputs.size == pytest.approx(math.log(V), abs=0.45 if cell == "rnn_relu" else 0.25)


# A look inside, and the gradient of the state


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_activations_come_with_the_logits_of_forward(engine, cell, layers):
    network, params, batch, state, _ = problem(model_config(V, cell, H, layers), engine, T=6)
    logits, units, gates, next_state = network.forward_with_activations(params, batch.inputs, state)
    wanted, wanted_state = naive.network(params, batch.inputs, state, cell, layers)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(next_state, wanted_state, rtol=0, atol=1e-12)
    assert units.shape == (layers, 6, B, H)
    last = np.tanh(next_state[:, 1]) if cell == "lstm" else next_state[:, 0]
    np.testing.assert_allclose(units[:, -1], last, rtol=0, atol=1e-12)
    assert len(gates) == layers
    names = {*weights.GATES[network.config.cell]} - {"", "candidate"}
    for layer in gates:
        assert set(layer) == names
        assert all(gate.shape == (6, B, H) and (gate > 0).all() and (gate < 1).all() for gate in layer.values())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_the_state_is_that_of_the_last_losses(engine, cell, layers):
    network, params, batch, state, _ = problem(model_config(V, cell, H, layers), engine, T=5)
    grad = network.state_gradient(params, batch.inputs, batch.targets[-1], state)
    assert grad.shape == state.shape
    rng = np.random.default_rng(4)
    for _ in range(3):
        direction = rng.normal(size=state.shape)

        def loss(eps, direction=direction):
            nats, _ = network.token_nll(params, batch.inputs, batch.targets, state + eps * direction)
            return nats[-1].sum()

        assert (grad * direction).sum() == pytest.approx(slope_along(loss, network.config.nonlinearity), rel=1e-6)


# A mask: only the targets that it selects count


def padded(config, engine, lengths, seed=0):
    """A problem whose rows end at some lengths; the mask selects the targets before those."""
    T = max(lengths)
    network, params, batch, state, masks = problem(config, engine, T, len(lengths), seed)
    return network, params, batch._replace(mask=np.arange(T)[:, None] < lengths), state, masks


@pytest.mark.parametrize("lengths", [[1, 4, 7], [3, 3, 3], [0, 5, 2, 0], [6]], ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("rnn_relu", 2), ("gru", 2), ("lstm", 3)])
def test_a_padded_batch_equals_its_rows_alone(engine, cell, layers, dropout, lengths):
    network, params, batch, state, masks = padded(model_config(V, cell, H, layers, dropout), engine, lengths)
    loss, grads, next_state = network.loss_and_gradients(params, batch, state, masks)
    alone = {}
    for row, T in enumerate(lengths):
        if T:
            rows = slice(row, row + 1)
            alone[row] = network.loss_and_gradients(
                params,
                Batch(batch.inputs[:T, rows], batch.targets[:T, rows]),
                state[:, :, rows],
                None if masks is None else masks[:, :T, rows],
            )
    assert loss == pytest.approx(sum(nats for nats, _, _ in alone.values()), rel=1e-12)
    assert list(grads) == list(params)
    for name, d in grads.items():
        np.testing.assert_allclose(sum(part[name] for _, part, _ in alone.values()), d, rtol=0, atol=1e-12)
    for row, (_, _, state_alone) in alone.items():
        if lengths[row] == max(lengths):
            np.testing.assert_allclose(next_state[:, :, row], state_alone[:, :, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_of_a_padded_batch_equals_the_naive_reference(engine, cell):
    network, params, batch, state, _ = padded(model_config(V, cell, H, 2), engine, [2, 5, 4])
    wanted = 0.0
    for row, T in enumerate([2, 5, 4]):
        rows = slice(row, row + 1)
        logits, _ = naive.network(params, batch.inputs[:T, rows], state[:, :, rows], cell, 2)
        wanted += naive.loss(logits, batch.targets[:T, rows])
    assert network.loss(params, batch, state)[0] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_targets_that_count_in_random_directions(engine, cell, layers):
    config, rng = model_config(V, cell, H, layers, 0.3), np.random.default_rng(5)
    network, params, batch, state, masks = problem(config, engine, T=6, seed=layers)
    batch = batch._replace(mask=rng.random(batch.inputs.shape) < 0.5)  # any targets at all, not only the ends of rows
    check_gradients_in_random_directions(network, params, batch, state, masks, rng)


@pytest.mark.parametrize("cell", CELLS)
def test_the_padding_of_a_row_changes_nothing(engine, cell):
    network, params, batch, state, _ = padded(model_config(V, cell, H, 2), engine, [1, 4, 7])
    results = []
    for seed in (1, 2):
        filled = np.random.default_rng(seed).integers(V, size=(2, *batch.inputs.shape), dtype=np.uint8)
        x, y = (np.where(batch.mask, ids, other) for ids, other in zip(batch[:2], filled, strict=True))
        results.append(network.loss_and_gradients(params, Batch(x, y, mask=batch.mask), state))
    (loss, grads, _), (other_loss, other_grads, _) = results
    assert loss == other_loss
    for name, d in grads.items():
        np.testing.assert_allclose(d, other_grads[name], rtol=0, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS)
def test_a_mask_that_selects_all_targets_is_no_different_from_none(engine, cell):
    network, params, batch, state, masks = problem(model_config(V, cell, H, 2, dropout=0.3), engine, T=5)
    (loss, grads, _), (masked, masked_grads, _) = (
        network.loss_and_gradients(params, batch._replace(mask=mask), state, masks)
        for mask in (None, np.ones(batch.inputs.shape, bool))
    )
    assert loss == masked
    for name, d in grads.items():
        np.testing.assert_array_equal(d, masked_grads[name])


@pytest.mark.parametrize("cell", CELLS)
def test_a_shard_in_which_no_target_counts_adds_nothing(engine, cell):
    config = model_config(V, cell, H, 2, dropout=0.3)
    network, params, batch, state, masks = problem(config, engine, T=4, dtype=np.float32)
    batch = batch._replace(mask=np.zeros(batch.inputs.shape, bool))
    loss, grads, _ = network.loss_and_gradients(params, batch, state, masks)
    assert loss == network.loss(params, batch, state)[0] == 0
    for name, p in params.items():
        assert grads[name].shape == p.shape
        assert not grads[name].any()


@pytest.mark.parametrize("cell", CELLS)
def test_the_masked_shards_of_a_batch_add_up_to_it(engine, cell):
    network, params, batch, state, _ = padded(model_config(V, cell, H, 2), engine, [0, 5, 2, 0, 3])
    loss, grads, _ = network.loss_and_gradients(params, batch, state)
    shards = [slice(0, 1), slice(1, 3), slice(3, 5)]  # in the first no target counts
    parts = [network.loss_and_gradients(params, batch.shard(rows), state[:, :, rows]) for rows in shards]
    assert sum(nats for nats, _, _ in parts) == pytest.approx(loss, rel=1e-12)
    for name, d in grads.items():
        np.testing.assert_allclose(sum(part[name] for _, part, _ in parts), d, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_that_was_used_before_changes_nothing_if_rows_end_early(engine, cell):
    config, workspace = model_config(V, cell, H, 2), Workspace()
    for lengths in ([7, 3, 2], [1, 1], [0, 4, 9, 9, 1], [2, 5]):
        network, params, batch, state, _ = padded(config, engine, lengths, seed=len(lengths))
        loss, grads, _ = network.loss_and_gradients(params, batch, state, workspace=workspace)
        wanted_loss, wanted, _ = network.loss_and_gradients(params, batch, state)
        assert loss == wanted_loss == pytest.approx(network.loss(params, batch, state, workspace)[0], rel=1e-6)
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name])
