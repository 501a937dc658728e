"""The encoder: each row is read in both directions within its length, whatever stands beside and behind it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CELLS, ModelConfig
from charrnn.layers.workspace import Workspace
from charrnn.model.encoder import Encoder
from charrnn.model.reversal import join, reverse, reverse_vectors, reversed_places, split
from support import naive
from support.ragged import LENGTHS, problem

# The reversal

TEXTS = np.array([[1, 4, 8], [2, 5, 9], [3, 6, 9], [9, 7, 9]])
REVERSED = np.array([[3, 7, 8], [2, 6, 9], [1, 5, 9], [9, 4, 9]])
PLACES = reversed_places(np.array([3, 4, 1]), 4)


def test_rows_are_reversed_within_their_lengths_and_the_padding_stays():
    np.testing.assert_array_equal(reverse(TEXTS, PLACES), REVERSED)
    np.testing.assert_array_equal(reverse(TEXTS, reversed_places(np.array([0, 0, 0]), 4)), TEXTS)
    np.testing.assert_array_equal(reverse(TEXTS, reversed_places(np.array([4, 4, 4]), 4)), TEXTS[::-1])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 3))
def test_a_reversal_undoes_itself(lengths, more):
    T, B = max(lengths) + more + 1, len(lengths)
    places = reversed_places(np.array(lengths), T)
    np.testing.assert_array_equal(places[places], np.arange(T * B))


def test_vectors_are_reversed_as_their_places_are_and_halves_too():
    x = np.random.default_rng(0).normal(size=(4, 3, 6))
    indices = reverse(np.arange(12).reshape(4, 3), PLACES)
    wanted = x.reshape(12, 6)[indices.ravel()].reshape(4, 3, 6)
    np.testing.assert_array_equal(reverse_vectors(x, PLACES, Workspace()), wanted)
    np.testing.assert_array_equal(reverse_vectors(x, PLACES, Workspace(), half=0), wanted[:, :, :3])
    np.testing.assert_array_equal(reverse_vectors(x, PLACES, Workspace(), half=1), wanted[:, :, 3:])


def test_outputs_are_joined_in_the_order_of_the_text_and_split_again():
    h, h_reverse = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    y = join(h, h_reverse, PLACES, Workspace())
    np.testing.assert_array_equal(y[:, :, :5], h)
    np.testing.assert_array_equal(y[:, 0, 5:], h_reverse[[2, 1, 0, 3], 0])
    for part, whole in zip(split(y, PLACES, Workspace()), (h, h_reverse), strict=True):
        np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("lengths", [[2, 5], [-1, 2]])
def test_a_length_out_of_range_is_refused(engine, lengths):
    network, params, batch, _, _ = problem(engine, "tagger", "rnn", 1, [2, 4])
    with pytest.raises(IndexError, match="a length is out of range for a batch of"):
        network.encoder.forward(params, batch.inputs, np.array(lengths), None, Workspace())


# The layers


@pytest.mark.parametrize("steps", [1, 6, 8])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_long_text_is_read_piece_by_piece_with_the_same_outputs(engine, cell, layers, lengths, steps, monkeypatch):
    network, params, batch, _, _ = problem(engine, "tagger", cell, layers, lengths, T=max(lengths) + 2)
    whole = network.encoder.forward(params, batch.inputs, batch.lengths, None, Workspace())
    monkeypatch.setattr("charrnn.model.encoder.STEPS_PER_READ", steps)
    workspace = Workspace()
    for _ in range(2):  # the second time in the arrays of the first
        read = network.encoder.read(params, batch.inputs, batch.lengths, workspace)
        assert read.passes == []
        np.testing.assert_array_equal(read.places, whole.places)
        text = np.arange(max(1, max(lengths)))[:, None] < batch.lengths
        for found, expected in zip(read.outputs, whole.outputs, strict=True):
            np.testing.assert_allclose(found[text], expected[text], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_each_layer_has_the_parameters_of_two_cells_that_read_both_below(engine, cell, layers):
    V, H, G = 6, 5, naive.GATES[cell]
    encoder = Encoder(ModelConfig(V, cell, H, layers, form="tagger", outputs=2), engine)
    wanted = {}
    for layer in range(layers):
        for suffix in (f"{layer}", f"{layer}_reverse"):
            wanted |= {f"W_ih{suffix}": (2 * H if layer else V, G * H), f"W_hh{suffix}": (H, G * H)}
            wanted |= {f"b{suffix}": (G * H,)} | ({f"b_hn{suffix}": (H,)} if cell == "gru" else {})
    assert list(encoder.param_shapes.items()) == list(wanted.items())


def check_outputs(problem, masked):
    """Compares the outputs on text with the naive reference, row by row."""
    network, params, batch, _, masks = problem
    encoding = network.encoder.forward(params, batch.inputs, batch.lengths, masks if masked else None, Workspace())
    for row, n in enumerate(batch.lengths):
        if n:
            wanted = naive.encoder(
                params,
                batch.inputs[:n, row],
                network.config.cell,
                network.config.layers,
                masks[:, :n, row] if masked else None,
            )
            for h, h_wanted in zip(encoding.outputs, wanted, strict=True):
                np.testing.assert_allclose(h[:n, row], h_wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_equal_the_naive_reference(engine, cell, layers, lengths):
    check_outputs(problem(engine, "tagger", cell, layers, lengths), masked=False)


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_acts_on_the_outputs_of_each_layer(engine, cell, layers, locked):
    case = problem(engine, "tagger", cell, layers, [3, 7, 1, 5], 0.4, locked_dropout=locked)
    assert case.masks.shape == (layers, 1 if locked else 7, 4, 8)
    check_outputs(case, masked=True)


@pytest.mark.parametrize("cell", CELLS)
def test_without_lengths_all_inputs_are_text(engine, cell):
    network, params, batch, _, _ = problem(engine, "tagger", cell, 2, [5, 5, 5])
    one, other = (
        network.encoder.forward(params, batch.inputs, lengths, None, Workspace()) for lengths in (None, batch.lengths)
    )
    for h, same in zip(one.outputs, other.outputs, strict=True):
        np.testing.assert_array_equal(h, same)


def test_what_is_padding_in_every_row_is_not_read(engine):
    network, params, batch, _, _ = problem(engine, "tagger", "gru", 2, [3, 1], T=50)
    encoding = network.encoder.forward(params, batch.inputs, batch.lengths, None, Workspace())
    assert [h.shape for h in encoding.outputs] == [(3, 2, 4)] * 2


def test_lengths_may_be_of_any_integer_type(engine):
    network, params, batch, _, _ = problem(engine, "tagger", "lstm", 2, [3, 7, 0])
    wanted = network.logits(params, batch.inputs, batch.lengths)
    for dtype in (np.uint8, np.int32, np.uint64):
        np.testing.assert_array_equal(network.logits(params, batch.inputs, batch.lengths.astype(dtype)), wanted)
