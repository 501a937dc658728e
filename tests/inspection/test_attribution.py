"""The attribution: its values are slopes of an answer's log-probability, and add up to it in a linear network."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import LOGIT_ADJUSTMENT
from charrnn.errors import ConfigError, CorpusError
from charrnn.inspection.attribution import MAX_LENGTH, attribution, relative
from charrnn.layers.softmax import log_softmax
from charrnn.scoring.classify import classify
from charrnn.scoring.tag import tag
from support.inspection import random_model, random_reader
from support.slopes import slope_along

TEXT = "the cat sat"
DISTINCT = "cat (on"
"""A text in which no character occurs twice, so that each has a row of its own."""


def log_p(model, answer, params):
    """The log-probability of an answer with other parameters."""
    ids = model.vocabulary.encode(answer["text"])[:, None]
    logits = model.network.logits(params, ids)
    k = model.labels.names.index(answer["label"])
    if "start" not in answer:  # the logits of `classify`
        return log_softmax(logits - LOGIT_ADJUSTMENT * np.log(model.labels.frequencies))[0, k]
    return log_softmax(logits[answer["start"] : answer["end"], 0])[:, k].sum()


def scaled_inputs(model, factor, ids=slice(None)):
    """The parameters, with what the first layer looks up for some ids times a factor."""
    tables = {name: model.params[name].copy() for name in ("W_ih0", "W_ih0_reverse")}
    for W in tables.values():
        W[ids] *= factor
    return model.params | tables


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("form", ["classifier", "tagger"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_each_value_is_the_slope_along_what_is_read_at_its_character(cell, form, layers):
    model = random_reader(form, cell, layers=layers)
    answers = attribution(model, DISTINCT, 1000)["answers"]
    assert answers
    for answer in answers:
        for character, value in zip(DISTINCT, answer["values"], strict=True):
            (n,) = model.vocabulary.encode(character)
            slope = slope_along(lambda eps, n=n, a=answer: log_p(model, a, scaled_inputs(model, 1 + eps, n)))
            assert value == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("form", ["classifier", "tagger"])
def test_the_values_and_the_answer_to_nothing_add_up_to_that_to_the_text_if_the_inputs_are_small(form):
    model, errors = random_reader(form), []
    for factor in (0.02, 0.01):
        small = replace(model, params=scaled_inputs(model, factor))
        for answer in attribution(small, TEXT, 1000)["answers"][:1]:
            nothing = log_p(small, answer, scaled_inputs(small, 0.0))
            errors.append(log_p(small, answer, small.params) - nothing - sum(answer["values"]))
            assert np.abs([*filter(None, answer["values"])]).sum() > 10 * abs(errors[-1]) > 0
    assert errors[0] == pytest.approx(4 * errors[1], rel=0.2)  # what is left over is of second order


def test_the_answers_are_those_of_classify_and_tag():
    text = "the cat sat.\n\nNOBODY\tN\nBo, and"
    lines = ["the cat sat.", "NOBODY", "Bo, and"]
    model = random_reader("classifier")
    found = attribution(model, text, 1000)
    assert (found["answer"], found["lines"]) == ("label", 3)
    answers = [(answer["text"], answer["label"], answer["probability"]) for answer in found["answers"]]
    expected = [
        (line, each.label, pytest.approx(each.probability))
        for line, each in zip(lines, classify(model, lines), strict=True)
    ]
    assert answers == expected
    for answer in found["answers"]:
        assert answer["probability"] == pytest.approx(np.exp(log_p(model, answer, model.params)))
    model = random_reader("tagger")
    found = attribution(model, text, 1000)
    spans = [(answer["text"], answer["start"], answer["end"], answer["label"]) for answer in found["answers"]]
    assert spans == [(line, *span) for line, each in zip(lines, tag(model, lines), strict=True) for span in each.spans]
    for answer in found["answers"]:
        assert answer["probability"] == pytest.approx(np.exp(log_p(model, answer, model.params)))


@pytest.mark.parametrize("form", ["classifier", "tagger"])
def test_unknown_characters_have_no_value_and_change_none(form):
    model = random_reader(form)
    known, strange = (attribution(model, text, 1000)["answers"][0]["values"] for text in ("the cat", "the☃ cat"))
    assert strange[3] is None
    assert strange[:3] + strange[4:] == pytest.approx(known, rel=1e-12)


def test_a_character_of_several_bytes_has_the_sum_of_their_values():
    model = random_reader("classifier", characters=None)
    (answer,) = attribution(model, "dé", 1000)["answers"]
    ids = model.vocabulary.encode("dé")
    label = np.array([model.labels.names.index(answer["label"])])
    adjusted = {"b_out": model.params["b_out"] - LOGIT_ADJUSTMENT * np.log(model.labels.frequencies)}
    values = model.network.input_gradient(model.params | adjusted, ids[:, None], None, label)[:, 0]
    assert answer["values"] == pytest.approx([values[0], values[1] + values[2]])


def test_answers_end_after_some_characters_but_there_is_one():
    model = random_reader("classifier")
    for limit, n in ((1, 1), (7, 1), (14, 2), (20, 2), (21, 3)):
        assert len(attribution(model, "the cat\n" * 5, limit)["answers"]) == n


def test_no_more_spans_are_explained_than_are_shown(monkeypatch):
    model, gradients = random_reader("tagger"), []
    model.params["W_out"] *= 5  # so that neighbours have different tags
    text = "the rat (on it) sat. " * 20
    assert len(attribution(model, text, 10**6)["answers"]) > 4
    gradient = type(model.network).input_gradient
    monkeypatch.setattr(type(model.network), "input_gradient", lambda *args: gradients.append(1) or gradient(*args))
    assert len(attribution(model, text, 3 * len(text))["answers"]) == 3
    assert len(gradients) <= 4


def test_values_are_shown_relative_to_the_strongest():
    assert relative([0.5, None, -2.0, 0.0]) == [0.25, None, -1.0, 0.0]
    assert relative([0.0, None]) == [0.0, None]


def test_what_can_not_be_explained_is_refused():
    with pytest.raises(ConfigError, match="only a classifier or a tagger"):
        attribution(random_model(), TEXT, 100)
    for text, why in (("", "it is empty"), ("☃\n☃", "known characters"), ("a" * (MAX_LENGTH + 1), "at most 10,000")):
        with pytest.raises(CorpusError, match=why):
            attribution(random_reader("classifier"), text, 100)
