"""The alignment: the attention of a translator to each character of its source, as plain data."""

import json
from dataclasses import replace

import numpy as np
import pytest

from charrnn.errors import ConfigError, CorpusError, DivergenceError
from charrnn.inspection.alignment import MAX_LENGTH, alignment
from charrnn.sampling.translate import translate
from support import naive
from support.inspection import random_model, random_reader

PAIR = ("the cat", "sat on")


def wanted_weights(model, source, target):
    """The weights by the naive reference, [T + 1, S]."""
    encode, params, layers = model.vocabulary.encode, model.params, model.config.layers
    h, h_reverse = naive.encoder(params, encode(source), model.config.cell, layers)
    e = np.concatenate((h, h_reverse[::-1]), axis=1)
    inputs = encode("\t" + target)
    decoder = {name.removesuffix("_decoder"): p for name, p in params.items() if name.endswith("_decoder")}
    H = model.config.hidden_size
    state = np.zeros((layers, naive.STATES[model.config.cell], 1, H))
    outputs, _ = naive.network(
        decoder | {"W_out": np.eye(H), "b_out": np.zeros(H)}, inputs[:, None], state, model.config.cell, layers
    )
    _, weights = naive.attention(outputs, e[:, None], [len(source)], params["W_a"], params["W_c"], params["b_c"])
    return weights[:, 0]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_weights_are_those_of_the_naive_reference(cell, layers):
    model = random_reader("translator", cell, layers=layers)
    (found,) = alignment(model, "\t".join(PAIR), 1000)["pairs"]
    assert (found["source"], found["target"]) == PAIR
    np.testing.assert_allclose(found["weights"], wanted_weights(model, *PAIR), rtol=0, atol=6e-5)


def test_the_model_writes_the_target_of_a_line_without_one():
    model = random_reader("translator")
    data = alignment(model, "the cat\n\nsat☃ on\n", 1000)
    assert json.loads(json.dumps(data)) == data
    wanted = [found.text for found in translate(model, ["the cat", "sat on"])]
    assert [pair["source"] for pair in data["pairs"]] == ["the cat", "sat on"]
    assert [pair["target"] for pair in data["pairs"]] == wanted


def test_no_more_lines_are_read_than_are_shown():
    model = random_reader("translator")
    assert [len(alignment(model, "cat\tsat\n" * 5, limit)["pairs"]) for limit in (1, 3, 7, 100)] == [1, 1, 2, 5]


def test_the_bytes_of_a_character_are_added_up():
    model = random_reader("translator", characters=None)
    (found,) = alignment(model, "aé\té", 1000)["pairs"]
    assert np.array(found["weights"]).shape == (2, 2)
    np.testing.assert_allclose(np.sum(found["weights"], axis=1), 1, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("☃\n", "knows none of its characters"),
        ("a" * (MAX_LENGTH + 1), "a line of 1,001 characters is too long"),
        ("a\t" + "a" * (MAX_LENGTH + 1), "a line of 1,001 characters is too long"),
    ],
)
def test_a_text_that_has_no_alignment_is_an_error(text, message):
    with pytest.raises(CorpusError, match=message):
        alignment(random_reader("translator"), text, 1000)


def test_another_form_has_no_attention_and_weights_that_are_too_large_are_told():
    with pytest.raises(ConfigError, match="only a translator has attention"):
        alignment(random_model(), "the cat", 1000)
    model = random_reader("translator")
    broken = replace(model, params=model.params | {"W_a": np.full_like(model.params["W_a"], np.nan)})
    with pytest.raises(DivergenceError, match="NaN or infinite"):
        alignment(broken, "the cat\tsat", 1000)
