"""Classification: each text has the label that the network gives it alone, whatever texts are beside it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import load
from charrnn.errors import ConfigError, DivergenceError, VocabularyError
from charrnn.model.forms import network_for
from charrnn.model.initialization import initial_params
from charrnn.model.model import Model
from charrnn.scoring.classify import Classification, classify, classify_batches
from charrnn.scoring.label_score import LabelScore
from support import random_models

LABELS = LabelSet(("blue", "green", "red"), (1, 2, 3))
TEXTS = ["ab", "", "c", "abcabcabc" * 30, "é", "ab", "bca" * 7, "a"]


def random_classifier(engine=None, characters="\t\nabcé", cell="gru"):
    """An untrained classifier."""
    vocabulary = Vocabulary(characters)
    config = ModelConfig(len(vocabulary), cell, 12, 2, form="classifier", outputs=3)
    network = network_for(config, engine or load("numpy"))
    params = initial_params(network, np.random.default_rng(1))
    params["W_out"] *= 5
    return Model(config, vocabulary, params, network.engine, "labels", labels=LABELS)


def alone(model, text):
    """The probabilities of the labels by the network itself."""
    ids = model.vocabulary.encode(text)
    inputs = np.zeros((max(1, len(ids)), 1), model.vocabulary.dtype)
    inputs[: len(ids), 0] = ids
    logits = model.network.logits(model.params, inputs, np.array([len(ids)]))[0].astype(np.float64)
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_text_has_its_own_label_in_order(engine, cell, threads):
    model = random_classifier(engine, cell=cell)
    found = [*classify(model, TEXTS, threads=threads, logit_adjustment=0)]
    for text, answer in zip(TEXTS, found, strict=True):
        wanted = alone(model, text)
        np.testing.assert_allclose(answer.probabilities, wanted, rtol=1e-4, atol=1e-6)
        assert answer.label == LABELS.names[wanted.argmax()]
        assert answer.probability == pytest.approx(wanted.max(), rel=1e-4)
        ranked = answer.top(3)
        assert ranked[0] == (answer.label, answer.probability)
        assert [p for _, p in ranked] == sorted((p for _, p in ranked), reverse=True)
    assert len({answer.label for answer in found}) > 1


def test_texts_are_taken_as_they_are_needed():
    taken = []

    def texts():
        for n in itertools.count():
            taken.append(n)
            yield "abc"[n % 3]

    found = classify(random_classifier(), texts())
    for _ in range(3):
        next(found)
    assert len(taken) == 1024
    batches = classify_batches(random_classifier(), [["a"], [], ["b", "c"]])
    assert [len(batch) for batch in batches] == [1, 0, 2]


def test_unknown_characters_are_left_out_and_counted_by_default():
    model = random_classifier()
    plain, skipped = classify(model, ["ab", "aXbY"])
    assert (skipped.label, skipped.probability) == (plain.label, pytest.approx(plain.probability, rel=1e-5))
    assert (plain.unknown, skipped.unknown) == (0, 2)
    (nearest,) = classify(model, ["AB"], unknown="nearest")
    assert nearest.probability == pytest.approx(plain.probability, rel=1e-5)
    with pytest.raises(VocabularyError, match="line 2: the model has never seen 'X'"):
        [*classify(model, ["ab", "aX"], unknown="error")]


def test_bytes_can_be_classified():
    model = random_classifier(characters=None)
    np.testing.assert_allclose(
        next(classify(model, ["é\udcff"], logit_adjustment=0)).probabilities, alone(model, "é\udcff"), rtol=1e-4
    )


@pytest.mark.parametrize("tau", [0.15, 1.0, 3.0])
def test_the_logits_are_adjusted_by_the_frequency_of_the_labels(engine, tau):
    model = random_classifier(engine)
    for text, found in zip(TEXTS, classify(model, TEXTS, logit_adjustment=tau), strict=True):
        # p ∝ exp(y) / πᵗ
        wanted = alone(model, text) / (np.array([1, 2, 3]) / 6) ** tau
        np.testing.assert_allclose(found.probabilities, wanted / wanted.sum(), rtol=1e-4, atol=1e-6)
        assert found.label == LABELS.names[wanted.argmax()]


def test_a_little_adjustment_is_the_default_and_none_where_labels_are_equally_frequent():
    model = random_classifier()
    default, given, none = (
        np.array([found.probabilities for found in classify(model, TEXTS, **options)])
        for options in ({}, {"logit_adjustment": 0.25}, {"logit_adjustment": 0})
    )
    np.testing.assert_array_equal(default, given)
    assert (default[:, 0] > none[:, 0] * 1.01).all(), "the first label is the rarest"
    balanced = replace(model, labels=LabelSet(LABELS.names, (7, 7, 7)))
    for found, wanted in zip(classify(balanced, TEXTS, logit_adjustment=5), none, strict=True):
        np.testing.assert_allclose(found.probabilities, wanted, rtol=1e-6)


@pytest.mark.parametrize("options", [{"threads": 0}, {"unknown": "guess"}, {"logit_adjustment": -0.1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        [*classify(random_classifier(), ["a"], **options)]


def test_other_models_do_not_classify_and_a_classifier_predicts_no_text():
    with pytest.raises(ConfigError, match='layout="labels"'):
        classify(random_models.random_model(), [])
    with pytest.raises(ConfigError, match="charrnn classify"):
        random_classifier().read(np.zeros(3, np.uint8), np.zeros((0, 1, 1, 12)))


def test_predictions_that_are_not_numbers_are_an_error():
    model = random_classifier()
    model.params["W_out"][:] = np.nan
    with pytest.raises(DivergenceError, match="NaN"):
        [*classify(model, ["a"])]


# The score


def answer(label, *p):
    return Classification(label, max(p), ("a", "b", "c"), np.array(p))


def test_a_score_counts_what_was_expected_and_found():
    score = LabelScore(("a", "b", "c"))
    assert (score.texts, score.accuracy, score.macro_f1, score.calibration_error) == (0, 0, 0, 0)
    for label, p, expected in (
        ("a", (0.8, 0.1, 0.1), "a"),
        ("a", (0.6, 0.3, 0.1), "b"),
        ("b", (0.2, 0.7, 0.1), "b"),
        ("b", (0.0, 1.0, 0.0), "never seen"),
    ):
        score.add(answer(label, *p), expected)
    assert score.texts == 4
    assert score.accuracy == 2 / 4
    assert score.f1 == pytest.approx({"a": 2 / 3, "b": 2 / 4, "never seen": 0})
    assert score.macro_f1 == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
    assert score.nats_per_text == pytest.approx(-np.log([0.8, 0.3, 0.7]).sum() / 3)
    # in their intervals, 0.8 and 0.7 were right, 0.6 and 1.0 wrong
    assert score.calibration_error == pytest.approx((0.2 + 0.3 + 0.6 + 1.0) / 4)
    assert [*score.confused(5)] == [("b", "a", 1)]
    assert score.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("unknown", [("x",), ("x", "x"), ("x", "y", "x")])
def test_labels_that_the_model_does_not_know_count_as_0_and_have_no_nats(unknown):
    score = LabelScore(("a", "b", "c"))
    for label in unknown:
        score.add(answer("a", 0.8, 0.1, 0.1), label)
    assert score.f1 == dict.fromkeys(("a", *unknown), 0)
    assert (score.accuracy, score.macro_f1, score.nats_per_text) == (0, 0, None)
    score.add(answer("a", 0.8, 0.1, 0.1), "a")
    f1 = 2 / (1 + 1 + len(unknown))
    assert score.macro_f1 == pytest.approx(f1 / (1 + len({*unknown})))
    assert score.nats_per_text == pytest.approx(-np.log(0.8))
