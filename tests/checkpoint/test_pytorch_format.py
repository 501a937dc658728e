"""The PyTorch format: names, shapes and values of PyTorch's state dict, there and back."""

import itertools

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.checkpoint.pytorch_format import from_torch, to_torch, torch_views
from charrnn.config import FORMS, WRITERS
from charrnn.model.forms import network_for
from support.cells import model_config

V, H, OUTPUTS = 6, 5, 4
GATES = {"rnn": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


def network_of(cell, layers, form="language_model"):
    outputs = 0 if form in WRITERS else OUTPUTS
    network = network_for(model_config(V, cell, H, layers, form=form, outputs=outputs), engines.load("numpy"))
    rng = np.random.default_rng(1)
    return network, {name: rng.normal(size=shape) for name, shape in network.param_shapes.items()}


HEADS = {
    "language_model": {"decoder.weight": (V, H), "decoder.bias": (V,)},
    "classifier": {"head.weight": (OUTPUTS, 4 * H), "head.bias": (OUTPUTS,)},
    "tagger": {"head.weight": (OUTPUTS, 2 * H), "head.bias": (OUTPUTS,)},
    "translator": {
        "attention.score.weight": (H, 2 * H),
        "attention.output.weight": (H, 3 * H),
        "attention.output.bias": (H,),
        "head.weight": (V, H),
        "head.bias": (V,),
    },
}


def cells_of(form):
    """The modules of a form's cells, and how the names of the parameters end for each direction."""
    if form == "translator":
        return {"encoder": ("", "_reverse"), "decoder": ("",)}
    return {"rnn": ("",) if form == "language_model" else ("", "_reverse")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", GATES)
def test_names_and_shapes_are_those_of_pytorch(cell, layers, form):
    network, params = network_of(cell, layers, form)
    GH, wanted = GATES[cell] * H, dict(HEADS[form])
    for module, directions in cells_of(form).items():
        for layer, direction in itertools.product(range(layers), directions):
            wanted |= {
                f"{module}.weight_ih_l{layer}{direction}": (GH, len(directions) * H if layer else V),
                f"{module}.weight_hh_l{layer}{direction}": (GH, H),
                f"{module}.bias_ih_l{layer}{direction}": (GH,),
                f"{module}.bias_hh_l{layer}{direction}": (GH,),
            }
    assert {name: tensor.shape for name, tensor in to_torch(params, network).items()} == wanted
    assert {name: tensor.shape for name, tensor in torch_views(params, network).items()} == wanted


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", GATES)
def test_parameters_come_back(cell, layers, form):
    network, params = network_of(cell, layers, form)
    tensors = to_torch(params, network)
    again = from_torch(tensors, network)
    assert list(again) == list(params)
    for name, p in params.items():
        np.testing.assert_array_equal(again[name], p, err_msg=name)
        assert again[name].flags.c_contiguous
    for module, ending in ((module, ending) for module, endings in cells_of(form).items() for ending in endings):
        own, place = "_decoder" if module == "decoder" else ending, f"{layers - 1}{ending}"
        suffix = f"{layers - 1}{own}"
        np.testing.assert_array_equal(tensors[f"{module}.weight_ih_l{place}"].T, params[f"W_ih{suffix}"])
        second = tensors[f"{module}.bias_hh_l{place}"]
        assert not second[: -H if cell == "gru" else None].any(), "one bias does for two"
        if cell == "gru":
            np.testing.assert_array_equal(second[-H:], params[f"b_hn{suffix}"])


@pytest.mark.parametrize(("form", "suffix"), [("language_model", "1"), ("classifier", "1"), ("tagger", "1_reverse")])
@pytest.mark.parametrize("cell", GATES)
def test_the_two_biases_of_pytorch_are_added(cell, form, suffix):
    network, params = network_of(cell, 2, form)
    tensors = to_torch(params, network)
    more = np.random.default_rng(2).normal(size=GATES[cell] * H)
    if cell == "gru":
        more[-H:] = 0  # that part is b_hn, which stays apart
    tensors[f"rnn.bias_hh_l{suffix}"] = tensors[f"rnn.bias_hh_l{suffix}"] + more
    again = from_torch(tensors, network)
    np.testing.assert_allclose(again[f"b{suffix}"], params[f"b{suffix}"] + more, rtol=0, atol=1e-12)
    if cell == "gru":
        np.testing.assert_array_equal(again[f"b_hn{suffix}"], params[f"b_hn{suffix}"])
