"""The start of a training: corpora that are too short, and the weights of another model."""

import numpy as np
import pytest

from charrnn.dataset.corpus import from_text
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from support.processes import TEXT
from support.trainings import TEXTS, flat, resumed, run, start_in, start_on


@pytest.mark.parametrize("text", ["", "a", b"", b"a"])
def test_a_text_of_less_than_two_characters_is_refused(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="needs at least two characters"):
        start_on(text, steps=1)


@pytest.mark.parametrize("text", ["only one line", "\n\n\n\n", b"\n\n"])
def test_a_text_of_less_than_two_lines_is_refused_in_the_layout_lines(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="line"):
        start_on(text, layout="lines", steps=1)


# From the weights of another model


def test_it_starts_from_another_models_weights_and_leaves_them_alone() -> None:
    model = run(start_in("stream", steps=5)).latest
    before = flat(model.params).copy()
    trainer = start_on(TEXT[:200], init_from=model, steps=3, seed=2)
    np.testing.assert_array_equal(flat(trainer.state.params), before)
    assert trainer.state.vocabulary == model.vocabulary != from_text(TEXT[:200]).vocabulary
    assert (trainer.state.model_config.hidden_size, trainer.state.model_config.layers) == (16, 1)
    assert (flat(run(trainer).latest.params) != before).any()
    np.testing.assert_array_equal(flat(model.params), before)


def test_it_can_not_start_from_a_model_that_does_not_fit() -> None:
    model = run(start_in("stream", steps=1)).latest
    with pytest.raises(VocabularyError, match="U\\+0416"):
        start_on(TEXT + "Ж", init_from=model)
    with pytest.raises(VocabularyError, match="--bytes"):
        start_on(TEXT.encode(), init_from=model)
    for option in ({"cell": "gru"}, {"hidden_size": 32}, {"layers": 2}):
        with pytest.raises(ConfigError, match=r"the model of --init-from has .*; leave it out"):
            start_on(TEXT, init_from=model, **option)
    assert start_on(TEXT, init_from=model, cell="lstm", hidden_size=16, layers=1, steps=1)


@pytest.mark.parametrize(("nonlinearity", "other"), [("tanh", "relu"), ("relu", "tanh")])
def test_the_nonlinearity_is_that_of_the_model_that_it_starts_from(nonlinearity: str, other: str) -> None:
    model = run(start_in("stream", cell="rnn", nonlinearity=nonlinearity, steps=2)).latest
    for given in ({}, {"nonlinearity": nonlinearity}, {"cell": "rnn"}):
        assert start_on(TEXT, init_from=model, steps=1, **given).latest.config.nonlinearity == nonlinearity
    with pytest.raises(
        ConfigError, match=f"nonlinearity can't be {other}: the model of --init-from has {nonlinearity}"
    ):
        start_on(TEXT, init_from=model, nonlinearity=other)


def test_a_model_of_lines_can_start_from_one_of_continuous_text_and_the_other_way_round() -> None:
    names = TEXTS["lines"]
    tales = run(start_in("lines", names + "A tale, not a name: 1 2 3.", layout="stream", steps=3))
    trainer = start_in("lines", init_from=tales.latest, steps=2, dropout=0)
    assert (tales.latest.layout, tales.latest.line_set) == ("stream", None)
    assert run(trainer).latest.layout == "lines"
    assert trainer.latest.line_set is not None
    assert trainer.latest.vocabulary == tales.latest.vocabulary
    back = start_on(names, init_from=trainer.latest, steps=0)
    assert (back.latest.layout, back.latest.line_set) == ("stream", None)


def test_a_network_knows_only_the_characters_that_it_reads(tmp_path):
    trainer = start_in("tags", "ab\tXY\nba\tYX\n" * 30, steps=2)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", "a", "b")
    assert trainer.latest.labels.names == ("X", "Y")
    assert trainer.state.model_config.vocab_size == 4
    trainer = start_in("labels", "ab\tXY\nba\tZ\nWWW\n" * 30, steps=2, skip_bad=True)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", "a", "b")
    pairs = "ab\txy\nbad\nba\tyx\n" * 30
    trainer = start_in("pairs", pairs, steps=2, skip_bad=True)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", *"abxy")
    run(trainer)
    again = resumed(trainer, pairs, tmp_path, steps=3)
    assert run(again).latest.vocabulary == trainer.latest.vocabulary
