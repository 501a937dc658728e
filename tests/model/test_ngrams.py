"""The table of n-grams: what it predicts is what its papers say, alone and mixed with a network."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.engine import load
from charrnn.model.ngrams import NgramTable, contexts_of, count, history_after
from charrnn.sampling.generate import TextGenerator, alternatives, samples
from charrnn.scoring.adaptation import Adaptation
from charrnn.scoring.lines import score_lines
from charrnn.scoring.score import stream_surprisal, surprisal
from charrnn.scoring.text import score
from charrnn.scoring.windows import score_windows
from support import coder
from support.random_models import random_model

START, V = 0, 5
TEXT = "abcab cab deab cabbed\nabe cabbed\n\nbecab dab cab\n" * 4
CHARACTERS = "\n abcde"


class NaiveTable:
    """Interpolated Kneser-Ney smoothing as the papers write it, one context at a time; each text follows `START`."""

    def __init__(self, texts: list[list[int]], order: int, keeps_all: bool):
        read = [[START, *text] for text in texts]
        places = [(text, i) for text in read for i in range(1, len(text))]
        times: list[dict[tuple[int, ...], int]] = [defaultdict(int) for _ in range(order + 1)]
        self.counts: list[dict[tuple[int, ...], dict[int, int]]] = [
            defaultdict(lambda: defaultdict(int)) for _ in range(order + 1)
        ]
        for k in range(order + 1):
            for text, i in places:
                if k <= i:
                    times[k][tuple(text[i - k : i])] += 1
                if k <= i and k in (i, order):  # no context is longer
                    self.counts[k][tuple(text[i - k : i])][text[i]] += 1
            longer = {tuple(text[i - k - 1 : i + 1]) for text, i in places if k < min(i, order)}
            for _, *context, v in longer:
                self.counts[k][tuple(context)][v] += 1
        self.discounts = []
        for k, table in enumerate(self.counts):
            found = [n for row in table.values() for n in row.values()]
            once, twice = found.count(1), found.count(2)
            self.discounts.append(once / (once + 2 * twice) if once else 0.5)
            for context in [c for c in table if k and times[k][c] == 1 and not keeps_all]:
                del table[context]
        self.order = order

    def probabilities(self, before: list[int]) -> list[float]:
        """p of each character after all of a text so far."""
        read, p = [START, *before], [1 / V] * V
        for k in range(min(self.order, len(read)) + 1):
            row = self.counts[k].get(tuple(read[len(read) - k :]))
            if row is None:
                break
            D, n = self.discounts[k], sum(row.values())
            p = [(max(row.get(v, 0) - D, 0) + D * len(row) * p[v]) / n for v in range(V)]
        return p


def table_of(texts: list[list[int]], order: int, keeps_all: bool = False) -> NgramTable:
    ids = np.array([v for text in texts for v in text], np.uint8)
    begins = np.array([n == 0 for text in texts for n in range(len(text))])
    return count(ids, V, order, START, begins, keeps_all)


def contexts_in(text: list[int], order: int) -> np.ndarray:
    inputs = np.array([START, *text[:-1]])[:, None]
    return contexts_of(inputs, np.full((order, 1), V))[:, 0]


TEXTS = st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=30), min_size=1, max_size=5)


@given(TEXTS, st.lists(st.integers(0, V - 1), min_size=1, max_size=20), st.integers(0, 4), st.booleans())
def test_the_table_is_that_of_the_papers(texts, other, order, keeps_all):
    table, naive = table_of(texts, order, keeps_all), NaiveTable(texts, order, keeps_all)
    contexts = contexts_in(other, order)
    expected = [naive.probabilities(other[:n]) for n in range(len(other))]
    np.testing.assert_allclose([table.distribution(context) for context in contexts], expected, rtol=1e-12)
    found = table.probabilities(contexts, np.array(other))
    np.testing.assert_allclose(found, [p[v] for p, v in zip(expected, other, strict=True)], rtol=1e-12)
    np.testing.assert_allclose(np.sum(expected, axis=1), 1)


def test_contexts_that_occur_once_are_left_out():
    table = table_of([[1, 2, 3, 1, 2, 4]], 3)
    assert table.oldest.tolist() == [0, 1, 2, 1]  # none; 1; 2; 2 after 1
    assert table.child_starts.tolist() == [1, 3, 3, 4, 4]


def test_the_history_is_what_was_read_last():
    first, more = np.array([[1], [2]]), np.array([[3], [4], [1]])
    none = np.full((3, 1), V)
    at_once = contexts_of(np.concatenate((first, more)), none)
    in_parts = contexts_of(first, none), contexts_of(more, history_after(first, none))
    np.testing.assert_array_equal(np.concatenate(in_parts), at_once)
    assert at_once[:, 0].tolist() == [[1, V, V], [2, 1, V], [3, 2, 1], [4, 3, 2], [1, 4, 3]]


def test_the_fitted_weight_is_the_best():
    rng = np.random.default_rng(0)
    table, p, q = table_of([[1, 2]], 1), rng.uniform(0.01, 1, 500), rng.uniform(0.01, 1, 500)

    def loss(weight):
        return -np.log(weight * p + (1 - weight) * q).mean()

    found = table.fitted(-np.log(q), p)
    assert 0.1 < found.weight < 0.9
    assert found.loss == pytest.approx(loss(found.weight))
    assert table.fitted(np.full(9, 20.0), np.ones(9)).weight == 0.99  # never all
    assert found.loss < min(loss(found.weight - 0.01), loss(found.weight + 0.01), loss(0), loss(1))


# Models


def model_with_table(engine="numpy", order=4, weight=0.4, **fields):
    model = random_model(characters=CHARACTERS, engine=load(engine), **fields)
    ids = model.vocabulary.encode(TEXT)
    begins = np.arange(len(ids)) == 0
    if model.reads_lines:
        begins[1:] = ids[:-1] == model.start
    table = count(ids, len(model.vocabulary), order, model.start, begins)
    return replace(model, ngrams=replace(table, weight=weight))


def naive_surprisal(model, text, before=None):
    """-log p of the characters of a text: the mixture of what the network and the table say of each, one by one.

    The text is read after the character `before`, by default that after which all texts are.
    """
    start = model.start if before is None else model.vocabulary.encode(before)[0]
    network, ids = replace(model, ngrams=None), model.vocabulary.encode(text)
    vars(network)["start"] = start
    table, found = model.ngrams, []
    for n, nats in enumerate(surprisal(network, text).astype(float)):
        read = [start, *ids[:n].tolist()][::-1]
        context = (read + [len(model.vocabulary)] * table.order)[: table.order]
        p = table.distribution(np.array(context))[ids[n]]
        found.append(-np.log(table.weight * p + (1 - table.weight) * np.exp(-nats)))
    return np.array(found)


def test_scores_are_those_of_the_mixture(engine_name):
    model = model_with_table(engine_name)
    text = "cabbed abe\ncab dde"
    expected = naive_surprisal(model, text)
    assert surprisal(model, text) == pytest.approx(expected, rel=1e-4)
    pieces = np.concatenate([*stream_surprisal(model, [text[:1], text[1:7], text[7:]])])
    assert pieces == pytest.approx(expected, rel=1e-4)
    windows = [naive_surprisal(model, text[n : n + 5], text[n - 1] if n else None).sum() for n in (0, 5, 10, 15)]
    assert score_windows(model, text, 5).nats == pytest.approx(sum(windows), rel=1e-4)


def test_lines_are_scored_alone(engine_name):
    model = model_with_table(engine_name, layout="lines")
    lines = ["cab\n", "abe cabbed\n", "dab\n"]
    found = [each.nats for each in score_lines(model, lines)]
    expected = [naive_surprisal(model, line).sum() for line in lines]
    assert found == pytest.approx(expected, rel=1e-4)
    assert score(model, "".join(lines)).nats == pytest.approx(sum(expected), rel=1e-4)


@pytest.mark.parametrize("prime", ["", "a", "cab ", TEXT])
def test_samples_are_drawn_from_the_mixture(engine_name, prime):
    model = model_with_table(engine_name)
    for sample in samples(model, prime=prime, count=2, length=40, seed=3):
        expected = -surprisal(model, prime + sample.text)[len(prime) :].sum()
        assert sample.logprob == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(temp=0.6, top_p=0.9), SamplingConfig(temp=0)])
def test_the_engines_draw_the_same(config, engine_name):
    found, expected = (
        [each.text for each in samples(model_with_table(name), prime="ca", count=3, length=60, seed=1, config=config)]
        for name in (engine_name, "numpy")
    )
    assert found == expected


def test_a_text_goes_on_where_it_stopped(engine_name):
    model = model_with_table(engine_name)
    whole = "".join(TextGenerator(model, prime="c", length=30, seed=7))
    first = TextGenerator(model, prime="c", length=3, seed=7)
    begun = "".join(first)
    assert begun + "".join(TextGenerator(model, length=27, after=first.state)) == whole


def test_alternatives_are_those_of_the_mixture():
    model = model_with_table()
    (sample,) = samples(model, prime="ca", count=1, length=12, seed=2)
    found = [logp for _, logp, _ in alternatives(model, sample)]
    assert found == pytest.approx((-surprisal(model, sample.prime + sample.text)[2:]).tolist(), rel=1e-4)
    for character, logp, best in alternatives(model, sample, len(CHARACTERS)):
        assert dict(best)[character] == logp
        assert sum(np.exp(p) for _, p in best) == pytest.approx(1)


@pytest.mark.parametrize("layout", ["stream", "lines"])
def test_a_model_that_adapts_mixes_them_in_too(layout):
    model = model_with_table(layout=layout)
    text = "cab\nabe cabbed\ndab\n" * 8
    adaptation = Adaptation(model)
    learned = score(model, text, adaptation=adaptation)
    found = learned.nats
    assert learned.nats_without_learning == pytest.approx(score(model, text).nats, rel=1e-4)
    assert found < learned.nats_without_learning
    assert adaptation.model.ngrams == model.ngrams.unmeasured()  # whose loss is that of the trained weights
    again, parts = Adaptation(model), [text[:3], text[3:50], text[50:]]
    in_parts = np.concatenate([*stream_surprisal(model, parts, adaptation=again)]).sum()
    assert in_parts == pytest.approx(found, rel=1e-4)


def predictions(model):
    """As `coder.predictions`, of the mixture."""
    state, read = model.zero_state(1), [model.start]
    while True:
        logits, state = model.forward(np.array([[read[-1]]]), state)
        context = (read[::-1] + [len(model.vocabulary)] * model.ngrams.order)[: model.ngrams.order]
        logp = model.ngrams.mixed_distribution(logits[0], np.array([context]))
        read.append((yield coder.borders_of(np.exp(logp[0]))))


def test_a_score_is_the_size_of_a_code():
    model, text = model_with_table(), TEXT[:150]
    code = coder.encode(model, text, predictions(model))
    assert coder.decode(model, code, len(text), predictions(model)) == model.vocabulary.encode(text).tolist()
    assert 8 * len(code) == pytest.approx(score(model, text).bpc * len(text), abs=16)
