"""The networks that read whole texts: their losses and gradients, on rows of any lengths, alone and in shards."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.config import CELLS, TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.layers.workspace import Workspace
from charrnn.model.initialization import initial_params
from charrnn.model.masks import Masks
from charrnn.training import optimizers
from charrnn.training.parallel import Shards
from support.ragged import FORMS, LENGTHS, READERS, V, naive_loss, problem
from support.slopes import moved, slope_along

every_form = pytest.mark.parametrize("form", FORMS)
every_reader = pytest.mark.parametrize("form", READERS)


@every_form
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_losses_equal_the_naive_reference(engine, form, cell, layers, lengths):
    case = problem(engine, form, cell, layers, lengths)
    wanted = naive_loss(case)
    assert case.loss_and_gradients()[0] == pytest.approx(wanted, rel=1e-12)
    assert case.network.loss(case.params, case.batch, case.state)[0] == pytest.approx(wanted, rel=1e-12)


@every_form
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_is_for_training_alone(engine, form, cell, locked):
    case = problem(engine, form, cell, 2, [3, 7, 1, 5], dropout=0.4, locked_dropout=locked)
    trained, plain = (naive_loss(case, masked) for masked in (True, False))
    assert trained != pytest.approx(plain, rel=1e-4)
    assert case.loss_and_gradients()[0] == pytest.approx(trained, rel=1e-12)
    assert case.network.loss(case.params, case.batch, case.state)[0] == pytest.approx(plain, rel=1e-12)


@every_form
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_in_random_directions(engine, form, cell, layers, dropout, lengths):
    case, rng = problem(engine, form, cell, layers, lengths, dropout, seed=layers), np.random.default_rng(99)
    _, grads = case.loss_and_gradients()
    assert list(grads) == list(case.params)
    for _ in range(3):
        direction = {name: rng.normal(size=p.shape) for name, p in case.params.items()}
        slope = sum((grads[name] * direction[name]).sum() for name in case.params)

        def loss(eps, direction=direction):
            return case.loss_and_gradients(moved(case.params, direction, eps))[0]

        assert slope == pytest.approx(slope_along(loss), rel=1e-6)


@every_form
@pytest.mark.parametrize(("layers", "locked"), [(1, False), (3, False), (2, True)])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_parameter_alone(engine, form, cell, layers, locked):
    case = problem(engine, form, cell, layers, [1, 6, 0, 3], dropout=0.3, locked_dropout=locked)
    (_, grads), rng = case.loss_and_gradients(), np.random.default_rng(12)
    for name, p in case.params.items():
        direction = rng.normal(size=p.shape)

        def loss(eps, name=name, direction=direction):
            return case.loss_and_gradients(moved(case.params, {name: direction}, eps))[0]

        assert (grads[name] * direction).sum() == pytest.approx(slope_along(loss), rel=1e-6, abs=1e-9), name


@every_form
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_targets_that_count_in_random_directions(engine, form, cell):
    case, rng = problem(engine, form, cell, 2, [5, 2, 4, 3]), np.random.default_rng(3)
    counted = case.batch.mask & (rng.random(case.batch.mask.shape) < 0.5)
    batch = case.batch._replace(mask=counted)
    _, grads = case.loss_and_gradients(batch=batch)
    assert 0 < batch.chars < case.batch.chars
    direction = {name: rng.normal(size=p.shape) for name, p in case.params.items()}
    slope = sum((grads[name] * direction[name]).sum() for name in case.params)
    wanted = slope_along(lambda eps: case.loss_and_gradients(moved(case.params, direction, eps), batch)[0])
    assert slope == pytest.approx(wanted, rel=1e-6)


# Padding and neighbours


@every_reader
@pytest.mark.parametrize("engine_name", ["numpy", "numba"], indirect=True)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_logits_of_a_row_depend_on_neither_padding_nor_neighbours(engine_name, form, cell, layers, dtype):
    lengths = [3, 17, 1, 9, 9, 0, 12, 5, 16, 2]
    case = problem(engines.load(engine_name), form, cell, layers, lengths, T=20, dtype=dtype, hidden_size=20)
    together = case.network.logits(case.params, case.batch.inputs, case.batch.lengths)
    filled = np.where(np.arange(20)[:, None] < lengths, case.batch.inputs, 6).astype(np.uint8)
    # The compiled engine computes each row by itself; BLAS rounds differently for other numbers of rows
    tolerance = 0 if engine_name == "numba" else 1e-5 if dtype == np.float32 else 1e-13
    for other in (
        case.network.logits(case.params, filled, case.batch.lengths),
        case.network.logits(case.params, filled[:17, ::-1], case.batch.lengths[::-1])[..., ::-1, :],
    ):
        np.testing.assert_allclose(other[: len(together)], together[: len(other)], rtol=0, atol=tolerance)
    for row, n in enumerate(lengths):
        if n:
            alone = case.network.logits(case.params, case.batch.inputs[:n, [row]])
            row_of = together[row] if form == "classifier" else together[:n, row]
            np.testing.assert_allclose(alone.reshape(row_of.shape), row_of, rtol=0, atol=tolerance)


@every_reader
@pytest.mark.parametrize("cell", CELLS)
def test_the_padding_of_a_row_changes_no_gradient(engine, form, cell):
    case = problem(engine, form, cell, 2, [1, 7, 4], T=9)
    filled = np.where(np.arange(9)[:, None] < case.batch.lengths, case.batch.inputs, 6).astype(np.uint8)
    (loss, grads), (other, other_grads) = (
        case.loss_and_gradients(batch=case.batch._replace(inputs=inputs)) for inputs in (case.batch.inputs, filled)
    )
    assert loss == other
    for name, d in grads.items():
        np.testing.assert_array_equal(d, other_grads[name], err_msg=name)


@every_reader
@pytest.mark.parametrize("cell", CELLS)
def test_a_row_of_padding_adds_nothing(engine, form, cell):
    case, rows = problem(engine, form, cell, 2, [0, 5, 0, 2, 0]), [1, 3]
    targets, mask, lengths = case.batch.targets, case.batch.mask, case.batch.lengths
    batch = Batch(case.batch.inputs[:, rows], targets[:, rows], mask=mask[:, rows], lengths=lengths[rows])
    (loss, grads), (wanted_loss, wanted) = case.loss_and_gradients(), case.loss_and_gradients(batch=batch)
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    for name, d in grads.items():
        np.testing.assert_allclose(d, wanted[name], rtol=0, atol=1e-12, err_msg=name)


@every_form
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_a_shard_of_padding_alone_adds_nothing(engine, form, cell, dtype):
    case = problem(engine, form, cell, 2, [0, 0], T=4, dropout=0.3, dtype=dtype)
    loss, grads = case.loss_and_gradients()
    assert loss == case.network.loss(case.params, case.batch, case.state)[0] == 0
    for name, p in case.params.items():
        assert grads[name].shape == p.shape
        assert not grads[name].any()


# Shards, arguments and workspaces


@every_form
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 6])
@pytest.mark.parametrize("cell", CELLS)
def test_the_shards_of_a_batch_add_up_to_it(engine, form, cell, n, locked):
    case = problem(engine, form, cell, 2, [0, 5, 2, 8, 1, 3], 0.3, locked_dropout=locked)
    masks = Masks.draw(case.network, np.random.default_rng(1))
    dropout = masks.of_outputs(case.batch.steps, 6, slice(0, 6), dtype=np.float64)
    nats, wanted = case._replace(masks=dropout).loss_and_gradients()
    shards = Shards(case.network, 6, n)
    with shards.threads() as threads:
        loss, grads, _, state = shards.loss_and_gradients(case.params, case.batch, case.state, masks, threads)
    assert loss == pytest.approx(nats / case.batch.chars, rel=1e-12)
    assert state.shape == case.state.shape == case.network.state_shape(6)
    assert case.state.size == 0
    for name, d in wanted.items():
        np.testing.assert_allclose(grads[name], d / case.batch.chars, rtol=0, atol=1e-12, err_msg=name)


@every_reader
@pytest.mark.parametrize("cell", CELLS)
def test_arguments_stay_as_they_are(engine, form, cell):
    network, params, batch, state, masks = problem(engine, form, cell, 2, [3, 5], 0.3, dtype=np.float32)
    arrays = (*params.values(), batch.inputs, batch.targets, batch.mask, batch.lengths, masks)
    before = [array.copy() for array in arrays]
    network.loss_and_gradients(params, batch, state, masks, Workspace())
    network.loss(params, batch, state, Workspace())
    network.logits(params, batch.inputs, batch.lengths, Workspace())
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_reader
@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_that_was_used_before_changes_nothing(engine, form, cell):
    workspace = Workspace()
    for lengths, T in (([7, 3, 2], 7), ([1, 1], 6), ([0, 4, 9, 9, 1], 9), ([2, 5], 5), ([0], 1)):
        network, params, batch, state, _ = case = problem(engine, form, cell, 3, lengths, 0.3, T, seed=len(lengths))
        loss, grads = case.loss_and_gradients(workspace=workspace)
        wanted_loss, wanted = case.loss_and_gradients()
        assert loss == wanted_loss
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name], err_msg=name)
        assert network.loss(params, batch, state, workspace)[0] == network.loss(params, batch, state)[0]
        np.testing.assert_array_equal(
            network.logits(params, batch.inputs, batch.lengths, workspace),
            network.logits(params, batch.inputs, batch.lengths),
        )


@every_form
@pytest.mark.parametrize("cell", CELLS)
def test_losses_and_gradients_follow_the_dtype_of_the_parameters(engine, form, cell):
    lengths = [3, 7, 1, 5]
    single, double = (problem(engine, form, cell, 2, lengths, 0.3, dtype=dtype) for dtype in (np.float32, np.float64))
    doubles = {name: p.astype(np.float64) for name, p in single.params.items()}
    double = double._replace(params=doubles, masks=single.masks.astype(np.float64))
    (loss, grads), (wanted_loss, wanted) = single.loss_and_gradients(), double.loss_and_gradients()
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    for name, d in grads.items():
        assert d.dtype == np.float32, name
        np.testing.assert_allclose(d, wanted[name], rtol=1e-4, atol=1e-4)


@every_form
@pytest.mark.parametrize("cell", CELLS)
def test_a_few_texts_are_learned_by_heart(engine, form, cell):
    case = problem(engine, form, cell, 1, [5, 9, 7, 4, 6, 9, 3, 8], dtype=np.float32, hidden_size=24)
    network, batch, config = case.network, case.batch, TrainingConfig(1, lr=0.02)
    params = initial_params(network, np.random.default_rng(0))
    moments, workspace = optimizers.initial_moments(params, config), Workspace()
    for step in range(1, 121):
        _, grads, _ = network.loss_and_gradients(params, batch, case.state, None, workspace)
        optimizers.update(params, grads, moments, config.lr, step, config, engine)
    assert network.loss(params, batch, case.state)[0] / batch.chars < 0.02


@every_reader
def test_the_same_parameters_serve_any_number_of_outputs_and_layers(engine, form):
    case = problem(engine, form, "gru", 1, [2, 3])
    wider = type(case.network)(replace(case.network.config, outputs=9), engine)
    width = 16 if form == "classifier" else 8
    assert (wider.param_shapes["W_out"], wider.param_shapes["b_out"]) == ((width, 9), (9,))
    assert list(case.network.param_shapes)[-2:] == ["W_out", "b_out"]
    assert case.network.param_shapes["W_ih0_reverse"] == (V, 12)
