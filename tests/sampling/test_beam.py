"""The beam search: it finds what trying everything finds, and never less than the greedy choice."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.dataset.label_set import LabelSet
from charrnn.errors import CheckpointError, ConfigError, CorpusError, VocabularyError
from charrnn.layers.softmax import log_softmax
from charrnn.sampling import beam
from charrnn.sampling.generate import generate
from charrnn.sampling.translate import read_ragged, translate, translate_batches
from charrnn.scoring.lines import score_lines
from support import random_models

SOURCES = ["a", "abc", "", "ca b", "bbbbbbbbb", "é", "abcé" * 20, "a"]


def random_model(cell="lstm", characters="\t\n abcé", end=0.0):
    """An untrained model of pairs; `end` makes it likelier that a target ends."""
    model = random_models.random_model(cell, characters, hidden_size=12, scale=0.8, layout="pairs")
    model.params["b_out"][model.vocabulary.start] += end
    return model


def target_score(model, source, target, whole=True):
    """The mean log-probability per character of a target, by scoring it."""
    (found,) = score_lines(model, [f"{source}\t{target}" + "\n" * whole])
    return -found.nats / found.chars


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_beam_of_one_always_takes_the_likeliest_character(cell):
    model = random_model(cell, end=1.0)
    sources = [*filter(None, SOURCES)]
    for source, found in zip(sources, translate(model, sources, beam=1, length=15), strict=True):
        text = "".join(generate(model, prime=source + "\t", length=16, config=SamplingConfig(temp=0)))
        assert found.text == text.partition("\n")[0][:15]
        assert found.complete == ("\n" in text)
        assert found.logprob / found.chars == pytest.approx(
            target_score(model, source, found.text, found.complete), rel=1e-4
        )


@pytest.mark.parametrize("width", [2, 3, 8, 50])
def test_the_best_of_a_beam_never_scores_below_the_greedy_target(width):
    sources = ["".join(np.random.default_rng(n).choice([*"abcé"], n % 9)) for n in range(40)]
    better = 0
    for end in (-1.0, 0.5, 2.0):
        model = random_model(end=end)
        greedy = translate(model, sources, beam=1, length=12)
        for one, best in zip(greedy, translate(model, sources, beam=width, length=12), strict=True):
            assert best.logprob / best.chars >= one.logprob / one.chars
            better += best.text != one.text
    assert better, "the beam would be of no use"


def test_a_wide_beam_finds_the_likeliest_of_all_targets():
    model = random_model(characters="\t\nab", end=1.0)
    every = ["".join(text) for n in range(6) for text in itertools.product("\tab", repeat=n)]
    for source in ("a", "ba", "bbb"):
        (found,) = translate(model, [source], beam=400, nbest=5, length=5)
        scores = {text: target_score(model, source, text) for text in every}
        cut = {
            text: target_score(model, source, "".join(text), False)
            for text in map("".join, itertools.product("\tab", repeat=5))
        }
        best = sorted((scores | cut).items(), key=lambda item: -item[1])[:5]
        assert [one.text for one in (found, *found.alternatives)] == [text for text, _ in best]
        assert [one.logprob / one.chars for one in (found, *found.alternatives)] == pytest.approx(
            [score for _, score in best], rel=1e-4
        )


def test_the_targets_come_in_order_of_their_score_without_doubles():
    for found in translate(random_model(end=1.0), SOURCES, beam=6, nbest=6, length=10):
        every = [found, *found.alternatives]
        scores = [one.logprob / one.chars for one in every]
        assert scores == sorted(scores, reverse=True)
        assert len({(one.text, one.complete) for one in every}) == len(every)


def test_a_target_does_not_depend_on_the_sources_beside_it():
    model = random_model(end=1.0)
    together = [found.text for found in translate(model, SOURCES, beam=3, length=10)]
    alone = [next(translate(model, [source], beam=3, length=10, threads=1)).text for source in SOURCES]
    assert together == alone
    batches = translate_batches(model, [SOURCES[:3], [], SOURCES[3:]], beam=3, length=10, threads=3)
    assert [[found.text for found in batch] for batch in batches] == [alone[:3], [], alone[3:]]


def test_the_target_of_an_empty_source_is_empty():
    model = random_model()
    alone = [found.text for found in translate(model, ["a", "b"], beam=3, length=10)]
    found = [*translate(model, ["", "a", "", "b", "☃"], beam=3, nbest=2, length=10, unknown="skip")]
    assert [one.text for one in found] == ["", alone[0], "", alone[1], ""]
    assert [bool(one.alternatives) for one in found] == [False, True, False, True, False]
    assert [(one.complete, one.logprob, one.bpc, one.unknown) for one in (found[0], found[4])] == [
        (True, 0, 0, 0),
        (True, 0, 0, 1),
    ]
    assert [one.text for one in translate(model, [""] * 3)] == [""] * 3


@pytest.mark.parametrize("source", ["c", "a ", "ab"])
def test_a_source_that_is_no_label_of_a_model_of_labels_is_an_error(source):
    model = replace(random_model(end=-9.0), labels=LabelSet(("a", "b"), (3, 4)))
    found = translate(model, ["a", "", "b", source], length=3)
    assert [next(found).text == "" for _ in range(3)] == [False, True, False]
    with pytest.raises(
        CorpusError, match=rf"line 4: the model has no label {source!r}: .* a, b; `charrnn\.sample_lines\(la"
    ):
        next(found)


def test_texts_of_any_length_are_read_side_by_side():
    model = random_model("gru")
    texts = [np.array(ids, np.uint8) for ids in ([3, 4, 5, 3, 4], [1, 2, 3], [6, 6, 6], [2], [])]
    states = read_ragged(model, texts)
    for n, ids in enumerate(texts):
        np.testing.assert_allclose(states[:, :, n : n + 1], model.read(ids, model.zero_state(1)), rtol=1e-5, atol=1e-6)


def test_sources_are_read_as_they_are_needed():
    taken = []

    def sources():
        for n in itertools.count():
            taken.append(n)
            yield "abc"[n % 3]

    found = translate(random_model(), sources(), beam=1, length=2)
    for _ in range(3):
        next(found)
    assert len(taken) == 256


@pytest.mark.parametrize(
    ("sources", "options", "error", "message"),
    [
        (["a", "x"], {}, VocabularyError, "line 2: the model has never seen 'x'"),
        (["a", "a\tb"], {}, CorpusError, "line 2: a source has no tabs"),
        (["a\nb"], {}, CorpusError, "line 1: a source has no newlines"),
        ([], {"beam": 0}, ConfigError, "beam"),
        ([], {"beam": 2, "nbest": 3}, ConfigError, "a beam of 2 can't find 3 targets"),
        ([], {"beam": 2.5}, ConfigError, "beam"),
        ("abc", {}, ConfigError, "give a list of them"),
        ([], {"length": -1}, ConfigError, "length"),
        ([], {"threads": 0}, ConfigError, "threads"),
        ([], {"unknown": "guess"}, ConfigError, "unknown"),
    ],
)
def test_what_can_not_be_translated_is_told(sources, options, error, message):
    with pytest.raises(error, match=message):
        [*translate(random_model(), sources, **options)]


def test_unknown_characters_can_be_left_out_or_replaced():
    model = random_model(end=1.0)
    wanted = [found.text for found in translate(model, ["ab", "ae"], unknown="nearest")]
    assert next(found.text for found in translate(model, ["aXb", "aE"], unknown="skip")) == wanted[0]
    assert [found.text for found in translate(model, ["AB"], unknown="nearest")] == wanted[:1]


def test_a_model_without_pairs_does_not_translate():
    with pytest.raises(ConfigError, match='layout="pairs"'):
        translate(random_models.random_model(layout="lines"), [])


def test_predictions_that_are_not_numbers_are_an_error():
    def step(context, state, source):
        return np.full((len(context), 4), np.nan, np.float32), state

    with pytest.raises(CheckpointError, match="NaN"):
        beam.search(step, np.zeros(2, np.uint8), np.zeros((1, 1, 2, 3)), newline=0, beam=2, longest=3)


def test_the_search_ends_when_no_beginning_is_left():
    """A model that ends each target after its first character with a probability of nearly one."""

    def step(context, state, source):
        logits = np.zeros((len(context), 3))
        logits[:, 0] = np.where(context == 0, -5.0, 40.0)
        calls.append(len(context))
        return log_softmax(logits), state

    calls: list[int] = []
    found = beam.search(step, np.zeros(4, np.uint8), np.zeros((1, 1, 4, 1)), newline=0, beam=2, longest=50)
    assert all({h.ids for h in hypotheses} == {(1,), (2,)} for hypotheses in found)
    assert len(calls) < 10
