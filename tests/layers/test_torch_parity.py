"""Parity with PyTorch: the files, logits, gradients, optimizers and clipping equal those of PyTorch."""

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest

from charrnn.checkpoint import model_file, pytorch_format
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model.model import Model
from charrnn.model.network import Network
from charrnn.training import optimizers
from support.cells import cell_options, model_config

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

torch.set_num_threads(1)  # more threads would only slow these tiny networks down

MODULES = {
    "rnn": torch.nn.RNN,
    "rnn_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
}
CELLS = tuple(MODULES)
V, H, T, B = 6, 5, 7, 3
CHARACTERS = "\n abcd"


def module_of(cell, layers, dtype=torch.float32):
    """The module that a user of PyTorch would write, with the names `rnn` and `decoder`."""
    parts = {"rnn": MODULES[cell](V, H, layers), "decoder": torch.nn.Linear(H, V)}
    return torch.nn.ModuleDict(parts).to(dtype)


def run(module, ids, state):
    """The logits [T, B, V] of a module and its next state, for ids [T, B] and a state [L, S, B, H] of charrnn."""
    inputs = torch.nn.functional.one_hot(torch.from_numpy(ids.astype(np.int64)), V)
    parts = tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in state.swapaxes(0, 1))
    h, last = module["rnn"](inputs.to(parts[0].dtype), parts if len(parts) == 2 else parts[0])
    last = torch.stack(last if len(parts) == 2 else (last,), dim=1)
    return module["decoder"](h), last


def random_model(cell, layers, engine, dtype=np.float32):
    """A model whose parameters, biases included, are random."""
    config, rng = model_config(V, cell, H, layers), np.random.default_rng(layers)
    shapes = Network(config, engine).param_shapes
    params = {name: rng.normal(scale=0.5, size=shape).astype(dtype) for name, shape in shapes.items()}
    return Model(config, Vocabulary(CHARACTERS), params, engine)


def random_text(model, T=T, B=B):
    """Inputs and targets [T, B] and a state [L, S, B, H] that is not zero."""
    rng = np.random.default_rng(5)
    inputs, targets = rng.integers(V, size=(2, T, B), dtype=np.uint8)
    zeros = model.zero_state(B)
    return inputs, targets, rng.uniform(-0.9, 0.9, zeros.shape).astype(zeros.dtype)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_pytorch_loads_a_charrnn_file_and_computes_the_same_logits(engine, cell, layers, tmp_path):
    model = random_model(cell, layers, engine)
    model_file.save(tmp_path / "charrnn.safetensors", Checkpoint(model))
    module = module_of(cell, layers)
    module.load_state_dict(safetensors_torch.load_file(tmp_path / "charrnn.safetensors"), strict=True)
    inputs, _, state = random_text(model)
    logits, last = model.forward(inputs, state)
    with torch.no_grad():
        wanted, wanted_last = run(module, inputs, state)
    np.testing.assert_allclose(logits, wanted.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(last, wanted_last.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_logits_equal_pytorchs_over_a_long_text(engine, cell):
    model = random_model(cell, 2, engine, np.float64)
    module = module_of(cell, 2, torch.float64)
    state_dict = pytorch_format.to_torch(model.params, model.network)
    module.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in state_dict.items()}, strict=True)
    inputs, _, state = random_text(model, T=300)
    with torch.no_grad():
        wanted, _ = run(module, inputs, state)
    for start in range(0, 300, 50):
        logits, state = model.forward(inputs[start : start + 50], state)
        np.testing.assert_allclose(logits, wanted[start : start + 50].numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_autograds(engine, cell, layers):
    model = random_model(cell, layers, engine, np.float64)
    inputs, targets, state = random_text(model)
    loss, grads, _ = model.network.loss_and_gradients(model.params, Batch(inputs, targets), state)

    module = module_of(cell, layers, torch.float64)
    tensors = pytorch_format.to_torch(model.params, model.network)
    module.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, strict=True)
    logits, _ = run(module, inputs, state)
    wanted_loss = torch.nn.functional.cross_entropy(
        logits.reshape(-1, V), torch.from_numpy(targets.astype(np.int64)).ravel(), reduction="sum"
    )
    wanted_loss.backward()
    wanted = {name: p.grad.numpy() for name, p in module.named_parameters()}

    assert loss == pytest.approx(wanted_loss.item(), rel=1e-12)
    pairs = [("W_out", wanted["decoder.weight"].T), ("b_out", wanted["decoder.bias"])]
    for layer in range(layers):
        pairs += [
            (f"W_ih{layer}", wanted[f"rnn.weight_ih_l{layer}"].T),
            (f"W_hh{layer}", wanted[f"rnn.weight_hh_l{layer}"].T),
            (f"b{layer}", wanted[f"rnn.bias_ih_l{layer}"]),
        ]
        if cell == "gru":
            pairs.append((f"b_hn{layer}", wanted[f"rnn.bias_hh_l{layer}"][2 * H :]))
    assert {name for name, _ in pairs} == set(grads)
    for name, d in pairs:
        np.testing.assert_allclose(grads[name], d, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_charrnn_loads_a_pytorch_file_and_computes_the_same_logits(cell, layers, dtype, tmp_path):
    torch.manual_seed(layers)
    module = module_of(cell, layers, dtype)  # PyTorch initialises both biases at random
    metadata = {
        "charrnn": "1",
        "model": json.dumps({"vocab_size": V, "hidden_size": H, "layers": layers} | cell_options(cell)),
        "vocabulary": json.dumps(list(CHARACTERS)),
    }
    safetensors_torch.save_file(module.state_dict(), tmp_path / "pytorch.safetensors", metadata)
    found = model_file.load(tmp_path / "pytorch.safetensors")
    assert found.model.config == model_config(V, cell, H, layers)
    assert found.model.vocabulary == Vocabulary(CHARACTERS)
    assert (found.step, found.training, found.corpus, found.history, found.version) == (None, None, None, [], "")
    inputs, _, state = random_text(found.model)
    logits, last = found.model.forward(inputs, state)
    assert logits.dtype == np.float32
    with torch.no_grad():
        wanted, wanted_last = run(module.to(torch.float32), inputs, state)
    np.testing.assert_allclose(logits, wanted.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(last, wanted_last.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_pytorch_file_that_charrnn_loads_and_saves_is_the_same_network_in_pytorch(cell, tmp_path):
    module = module_of(cell, 2)
    config = model_config(V, cell, H, 2)
    metadata = {"charrnn": "1", "model": json.dumps(asdict(config)), "vocabulary": json.dumps(list(CHARACTERS))}
    safetensors_torch.save_file(module.state_dict(), tmp_path / "pytorch.safetensors", metadata)
    model_file.save(tmp_path / "charrnn.safetensors", model_file.load(tmp_path / "pytorch.safetensors"))
    again = module_of(cell, 2)
    again.load_state_dict(safetensors_torch.load_file(tmp_path / "charrnn.safetensors"), strict=True)
    ids, state = np.array([[1, 2], [3, 4]], np.uint8), np.zeros((2, 2 if cell == "lstm" else 1, 2, H), np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(
            run(again, ids, state)[0].numpy(), run(module, ids, state)[0].numpy(), rtol=0, atol=1e-6
        )


# Optimizers

TORCH_OPTIMIZERS = {
    "sgd": lambda p, c: torch.optim.SGD(p, c.lr, momentum=c.momentum, weight_decay=c.weight_decay),
    # PyTorch adds ε outside the root and charrnn inside: without ε they are comparable
    "adagrad": lambda p, c: torch.optim.Adagrad(p, c.lr, eps=0, weight_decay=c.weight_decay),
    "rmsprop": lambda p, c: torch.optim.RMSprop(p, c.lr, alpha=0.95, weight_decay=c.weight_decay),
    "adam": lambda p, c: torch.optim.Adam(p, c.lr, weight_decay=c.weight_decay),
    "adamw": lambda p, c: torch.optim.AdamW(p, c.lr, weight_decay=c.weight_decay),
}


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_optimizers_take_the_same_steps_as_pytorchs(engine, name, weight_decay):
    config = TrainingConfig(steps=8, optimizer=name, lr=0.05, momentum=0.8, weight_decay=weight_decay)
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    torch_params = {key: torch.nn.Parameter(torch.from_numpy(p.copy())) for key, p in params.items()}
    optimizer = TORCH_OPTIMIZERS[name](torch_params.values(), config)
    moments = optimizers.initial_moments(params, config)
    for t in range(1, 9):
        grads = {key: rng.uniform(0.5, 2, p.shape) * rng.choice([-1, 1], p.shape) for key, p in params.items()}
        for key, d in grads.items():
            torch_params[key].grad = torch.from_numpy(d.copy())
        optimizers.update(params, grads, moments, config.lr, t, config, engine)
        optimizer.step()
        for key, p in params.items():
            tolerance = 1e-7 if name == "adagrad" else 1e-12
            np.testing.assert_allclose(p, torch_params[key].detach().numpy(), rtol=0, atol=tolerance)


def test_adagrad_adds_its_epsilon_under_the_root(engine):
    config = TrainingConfig(steps=1, optimizer="adagrad", lr=1.0)
    params, grads = {"b": np.zeros(2)}, {"b": np.array([1e-4, 0])}
    optimizers.update(params, grads, optimizers.initial_moments(params, config), 1.0, 1, config, engine)
    np.testing.assert_allclose(params["b"], [-(0.5**0.5), 0], rtol=1e-12)


def test_sgd_without_momentum_is_plain_gradient_descent(engine):
    config = TrainingConfig(steps=1, optimizer="sgd", lr=0.5, momentum=0.0)
    params, grads = {"b": np.array([1.0, 2.0])}, {"b": np.array([0.2, -0.4])}
    moments = optimizers.initial_moments(params, config)
    for t in (1, 2):
        optimizers.update(params, grads, moments, config.lr, t, config, engine)
    np.testing.assert_allclose(params["b"], [0.8, 2.4], rtol=0, atol=1e-15)


@pytest.mark.parametrize("limit", [1e-3, 1.0, 5.0, 1e3])
def test_clipping_by_norm_equals_pytorchs(limit):
    rng = np.random.default_rng(1)
    grads = {"W": rng.normal(size=(6, 7)), "b": rng.normal(size=7)}
    torch_params = [torch.nn.Parameter(torch.zeros(d.shape, dtype=torch.float64)) for d in grads.values()]
    for p, d in zip(torch_params, grads.values(), strict=True):
        p.grad = torch.from_numpy(d.copy())
    norm = optimizers.global_norm(grads.values())
    optimizers.clip(grads, norm, TrainingConfig(steps=1, clip=limit))
    wanted = torch.nn.utils.clip_grad_norm_(torch_params, limit)
    assert norm == pytest.approx(wanted.item(), rel=1e-14)
    for p, d in zip(torch_params, grads.values(), strict=True):
        np.testing.assert_allclose(d, p.grad.numpy(), rtol=1e-6, atol=0)  # PyTorch divides by the norm + 1e-6
    assert optimizers.global_norm(grads.values()) == pytest.approx(min(norm, limit), rel=1e-14)


@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_clipping_by_value_equals_pytorchs(limit):
    grads = {"W": np.random.default_rng(2).normal(size=(6, 7))}
    torch_params = torch.nn.Parameter(torch.zeros((6, 7), dtype=torch.float64))
    torch_params.grad = torch.from_numpy(grads["W"].copy())
    norm = optimizers.global_norm(grads.values())
    assert norm == pytest.approx(np.linalg.norm(grads["W"]))
    optimizers.clip(grads, norm, TrainingConfig(steps=1, clip=limit, clip_by="value"))
    torch.nn.utils.clip_grad_value_([torch_params], limit)
    np.testing.assert_array_equal(grads["W"], torch_params.grad.numpy())


def test_without_clipping_the_gradients_stay_unchanged():
    grads = {"W": np.full((2, 2), 1e9)}
    optimizers.clip(grads, 2e9, TrainingConfig(steps=1, clip=0))
    assert (grads["W"] == 1e9).all()
