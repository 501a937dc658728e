"""Dropout: masks that keep the mean, follow from the seed, and are drawn only if there is dropout."""

import math
from dataclasses import replace

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.config import ModelConfig
from charrnn.layers import dropout
from charrnn.model.forms import network_for
from charrnn.model.masks import Masks
from charrnn.model.network import Network
from support.masks import masks_of_outputs

V = 5


def outputs(config, T, B, seed=0, dtype=np.float32):
    return masks_of_outputs(network_for(config, engines.load("numpy")), T, B, np.random.default_rng(seed), dtype)


def weights(network, seed=0):
    """The masks of the recurrent matrices, by name."""
    masks, found = Masks.draw(network, np.random.default_rng(seed)), {}
    for n, name in enumerate(f"W_hh{suffix}" for suffix in network.suffixes):
        found[name] = np.ones(network.param_shapes[name], np.float32)
        masks.drop_weights(n, found[name], slice(0, len(found[name])), found[name])
    return found


def test_the_random_numbers_are_those_of_splitmix64():
    """The first three numbers of the reference implementation for the seed 1234567, sixteen bits a column."""
    numbers = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    x, columns = np.ones((1, 12)), [number >> shift & 0xFFFF for number in numbers for shift in (0, 16, 32, 48)]
    for level in (1, 100, 20000, 65535):
        out = np.empty((1, 12))
        dropout.drop(x, out, level / 65536, 1234567, np.array([0]))
        assert (out > 0).tolist() == [[column >= level for column in columns]]


@pytest.mark.parametrize("dropped", [0.1, 0.5, 0.9])
def test_masks_leave_the_mean_as_it_is(dropped):
    masks = outputs(ModelConfig(V, "lstm", 64, 2, dropped), 20, 10, dtype=np.float64)
    assert np.unique(masks) == pytest.approx([0, 1 / (1 - dropped)], rel=1e-4)
    n = masks.size  # 25,600 draws: the share of zeros is within five of its standard deviations
    assert abs((masks == 0).mean() - dropped) < 5 * math.sqrt(dropped * (1 - dropped) / n)
    assert abs(masks.mean() - 1) < 5 * math.sqrt(dropped / (1 - dropped) / n)


@pytest.mark.parametrize("dropped", [1e-9, 1e-4, 0.5, 0.99])
def test_masks_keep_the_mean_for_any_probability(dropped):
    masks = outputs(ModelConfig(V, "rnn", 100, 1, dropout=dropped), 50, 200, seed=1)
    assert masks.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("hidden_size", [16, 18, 1])
def test_neighbours_are_dropped_independently(hidden_size):
    zeros = outputs(ModelConfig(V, "rnn", hidden_size, 2, dropout=0.5), 100, 4096 // hidden_size)[:, :, :-1] == 0
    for axis in range(4):
        if zeros.shape[axis] > 1:
            first, second = (np.take(zeros, range(n, zeros.shape[axis] - 1 + n), axis) for n in (0, 1))
            assert (first & second).mean() == pytest.approx(0.25, abs=0.01)


def test_masks_follow_from_the_seed():
    config = ModelConfig(V, "gru", 16, 2, 0.5)
    first, again, other = (outputs(config, 3, 2, seed) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("locked", [False, True])
def test_some_rows_have_the_masks_that_they_have_among_all(engine, locked):
    config = ModelConfig(V, "lstm", 37, 2, dropout=0.3, drop_connect=0.3, locked_dropout=locked)
    network = Network(config, engine)
    masks, W = Masks.draw(network, np.random.default_rng(3)), np.random.default_rng(4).normal(size=(37, 148))
    every = masks.of_outputs(5, 7, slice(0, 7), dtype=np.float64)
    np.testing.assert_array_equal(masks.of_outputs(5, 7, slice(2, 5), dtype=np.float64), every[:, :, 2:5])
    whole, part = np.empty_like(W), np.zeros_like(W)
    masks.drop_weights(1, W, slice(0, 37), whole)
    masks.drop_weights(1, W, slice(10, 20), part)
    np.testing.assert_array_equal(part[10:20], whole[10:20])
    assert not part[:10].any()
    assert not part[20:].any()


def test_without_dropout_no_random_number_is_drawn():
    rng = np.random.default_rng(1)
    assert Masks.draw(Network(ModelConfig(V), engines.load("numpy")), rng) is None
    assert rng.random() == np.random.default_rng(1).random()


def test_a_locked_mask_is_the_same_at_every_step():
    config = ModelConfig(V, "lstm", 64, 2, dropout=0.25)
    free, locked = outputs(config, 40, 30), outputs(replace(config, locked_dropout=True), 40, 30)
    assert (free.shape, locked.shape) == ((2, 40, 30, 64), (2, 1, 30, 64))
    for mask in (free, locked):
        assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
        assert mask.mean() == pytest.approx(1, abs=0.05)
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("form", ["classifier", "tagger"])
def test_both_directions_have_masks_of_their_own(form):
    config = ModelConfig(V, "gru", 64, 2, 0.25, form=form, outputs=3, drop_connect=0.25)
    free, locked = outputs(config, 40, 30), outputs(replace(config, locked_dropout=True), 40, 30)
    assert (free.shape, locked.shape) == ((2, 40, 30, 128), (2, 1, 30, 128))
    assert (free[..., :64] != free[..., 64:]).any()
    masks = weights(network_for(config, engines.load("numpy")))
    names = ("W_hh0", "W_hh0_reverse", "W_hh1", "W_hh1_reverse")
    assert {name: mask.shape for name, mask in masks.items()} == dict.fromkeys(names, (64, 192))
    assert (masks["W_hh0"] != masks["W_hh0_reverse"]).any()
    for mask in (free, locked, *masks.values()):
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_drop_connect_masks_are_for_the_recurrent_weights_of_each_layer(cell, gates):
    masks = weights(Network(ModelConfig(V, cell, 32, 2, drop_connect=0.25), engines.load("numpy")))
    assert {name: mask.shape for name, mask in masks.items()} == {f"W_hh{n}": (32, gates * 32) for n in (0, 1)}
    for mask in masks.values():
        assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.06)
