"""The translator: an encoder, a decoder and attention together, against PyTorch, and step by step."""

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.checkpoint.pytorch_format import from_torch, to_torch
from charrnn.config import CELLS, TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.layers import attention
from charrnn.layers.workspace import Workspace
from charrnn.model.initialization import initial_params
from charrnn.training import optimizers
from support.ragged import H, V, check_pytorchs_gradients, problem

LENGTHS = [3, 7, 1, 5, 7]


def translator(engine, cell="lstm", layers=2, lengths=LENGTHS, **settings):
    return problem(engine, "translator", cell, layers, lengths, **settings)


# PyTorch


def pytorch_module(cell, layers):
    """The module that a user of PyTorch would write, in float64."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    rnn = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.score, self.output = torch.nn.Linear(2 * H, H, bias=False), torch.nn.Linear(3 * H, H)

        def forward(self, h, e, lengths):
            scores = torch.einsum("tbh,sbh->tbs", h, self.score(e))
            padding = torch.arange(len(e))[None, None] >= lengths[:, None]
            context = torch.einsum("tbs,sbe->tbe", scores.masked_fill(padding, -torch.inf).softmax(2), e)
            return torch.tanh(self.output(torch.cat((h, context), dim=2)))

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = rnn(V, H, layers, bidirectional=True)
            self.decoder, self.attention = rnn(V, H, layers), Attention()
            self.head = torch.nn.Linear(H, V)
            self.double()

        def forward(self, batch):
            """The logits [T, B, V]."""
            sources, inputs = (
                torch.nn.functional.one_hot(torch.from_numpy(ids.astype(np.int64)), V).double()
                for ids in (batch.sources, batch.inputs)
            )
            lengths = torch.from_numpy(batch.lengths)
            packed = torch.nn.utils.rnn.pack_padded_sequence(sources, lengths, enforce_sorted=False)
            e, _ = torch.nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0])
            return self.head(self.attention(self.decoder(inputs)[0], e, lengths))

    return torch, Module()


def pytorch_loss(torch, module, batch):
    """The summed loss of the targets that count."""
    counted, targets = torch.from_numpy(batch.mask), torch.from_numpy(batch.targets.astype(np.int64))
    return torch.nn.functional.cross_entropy(module(batch)[counted], targets[counted], reduction="sum")


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_and_the_gradients_equal_pytorchs(engine, cell, layers):
    case = translator(engine, cell, layers)
    torch, module = pytorch_module(cell, layers)
    tensors = to_torch(case.params, case.network)
    module.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()}, strict=True)
    check_pytorchs_gradients(case, module, pytorch_loss(torch, module, case.batch))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_weights_of_a_pytorch_module_compute_the_same_here(engine, cell, layers):
    torch, module = pytorch_module(cell, layers)  # which initialises both biases at random
    case = translator(engine, cell, layers)
    params = from_torch({name: t.numpy() for name, t in module.state_dict().items()}, case.network)
    assert {name: p.shape for name, p in params.items()} == case.network.param_shapes
    wanted = pytorch_loss(torch, module, case.batch).item()
    assert case.network.loss(params, case.batch, case.state)[0] == pytest.approx(wanted, rel=1e-12)


# Padding, neighbours, arguments


@pytest.mark.parametrize("engine_name", ["numpy", "numba"], indirect=True)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_what_a_row_costs_depends_on_neither_padding_nor_neighbours(engine_name, cell, dtype):
    lengths = [3, 17, 1, 9, 9, 0, 12, 5]
    case = translator(engines.load(engine_name), cell, 2, lengths, T=20, dtype=dtype, hidden_size=20)
    batch, tolerance = case.batch, 1e-4 if dtype == np.float32 else 1e-12
    together = case.network.token_nll(case.params, batch)
    filled = np.where(np.arange(20)[:, None] < lengths, batch.sources, 6).astype(np.uint8)
    other = case.network.token_nll(case.params, batch._replace(sources=filled))
    np.testing.assert_array_equal(other[batch.mask], together[batch.mask])
    for row, n in enumerate(lengths):
        if N := int(batch.mask[:, row].sum()):
            columns = (batch.inputs[:N, [row]], batch.targets[:N, [row]])
            alone = case.network.token_nll(case.params, Batch(*columns, sources=batch.sources[:n, [row]]))
            np.testing.assert_allclose(alone[:, 0], together[:N, row], rtol=0, atol=tolerance)


def test_a_target_that_does_not_count_and_the_padding_of_a_source_change_no_gradient(engine):
    case = translator(engine, lengths=[1, 7, 4], T=9)
    batch = case.batch
    filled = np.where(np.arange(9)[:, None] < batch.lengths, batch.sources, 6).astype(np.uint8)
    targets = np.where(batch.mask, batch.targets, 6).astype(np.uint8)
    (loss, grads), (other, other_grads) = (
        case.loss_and_gradients(batch=b) for b in (batch, batch._replace(sources=filled, targets=targets))
    )
    assert loss == other
    for name, d in grads.items():
        np.testing.assert_array_equal(d, other_grads[name], err_msg=name)


def test_arguments_stay_as_they_are_and_a_used_workspace_changes_nothing(engine):
    workspace = Workspace()
    for lengths in ([7, 3, 2], [1, 1], [0, 4, 9, 9, 1], [2, 5], [1]):
        case = translator(engine, lengths=lengths, dropout=0.3, seed=len(lengths))
        batch = case.batch
        arrays = (*case.params.values(), batch.inputs, batch.targets, batch.mask, batch.lengths, batch.sources)
        before = [array.copy() for array in (*arrays, case.masks)]
        loss, grads = case.loss_and_gradients(workspace=workspace)
        wanted_loss, wanted = case.loss_and_gradients()
        assert loss == wanted_loss
        for name, d in grads.items():
            np.testing.assert_array_equal(d, wanted[name], err_msg=name)
        found = case.network.token_nll(case.params, batch, workspace)
        np.testing.assert_array_equal(found, case.network.token_nll(case.params, batch))
        for array, copy in zip((*arrays, case.masks), before, strict=True):
            np.testing.assert_array_equal(array, copy)


# Writing


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_come_to_the_losses_of_the_whole_target(cell, layers, beams):
    case = translator(engines.load("numpy"), cell, layers)
    network, batch, (T, B) = case.network, case.batch, case.batch.inputs.shape
    wanted, workspace = network.token_nll(case.params, batch).copy(), Workspace()
    source = network.read(case.params, batch.sources, batch.lengths, Workspace())
    state = network.decoder.zero_state(B * beams, np.float64)
    for t in range(T):
        ids, targets = (np.repeat(column[t], beams) for column in (batch.inputs, batch.targets))
        logits, state = network.step(case.params, ids, state, source, workspace)
        nll = logits.max(axis=1) + np.log(np.exp(logits - logits.max(axis=1)[:, None]).sum(axis=1))
        nll -= logits[np.arange(len(ids)), targets]
        np.testing.assert_allclose(nll.reshape(B, beams), wanted[t][:, None].repeat(beams, 1), rtol=0, atol=1e-12)


def test_some_of_the_sources_are_attended_as_among_all():
    case = translator(engines.load("numpy"))
    network, batch = case.network, case.batch
    source = network.read(case.params, batch.sources, batch.lengths, Workspace())
    ids, state = batch.inputs[0], network.decoder.zero_state(len(LENGTHS), np.float64)
    everything, _ = network.step(case.params, ids, state, source, Workspace())
    for rows in ([2], [0, 3], [4, 1, 2]):
        some = attention.select_rows(source, np.array(rows))
        logits, _ = network.step(case.params, ids[rows], state[:, :, rows], some, Workspace())
        np.testing.assert_allclose(logits, everything[rows], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_reversed_texts_are_learned_by_heart_and_aligned_from_behind(engine, cell):
    rng, B, N = np.random.default_rng(0), 12, 4
    case = translator(engine, cell, 1, [N] * B, dtype=np.float32, hidden_size=24)
    sources = rng.integers(1, V, size=(N, B), dtype=np.uint8)
    inputs = np.concatenate((np.zeros((1, B), np.uint8), sources[:0:-1]))
    batch = Batch(inputs, sources[::-1].copy(), lengths=np.full(B, N), sources=sources)
    network, config = case.network, TrainingConfig(1, lr=0.02)
    params = initial_params(network, np.random.default_rng(0))
    moments, workspace = optimizers.initial_moments(params, config), Workspace()
    for step in range(1, 201):
        _, grads, _ = network.loss_and_gradients(params, batch, case.state, None, workspace)
        optimizers.clip(grads, optimizers.global_norm(grads.values()), config)
        optimizers.update(params, grads, moments, config.lr, step, config, engine)
    assert network.loss(params, batch, case.state)[0] / batch.chars < 0.02
    weights = network.alignment(params, batch)
    assert weights.shape == (N, B, N)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=0, atol=1e-5)
