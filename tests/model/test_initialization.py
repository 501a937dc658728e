"""The initial weights: orthogonal where the network is recurrent, within known limits elsewhere."""

import math

import numpy as np
import pytest

from charrnn import config
from charrnn.model.forms import network_for
from charrnn.model.initialization import RELU_SCALE, initial_params
from charrnn.model.network import Network
from support import naive
from support.cells import CELLS, model_config

V, H = 5, 4


def initial(engine, *shape, seed=0, dtype=np.float32):
    return initial_params(Network(model_config(*shape), engine), np.random.default_rng(seed), dtype)


@pytest.mark.parametrize("cell", CELLS)
def test_biases_are_zero_except_that_of_the_forget_gate(engine, cell):
    params = initial(engine, V, cell, H, 3)
    gates = naive.GATES[cell]
    for layer in range(3):
        forget = [0, 1, 0, 0] if cell == "lstm" else [0] * gates
        np.testing.assert_array_equal(params[f"b{layer}"], np.repeat(forget, H))
        if cell == "gru":
            np.testing.assert_array_equal(params[f"b_hn{layer}"], np.zeros(H))
    np.testing.assert_array_equal(params["b_out"], np.zeros(V))


@pytest.mark.parametrize("H", [1, 2, 33])
@pytest.mark.parametrize("cell", config.CELLS)
def test_recurrent_weights_are_orthogonal_gate_by_gate(engine, cell, H):
    params = initial(engine, V, cell, H, 2, dtype=np.float64)
    blocks = [block for layer in range(2) for block in np.split(params[f"W_hh{layer}"], naive.GATES[cell], axis=1)]
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(H), rtol=0, atol=1e-12)
    if H > 1:
        assert all((one != other).any() for n, one in enumerate(blocks) for other in blocks[:n])


@pytest.mark.parametrize("H", [1, 33])
def test_with_relu_recurrent_weights_are_a_multiple_of_the_identity(engine, H):
    params = initial(engine, V, "rnn_relu", H, 2)
    for layer in range(2):
        np.testing.assert_array_equal(params[f"W_hh{layer}"], np.float32(RELU_SCALE) * np.eye(H, dtype=np.float32))


def test_with_relu_the_state_is_as_large_in_the_last_layer_as_in_the_first(engine):
    network, rng = Network(model_config(60, "rnn_relu", 64, 6), engine), np.random.default_rng(0)
    ids = rng.integers(60, size=(200, 20), dtype=np.uint8)
    _, state = network.forward(initial_params(network, rng), ids, network.zero_state(20))
    first, *others = np.sqrt(np.square(state[:, 0]).mean(axis=(1, 2)))
    assert all(0.6 * first < size < 1.2 * first for size in others), (first, others)


@pytest.mark.parametrize("cell", CELLS)
def test_other_weights_have_unit_variance_or_are_within_glorots_limits(engine, cell):
    V, H = 40, 64
    params = initial(engine, V, cell, H, 2, dtype=np.float64)
    for name, limit in (
        ("W_ih0", math.sqrt(3)),
        ("W_ih1", math.sqrt(6 / (H + H))),
        ("W_out", math.sqrt(6 / (H + V))),
    ):
        assert 0.99 * limit < np.abs(params[name]).max() <= limit
        assert params[name].std() == pytest.approx(limit / math.sqrt(3), rel=0.05)
        assert abs(params[name].mean()) < 0.05 * limit


@pytest.mark.parametrize(("form", "width"), [("classifier", 4), ("tagger", 2)])
@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_begin_alike_and_not_the_same(engine, cell, form, width):
    V, H, outputs = 40, 64, 9
    network = network_for(model_config(V, cell, H, 2, form=form, outputs=outputs), engine)
    params = initial_params(network, np.random.default_rng(0), np.float64)
    for direction in ("", "_reverse"):
        for name, limit in ((f"W_ih0{direction}", math.sqrt(3)), (f"W_ih1{direction}", math.sqrt(6 / (2 * H + H)))):
            assert 0.99 * limit < np.abs(params[name]).max() <= limit
            assert params[name].std() == pytest.approx(limit / math.sqrt(3), rel=0.05)
        for layer in (0, 1):
            bias = [0, 1, 0, 0] if cell == "lstm" else [0] * naive.GATES[cell]
            np.testing.assert_array_equal(params[f"b{layer}{direction}"], np.repeat(bias, H))
            for block in np.split(params[f"W_hh{layer}{direction}"], naive.GATES[cell], axis=1):
                scale = RELU_SCALE if cell == "rnn_relu" else 1
                np.testing.assert_allclose(block @ block.T, scale**2 * np.eye(H), rtol=0, atol=1e-12)
    for name in ("W_ih0", "W_ih1"):
        assert (params[name] != params[f"{name}_reverse"]).any()
    limit = math.sqrt(6 / (width * H + outputs))
    assert 0.99 * limit < np.abs(params["W_out"]).max() <= limit
    assert not params["b_out"].any()


def test_they_follow_from_the_seed_and_are_single_precision(engine):
    first, again, other = (initial(engine, V, "lstm", H, 2, seed=seed) for seed in (1, 1, 2))
    assert all(p.dtype == np.float32 for p in first.values())
    for name, p in first.items():
        np.testing.assert_array_equal(p, again[name])
    assert (first["W_hh1"] != other["W_hh1"]).any()
