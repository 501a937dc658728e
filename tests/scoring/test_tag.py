"""Tagging: as many tags as characters, those that the network gives the text alone; and spans that are exact."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import load
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.model.model import Model
from charrnn.scoring import whole_texts
from charrnn.scoring.span_score import SpanScore
from charrnn.scoring.tag import Span, Tagging, outside_tag, spans, tag, tag_batches
from support import random_models

TAGS = LabelSet((".", "N", "x"), (90, 6, 4))
TEXTS = ["abcab", "", "c", "abcabcabc" * 30, "é", "bca" * 7]


def random_tagger(engine=None, characters="\t\nabcé"):
    """An untrained tagger."""
    vocabulary = Vocabulary(characters)
    config = ModelConfig(len(vocabulary), "gru", 12, 1, form="tagger", outputs=3)
    network = network_for(config, engine or load("numpy"))
    return Model(
        config, vocabulary, initial_params(network, np.random.default_rng(2)), network.engine, "tags", labels=TAGS
    )


def alone(model, text):
    """The tags by the network itself."""
    logits = model.network.logits(model.params, model.vocabulary.encode(text)[:, None])
    return "".join(TAGS.names[k] for k in logits[:, 0].argmax(axis=1))


@pytest.mark.parametrize("threads", [1, 3])
def test_each_character_has_its_tag(engine, threads):
    model = random_tagger(engine)
    for text, found in zip(TEXTS, tag(model, TEXTS, threads=threads), strict=True):
        assert found.text == text
        assert found.tags == (alone(model, text) if text else "")
        assert len(found.probabilities) == len(text)
        assert all(1 / 3 < p <= 1 for p in found.probabilities)
    batches = [[one.text for one in batch] for batch in tag_batches(model, [TEXTS[:2], [], TEXTS[2:]])]
    assert batches == [TEXTS[:2], [], TEXTS[2:]]


def test_unknown_characters_have_the_tag_before_them():
    model = random_tagger()
    known = alone(model, "abca")
    (found,) = tag(model, ["abXcYYa"])
    assert found.tags == known[0] + known[1] * 2 + known[2] * 3 + known[3]
    assert found.unknown == 3
    first, nothing = tag(model, ["Xa", "XX"])
    assert first.tags == "." + alone(model, "a")
    assert nothing.tags == ".."
    with pytest.raises(VocabularyError, match="line 2: the model has never seen 'X'"):
        [*tag(model, ["a", "X"], unknown="error")]
    with pytest.raises(ConfigError, match="unknown"):
        tag(model, [], unknown="nearest")


def test_a_text_that_would_fill_the_memory_is_an_error(monkeypatch):
    monkeypatch.setattr(whole_texts, "MAX_TEXT", 4)
    assert [len(found.tags) for found in tag(random_tagger(), ["abca", "", "XXXX"])] == [4, 0, 4]
    for text in ("abcab", "X" * 5, "é" * 9):
        with pytest.raises(CorpusError, match=f"line 2 has {len(text)} characters, and 4 are the most"):
            [*tag(random_tagger(), ["a", text])]


def test_other_models_do_not_tag():
    with pytest.raises(ConfigError, match='layout="tags"'):
        tag(random_models.random_model(), [])


@pytest.mark.parametrize(
    ("counts", "outside"),
    [
        ({".": 17, "a": 9, "n": 30, "v": 5}, "."),
        ({" ": 2, "N": 9}, " "),
        ({"-": 3, "_": 2, "N": 9}, "-"),
        ({"-": 2, "_": 3, "N": 9}, "_"),
        ({"-": 2, ".": 2, "O": 2, "N": 9}, "O"),
        ({".": 9, "O": 2, "P": 1}, "."),
        ({"a": 3, "n": 4, "v": 4}, "n"),
    ],
)
def test_the_tag_outside_is_one_that_people_write_for_it(counts, outside):
    tags = LabelSet.from_counts(counts)
    assert outside_tag(tags) == outside
    (found,) = tag(replace(random_tagger(), labels=tags), [""]) if len(tags) == 3 else [None]
    assert found is None or found.outside == outside


def test_of_words_only_o_is_outside():
    assert outside_tag(LabelSet((".", "I-A", "O"), (9, 5, 2), of_words=True)) == "O"
    assert outside_tag(LabelSet((".", "I-A", "N"), (2, 5, 9), of_words=True)) == "N"


def test_spans_are_runs_of_equal_tags_without_those_outside():
    assert spans("..NN.xxN", ".") == [Span(2, 4, "N"), Span(5, 7, "x"), Span(7, 8, "N")]
    assert spans("NNN", ".") == [Span(0, 3, "N")]
    assert spans("", ".") == spans("...", ".") == []


def tagging(tags):
    return Tagging("?" * len(tags), tags, ".", np.ones(len(tags)))


def test_a_span_is_right_only_if_all_of_it_is():
    score = SpanScore()
    score.add(tagging("NN..xx.N"), "NN..x..N")
    score.add(tagging("...."), "NN..")
    assert (score.texts, score.chars) == (2, 12)
    assert score.accuracy == 9 / 12
    assert (score.precision(), score.recall(), score.f1()) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert (score.precision("N"), score.recall("N"), score.f1("N")) == pytest.approx((1, 2 / 3, 4 / 5))
    assert (score.precision("x"), score.recall("x"), score.f1("x")) == (0, 0, 0)
    assert score.labels == ["N", "x"]
    assert SpanScore().f1() == 1
