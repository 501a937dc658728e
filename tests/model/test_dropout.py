"""Dropout: masks that keep the mean, follow from the seed, and are drawn only if there is dropout."""

import math
from dataclasses import replace

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.config import ModelConfig
from charrnn.model.dropout import dropconnect_masks, dropout_masks
from charrnn.model.forms import network_for
from charrnn.model.network import Network

V = 5


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_masks_leave_the_mean_as_it_is(dropout):
    config = ModelConfig(V, "lstm", 64, 2, dropout)
    masks = dropout_masks(config, 20, 10, np.random.default_rng(0), np.float64)
    assert np.unique(masks) == pytest.approx([0, 1 / (1 - dropout)], rel=1e-4)
    n = masks.size  # 25,600 draws: the share of zeros is within five of its standard deviations
    assert abs((masks == 0).mean() - dropout) < 5 * math.sqrt(dropout * (1 - dropout) / n)
    assert abs(masks.mean() - 1) < 5 * math.sqrt(dropout / (1 - dropout) / n)


@pytest.mark.parametrize("dropped", [1e-9, 1e-4, 0.5, 0.99])
def test_masks_keep_the_mean_for_any_probability(dropped):
    masks = dropout_masks(ModelConfig(V, "rnn", 100, 1, dropout=dropped), 50, 200, np.random.default_rng(1))
    assert masks.mean() == pytest.approx(1, abs=0.03)


def test_masks_follow_from_the_seed():
    config = ModelConfig(V, "gru", 16, 2, 0.5)
    first, again, other = (dropout_masks(config, 3, 2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()


def test_without_dropout_no_random_number_is_drawn():
    rng = np.random.default_rng(1)
    assert dropout_masks(ModelConfig(V), 3, 2, rng) is None
    assert dropconnect_masks(Network(ModelConfig(V), engines.load("numpy")), rng) == {}
    assert rng.random() == np.random.default_rng(1).random()


def test_a_locked_mask_is_the_same_for_a_whole_batch():
    rng, config = np.random.default_rng(0), ModelConfig(V, "lstm", 64, 2, dropout=0.25)
    free = dropout_masks(config, 40, 30, rng)
    locked = dropout_masks(replace(config, locked_dropout=True), 40, 30, rng)
    assert (free.shape, locked.shape) == ((2, 40, 30, 64), (2, 1, 30, 64))
    for mask in (free, locked):
        assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
        assert mask.mean() == pytest.approx(1, abs=0.05)
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("form", ["classifier", "tagger"])
def test_both_directions_have_masks_of_their_own(form):
    rng, config = np.random.default_rng(0), ModelConfig(V, "gru", 64, 2, 0.25, form=form, outputs=3, drop_connect=0.25)
    free = dropout_masks(config, 40, 30, rng)
    locked = dropout_masks(replace(config, locked_dropout=True), 40, 30, rng)
    assert (free.shape, locked.shape) == ((2, 40, 30, 128), (2, 1, 30, 128))
    assert (free[..., :64] != free[..., 64:]).any()
    masks = dropconnect_masks(network_for(config, engines.load("numpy")), rng)
    names = ("W_hh0", "W_hh0_reverse", "W_hh1", "W_hh1_reverse")
    assert {name: mask.shape for name, mask in masks.items()} == dict.fromkeys(names, (64, 192))
    assert (masks["W_hh0"] != masks["W_hh0_reverse"]).any()
    for mask in (free, locked, *masks.values()):
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_dropconnect_masks_are_for_the_recurrent_weights_of_each_layer(cell, gates):
    network = Network(ModelConfig(V, cell, 32, 2, drop_connect=0.25), engines.load("numpy"))
    masks = dropconnect_masks(network, np.random.default_rng(0))
    assert {name: mask.shape for name, mask in masks.items()} == {f"W_hh{n}": (32, gates * 32) for n in (0, 1)}
    for mask in masks.values():
        assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.06)
