"""The model: it reads a text in pieces, and its layout says what it writes."""

import numpy as np
import pytest

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model.initialization import initial_params
from charrnn.model.model import DEFAULT_LENGTH, Model
from charrnn.model.network import Network
from support.cells import CELLS, model_config

CHARACTERS = "\n abcd"


def model_of(engine, cell="lstm", **fields):
    config = model_config(len(CHARACTERS), cell, 5, 2)
    params = initial_params(Network(config, engine), np.random.default_rng(0))
    return Model(config, Vocabulary(CHARACTERS), params, engine, **fields)


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_read_in_pieces_leaves_the_state_of_one_read_at_once(engine, cell):
    model = model_of(engine, cell)
    ids = np.random.default_rng(1).integers(6, size=2 * CHARS_PER_READ + 7, dtype=np.uint8)
    _, wanted = model.forward(ids[:, None], model.zero_state(1))
    np.testing.assert_allclose(model.read(ids, model.zero_state(1)), wanted, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(model.read(ids[:0], model.zero_state(1)), model.zero_state(1))


def test_the_number_of_parameters_is_that_of_all_arrays(engine):
    V, H = len(CHARACTERS), 5
    first, second, decoder = V * 4 * H + 4 * H * H + 4 * H, 2 * 4 * H * H + 4 * H, H * V + V
    assert model_of(engine).n_params == first + second + decoder


def test_the_default_length_of_a_sample_is_twice_the_longest_line_or_that_of_a_text(engine):
    assert model_of(engine).default_length == DEFAULT_LENGTH
    assert model_of(engine, layout="lines", line_set=LineSet(17, None)).default_length == 34


def test_the_layout_says_what_the_default_length_is(engine):
    assert model_of(engine, layout="lines").default_length == DEFAULT_LENGTH, "the longest line is not known"
    assert model_of(engine, layout="stream", line_set=LineSet(17, None)).default_length == DEFAULT_LENGTH
