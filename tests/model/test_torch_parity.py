"""Parity with PyTorch: whole texts, packed there, have the same logits, losses and gradients in both directions."""

import numpy as np
import pytest

from charrnn.checkpoint.pytorch_format import from_torch, to_torch
from charrnn.config import CELLS
from support.ragged import OUTPUTS, READERS, H, V, check_pytorchs_gradients, problem

torch = pytest.importorskip("torch")

torch.set_num_threads(1)  # more threads would only slow these tiny networks down

MODULES = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
LENGTHS = [3, 7, 1, 5, 7]

pytestmark = pytest.mark.parametrize("form", READERS)


class Module(torch.nn.Module):
    """The module that a user of PyTorch would write, with the names `rnn` and `head`."""

    def __init__(self, form, cell, layers):
        super().__init__()
        self.form, self.rnn = form, MODULES[cell](V, H, layers, bidirectional=True)
        self.head = torch.nn.Linear((4 if form == "classifier" else 2) * H, OUTPUTS)
        self.double()

    def forward(self, x, lengths):
        """The logits [B, outputs] or [T, B, outputs] for one-hot characters x [T, B, V]."""
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        outputs, last = self.rnn(packed)
        h, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=len(x))
        if self.form == "tagger":
            return self.head(h)
        last = last[0] if isinstance(last, tuple) else last
        return self.head(torch.cat((h.sum(0) / lengths[:, None], last[-2], last[-1]), dim=1))


def loaded(case):
    """PyTorch's module with the parameters of a problem, its one-hot inputs, and its lengths."""
    config = case.network.config
    module = Module(config.form, config.cell, config.layers)
    tensors = {name: torch.from_numpy(t) for name, t in to_torch(case.params, case.network).items()}
    module.load_state_dict(tensors, strict=True)
    x = torch.nn.functional.one_hot(torch.from_numpy(case.batch.inputs.astype(np.int64)), V).double()
    return module, x.requires_grad_(), torch.from_numpy(case.batch.lengths)


def losses(case, logits):
    """-log p of the targets that count, by PyTorch."""
    counted = torch.from_numpy(case.batch.mask)
    logits = logits[None] if case.network.config.form == "classifier" else logits
    targets = torch.from_numpy(case.batch.targets.astype(np.int64))
    return torch.nn.functional.cross_entropy(logits[counted], targets[counted], reduction="none")


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_equal_pytorchs(engine, form, cell, layers):
    case = problem(engine, form, cell, layers, LENGTHS)
    module, x, lengths = loaded(case)
    logits = case.network.logits(case.params, case.batch.inputs, case.batch.lengths)
    with torch.no_grad():
        wanted = module(x, lengths).numpy()
    counted = slice(None) if form == "classifier" else case.batch.mask
    np.testing.assert_allclose(logits[counted], wanted[counted], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_autograds(engine, form, cell, layers):
    case = problem(engine, form, cell, layers, LENGTHS)
    module, x, lengths = loaded(case)
    check_pytorchs_gradients(case, module, losses(case, module(x, lengths)).sum())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_gradient_times_input_equals_autograds(engine, form, cell, layers):
    case = problem(engine, form, cell, layers, LENGTHS)
    module, x, lengths = loaded(case)
    (-losses(case, module(x, lengths)).sum()).backward()
    targets = case.batch.targets[0] if form == "classifier" else case.batch.targets
    found = case.network.input_gradient(case.params, case.batch.inputs, case.batch.lengths, targets)
    np.testing.assert_allclose(found, (x.grad * x).sum(dim=2).detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_weights_of_a_pytorch_module_compute_the_same_here(engine, form, cell, layers):
    torch.manual_seed(layers)
    module = Module(form, cell, layers)  # PyTorch initialises both biases at random
    case = problem(engine, form, cell, layers, LENGTHS)
    _, x, lengths = loaded(case)
    params = from_torch({name: t.numpy() for name, t in module.state_dict().items()}, case.network)
    assert {name: p.shape for name, p in params.items()} == case.network.param_shapes
    logits = case.network.logits(params, case.batch.inputs, case.batch.lengths)
    with torch.no_grad():
        wanted = module(x, lengths).numpy()
    counted = slice(None) if form == "classifier" else case.batch.mask
    np.testing.assert_allclose(logits[counted], wanted[counted], rtol=0, atol=1e-12)
