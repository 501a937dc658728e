"""The PyTorch format: names, shapes and values of PyTorch's state dict, there and back."""

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.checkpoint.pytorch_format import from_torch, to_torch, torch_views
from charrnn.config import ModelConfig
from charrnn.model.network import Network

V, H = 6, 5
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def network_of(cell, layers):
    network, rng = Network(ModelConfig(V, cell, H, layers), engines.load("numpy")), np.random.default_rng(1)
    return network, {name: rng.normal(size=shape) for name, shape in network.param_shapes.items()}


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", GATES)
def test_names_and_shapes_are_those_of_pytorch(cell, layers):
    network, params = network_of(cell, layers)
    wanted = {"decoder.weight": (V, H), "decoder.bias": (V,)}
    GH = GATES[cell] * H
    for layer in range(layers):
        wanted |= {
            f"rnn.weight_ih_l{layer}": (GH, H if layer else V),
            f"rnn.weight_hh_l{layer}": (GH, H),
            f"rnn.bias_ih_l{layer}": (GH,),
            f"rnn.bias_hh_l{layer}": (GH,),
        }
    assert {name: tensor.shape for name, tensor in to_torch(params, network).items()} == wanted
    assert {name: tensor.shape for name, tensor in torch_views(params, network).items()} == wanted


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", GATES)
def test_parameters_come_back(cell, layers):
    network, params = network_of(cell, layers)
    tensors = to_torch(params, network)
    again = from_torch(tensors, network)
    assert list(again) == list(params)
    for name, p in params.items():
        np.testing.assert_array_equal(again[name], p, err_msg=name)
        assert again[name].flags.c_contiguous
    for layer in range(layers):
        np.testing.assert_array_equal(tensors[f"rnn.weight_ih_l{layer}"].T, params[f"W_ih{layer}"])
        second = tensors[f"rnn.bias_hh_l{layer}"]
        assert not second[: -H if cell == "gru" else None].any(), "one bias does for two"
        if cell == "gru":
            np.testing.assert_array_equal(second[-H:], params[f"b_hn{layer}"])


@pytest.mark.parametrize("cell", GATES)
def test_the_two_biases_of_pytorch_are_added(cell):
    network, params = network_of(cell, 2)
    tensors = to_torch(params, network)
    more = np.random.default_rng(2).normal(size=GATES[cell] * H)
    if cell == "gru":
        more[-H:] = 0  # that part is b_hn, which stays apart
    tensors["rnn.bias_hh_l1"] = tensors["rnn.bias_hh_l1"] + more
    again = from_torch(tensors, network)
    np.testing.assert_allclose(again["b1"], params["b1"] + more, rtol=0, atol=1e-12)
    if cell == "gru":
        np.testing.assert_array_equal(again["b_hn1"], params["b_hn1"])
