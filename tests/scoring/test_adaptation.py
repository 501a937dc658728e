"""A model that learns as it reads: its scores are those of the naive equations and of a real code."""

import copy
import itertools
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn import engine as engines
from charrnn.config import SamplingConfig
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.engine.threads import Threads
from charrnn.errors import CharRNNError, ConfigError, CorpusError, DivergenceError, VocabularyError
from charrnn.model import ngrams
from charrnn.model.line_scores import LineScores
from charrnn.scoring import adaptation as adaptations
from charrnn.scoring import gradient_scale, learner
from charrnn.scoring import lines as line_scoring
from charrnn.scoring import mixture as mixtures
from charrnn.scoring.adaptation import Adaptation
from charrnn.scoring.adapted_model import adapt
from charrnn.scoring.gradient_scale import GradientScale, measure
from charrnn.scoring.learner import EPSILON, MAX_LENGTH, AdaptationConfig, factors
from charrnn.scoring.lines import score_batches, score_lines
from charrnn.scoring.passage import Passage, passage
from charrnn.scoring.score import Score, stream_surprisal, surprisal
from charrnn.scoring.text import score
from support import coder, naive
from support.cells import CELLS
from support.random_models import random_model
from support.readmes import DOCS
from support.trainings import VERSE

ALPHABET = "\nabc"
FAST = AdaptationConfig(rate=0.05, pull=0.02, segment=4)
"""It learns so much in a few steps that a wrong one shows."""
NEW = "hoh mohd, ahoh hod? a hohmod; " * 40
"""A text that repeats what no model of verse knows."""


def tiny(cell="lstm", engine=None, layers=1, hidden_size=3, characters=ALPHABET, **fields):
    return random_model(cell, characters, engine, layers, hidden_size, **fields)


def random_ids(n, model, seed=0):
    return np.random.default_rng(seed).integers(len(model.vocabulary), size=n).astype(model.vocabulary.dtype)


def random_scale(model):
    rng = np.random.default_rng(1)
    rows = {name: rng.uniform(0.1, 1, len(np.atleast_2d(p))).astype(np.float32) for name, p in model.params.items()}
    columns = {name: rng.uniform(0.1, 1, p.shape[-1]).astype(np.float32) for name, p in model.params.items()}
    return GradientScale(rows, columns, 0.3)


def naive_nats(model, params, state, inputs, targets, resets):
    """-log p of characters, from the naive equations in float64, and the next state."""
    found = []
    for v, target, new in zip(inputs.tolist(), targets.tolist(), resets.tolist(), strict=True):
        state = np.zeros_like(state) if new else state
        given = np.array([[v]])
        logits, state = naive.network(params, given, state, model.config.cell_name, model.config.layers)
        found.append(-naive.log_softmax(logits[0, 0])[target])
    return np.array(found), state


def naive_gradients(model, params, state, read):
    """The gradients of the sum of their nats, by finite differences."""
    return {
        name: naive.gradient(lambda: naive_nats(model, params, state, *read)[0].sum(), p) for name, p in params.items()
    }


def naive_reading(model, read, scale, config):
    """-log p of the characters of a passage, of which each whole segment is learned from; and the weights then."""
    trained = {name: p.astype(np.float64) for name, p in model.params.items()}
    params = {name: p.copy() for name, p in trained.items()}
    state, found, least = model.zero_state(1).astype(np.float64), [], EPSILON * scale.mean**0.5
    for first in range(0, len(read.targets), config.segment):
        part = read.part(first, first + config.segment)
        nats, after = naive_nats(model, params, state, *part)
        found.append(nats)
        if len(nats) == config.segment:
            grads = naive_gradients(model, params, state, part)
            for name, p in params.items():
                g, row, column = (np.atleast_2d(each) for each in (grads[name], scale.rows[name], scale.columns[name]))
                r = (row.T * column).reshape(p.shape)
                back = np.minimum(config.pull * r / scale.mean, 1)
                far = ((row + least).T * (column + least)).reshape(p.shape)
                rate = config.rate * (1 + 2 / (1 + first / config.segment / 20))
                usual = math.sqrt(np.square((row / (row + least)).T * column / (column + least)).sum())
                step = g.reshape(p.shape) / far
                step *= min(1, MAX_LENGTH * usual / (np.linalg.norm(step) or 1))
                p += back * (trained[name] - p) - rate * step
        state = after
    return np.concatenate(found), params


# The naive equations


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_the_learner_is_that_of_the_naive_equations(engine, cell, layers):
    model = tiny(cell, engine, layers)
    scale, ids, resets = random_scale(model), random_ids(16, model), np.zeros(16, bool)
    resets[[0, 4, 10]] = True  # where a segment begins, and within one
    for new in (resets[:1].repeat(16) & (np.arange(16) == 0), resets):
        read = passage(ids, model.start, new, model.start)
        wanted, params = naive_reading(model, read, scale, FAST)
        reader = adaptations._learner(model, factors(scale, FAST), FAST.segment)
        np.testing.assert_allclose(reader.read(read), wanted, rtol=2e-4, atol=1e-5)
        for name, p in params.items():
            np.testing.assert_allclose(reader.params[name], p, rtol=2e-3, atol=2e-4, err_msg=name)
            assert np.abs(p - model.params[name]).max() > 0.01  # it has learned


@pytest.mark.parametrize("cell", CELLS)
def test_the_mixture_is_that_of_the_naive_equations(engine, cell, monkeypatch):
    monkeypatch.setattr(mixtures, "UPDATE_EVERY", 5)
    model = tiny(cell, engine)
    adaptation, ids = Adaptation(model, FAST), random_ids(15, model)
    read = passage(ids, model.start, np.arange(15) == 0, model.start)
    learned, _ = naive_reading(model, read, measure(model, FAST.segment), FAST)
    trained, _ = naive_reading(model, read, random_scale(model), replace(FAST, rate=0.0, pull=0.0))
    wanted = naive.mixed_nats(learned, trained, read.inputs.tolist(), update_every=5)
    np.testing.assert_allclose(adaptation.read(ids), wanted, rtol=1e-3, atol=1e-5)


def test_the_scale_is_that_of_the_gradients_of_each_segment(engine, monkeypatch):
    model = tiny("gru", engine, 2)
    ids, resets = random_ids(13, model), np.arange(13) % 6 == 0
    read = passage(ids, model.start, resets, model.start)
    monkeypatch.setattr(gradient_scale, "_own_text", lambda model: read)
    found, params = measure(model, 4), {name: p.astype(np.float64) for name, p in model.params.items()}
    state, squares = model.zero_state(1).astype(np.float64), []
    for first in (0, 4, 8):  # the last character is no whole segment
        part = read.part(first, first + 4)
        squares.append({name: g**2 for name, g in naive_gradients(model, params, state, part).items()})
        state = naive_nats(model, params, state, *part)[1]
    total = size = 0
    for name in params:
        mean = np.atleast_2d(np.mean([each[name] for each in squares], axis=0))
        r = np.outer(found.rows[name], found.columns[name])
        np.testing.assert_allclose(r**2, np.outer(mean.sum(1), mean.sum(0)) / mean.sum(), rtol=2e-3, atol=1e-6)
        assert found.rows[name].mean() == pytest.approx(found.columns[name].mean(), rel=1e-3)
        total, size = total + r.sum(), size + r.size
    assert found.mean == pytest.approx(total / size, rel=1e-4)


@pytest.mark.parametrize(("default_length", "ends"), [(1000, False), (30, True)])
def test_the_scale_is_measured_on_no_more_lines_than_it_needs(default_length, ends, monkeypatch):
    model = tiny("gru", layout="lines")
    monkeypatch.setattr(type(model), "default_length", default_length)
    model.params["b_out"][model.start] += 3 if ends else -30
    text = gradient_scale._own_text(model)
    enough = gradient_scale.TEXTS * gradient_scale.CHARS_PER_TEXT
    lines = [len(line.targets) for line in text.texts()]
    assert max(lines) <= min(default_length + 1, gradient_scale.CHARS_PER_TEXT)
    ended = np.mean([line.targets[-1] == model.start for line in text.texts()])
    assert ended > 0.9 if ends else ended == 0
    assert len(lines) % gradient_scale.LINES_AT_ONCE == 0
    assert len(text.targets) >= enough or len(lines) == gradient_scale.LINES
    assert len(text.targets) - sum(lines[-gradient_scale.LINES_AT_ONCE :]) < enough


def test_the_scale_of_short_lines_is_that_of_all_of_them_in_a_longer_segment(engine):
    model, config = tiny("gru", engine, layout="lines"), AdaptationConfig(segment=1000)
    model.params["b_out"][model.start] += 20  # lines without characters
    text = gradient_scale._own_text(model)
    assert len(text.targets) == gradient_scale.LINES
    assert measure(model, 1000).mean == measure(model, len(text.targets)).mean > 0
    ids, adaptation = random_ids(2 * 1000, model), Adaptation(model, config)
    adapted, trained = adaptation.read(ids), Adaptation(model, replace(config, rate=0.0)).read(ids)
    assert adapted[1000:].sum() < 0.99 * trained[1000:].sum()  # it has learned


def test_a_model_of_one_character_learns_nothing(engine):
    model = tiny("lstm", engine, characters="a")
    assert measure(model, 4).mean == 0
    adaptation = Adaptation(model, FAST)
    np.testing.assert_array_equal(adaptation.read(random_ids(37, model)), 0)
    for name, p in adaptation.model.params.items():
        np.testing.assert_array_equal(p, model.params[name])


def test_a_matrix_of_rank_one_has_its_own_scale():
    rows, columns = np.array([1.0, 2.0, 3.0]), np.array([0.5, 4.0])
    squares = np.outer(rows, columns) ** 2
    found = gradient_scale._from_sums({"W": 5 * squares.sum(1)}, {"W": 5 * squares.sum(0)}, 5)
    np.testing.assert_allclose(np.outer(found.rows["W"], found.columns["W"]), np.outer(rows, columns), rtol=1e-6)
    assert found.mean == pytest.approx(np.outer(rows, columns).mean())


# The proof: a text can be encoded in as many bits, and decoded again


def candidates(adaptation, model):
    """The probabilities [V] of the next character, each asked of a copy that then reads it."""
    modules = {id(module): module for module in sys.modules.values()}  # which can't be copied
    copies = [copy.deepcopy(adaptation, {**modules}) for _ in model.vocabulary.characters]
    return np.array([math.exp(-each.read(np.array([v]))[0]) for v, each in enumerate(copies)])


def adapted_predictions(model, config):
    """As `coder.predictions`, of a model that learns from each character after it has predicted it."""
    adaptation = Adaptation(model, config)
    while True:
        v = yield coder.borders_of(candidates(adaptation, model))
        adaptation.read(np.array([v]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_text_is_encoded_in_as_many_bits_as_its_adapted_score_says(engine, cell):
    model, text, config = tiny(cell, engine), "abcab\nab" * 25, replace(FAST, segment=10)
    code = coder.encode(model, text, adapted_predictions(model, config))
    ids = coder.decode(model, code, len(text), adapted_predictions(model, config))
    assert ids == model.vocabulary.encode(text).tolist()
    found = score(model, text, adaptation=Adaptation(model, config))
    assert found.adapted
    assert len(code) == pytest.approx(found.bpc * found.chars / 8, abs=3)  # bytes
    assert found.nats < 0.8 * score(model, text).nats


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 37])
def test_the_probabilities_of_all_characters_add_up_to_one(engine, n):
    model = tiny("gru", engine, 2)
    adaptation = Adaptation(model, FAST)
    adaptation.read(random_ids(n, model))
    assert candidates(adaptation, model).sum() == pytest.approx(1, rel=1e-5)


# What it knows, and when


@pytest.fixture(scope="module")
def reader(engine):
    return Adaptation(tiny("gru", engine, layers=2, hidden_size=6), FAST)


@given(st.integers(0, 2**16), st.lists(st.integers(0, 11), max_size=12), st.lists(st.integers(0, 40), max_size=5))
def test_it_says_the_same_of_a_text_in_pieces_of_any_size(reader, seed, sizes, starts):
    total = sum(sizes)
    ids, resets = random_ids(total, reader._model, seed), np.isin(np.arange(total), starts)
    reader.forget()
    whole, weights = reader.read(ids, resets), reader.model.params
    reader.forget()
    ends = np.cumsum([0, *sizes])
    pieces = [reader.read(ids[a:b], resets[a:b]) for a, b in itertools.pairwise(ends.tolist())]
    np.testing.assert_allclose(np.concatenate([np.zeros(0), *pieces]), whole, rtol=1e-4, atol=1e-5)
    for name, p in reader.model.params.items():
        np.testing.assert_allclose(p, weights[name], rtol=1e-3, atol=1e-4)


def test_a_long_text_is_read_in_blocks_as_at_once(monkeypatch, reader):
    ids = random_ids(150, reader._model)
    reader.forget()
    whole = reader.read(ids)
    monkeypatch.setattr(adaptations, "BLOCK", 17)
    reader.forget()
    np.testing.assert_allclose(reader.read(ids), whole, rtol=1e-4, atol=1e-5)


def test_what_comes_later_changes_nothing_before_it(reader):
    ids = random_ids(50, reader._model)
    reader.forget()
    before = reader.read(ids)
    for n in (0, 7, 8, 25, 49):
        other = ids.copy()
        other[n] = (other[n] + 1) % len(ALPHABET)
        reader.forget()
        after = reader.read(other)
        np.testing.assert_array_equal(after[:n], before[:n])
        assert after[n] != before[n]


def test_what_was_forgotten_leaves_nothing(engine):
    model, ids = tiny("lstm", engine), random_ids(33, tiny())
    used, fresh = Adaptation(model, FAST), Adaptation(model, FAST)
    used.read(random_ids(30, model, seed=9))
    assert not np.allclose(used.model.params["W_out"], model.params["W_out"])
    used.forget()
    np.testing.assert_array_equal(used.model.params["W_out"], model.params["W_out"])
    assert used.chars == 0
    np.testing.assert_array_equal(used.read(ids), fresh.read(ids))
    assert used.chars == len(ids)
    assert len(used.read(ids[:0])) == 0


def test_the_trained_weights_are_in_memory_once_and_never_learn(engine):
    model = tiny("lstm", engine, layers=2)
    adaptation, kept = Adaptation(model, FAST), {name: p.copy() for name, p in model.params.items()}
    adaptation.read(random_ids(30, model))
    learned, trained = adaptation._learner, adaptation._trained
    for name, p in kept.items():
        np.testing.assert_array_equal(trained.params[name], p)
        assert not np.array_equal(learned.params[name], p)
    assert adaptation.chars == 30
    if engine.Learner is None:
        assert all(np.shares_memory(trained.params[name], p) for name, p in model.params.items())
    else:
        for of_learner, of_trained in zip(learned.weights, trained.weights, strict=True):
            assert np.shares_memory(of_learner.trained, of_trained.now)
            assert not np.shares_memory(of_learner.now, of_trained.now)


def test_the_model_that_it_gives_does_not_change_when_it_reads_on(reader):
    reader.forget()
    reader.read(random_ids(20, reader._model))
    model = reader.model
    kept = {name: p.copy() for name, p in model.params.items()}
    reader.read(random_ids(20, reader._model, seed=3))
    assert all(np.array_equal(p, model.params[name]) for name, p in kept.items())


# What it costs, and what it brings


@pytest.fixture(scope="module")
def readers(engine):
    """Readers of one model that learn a little, much, and too much."""
    model = tiny("gru", engine, hidden_size=6)
    return [Adaptation(model, config) for config in (AdaptationConfig(), FAST, AdaptationConfig(1.0, 0.0, 3))]


@given(st.text(ALPHABET, max_size=120), st.integers(0, 2))
def test_no_text_costs_more_than_the_bound(readers, text, n):
    model, adaptation = readers[n]._model, readers[n]
    adaptation.forget()
    adapted = surprisal(model, text, adaptation=adaptation).sum()
    trained = surprisal(model, text).astype(np.float64).sum()
    updates = len(text) // mixtures.UPDATE_EVERY
    assert adapted <= trained + math.log(2) - updates * math.log1p(-mixtures.SHARE / 2) + 1e-4


@pytest.mark.parametrize("size", [60, 300])
def test_short_texts_of_the_kind_that_was_learned_cost_no_more(size):
    model = charrnn.load(DOCS / "tales.safetensors").model
    held_out = (DOCS.parents[2] / "data" / "saltmarrow.txt").read_text()[-27_232:]
    adaptation, differences = Adaptation(model), []
    for start in range(0, len(held_out) - size, 1200):
        text = held_out[start : start + size]
        adaptation.forget()
        adapted = score(model, text, adaptation=adaptation).nats_per_char
        differences.append(adapted - score(model, text).nats_per_char)
    assert np.mean(differences) < 0
    assert max(differences) < 0.005


def test_a_text_that_repeats_is_learned(trained):
    model, text = trained.best, NEW
    static, adapted = score(model, text), score(model, text, adaptation=Adaptation(model))
    assert adapted.chars == static.chars == len(text)
    assert adapted.bpc < 0.9 * static.bpc
    again = adapt(model, text)
    assert score(again, text).bpc < 0.8 * static.bpc
    assert score(model, text) == static  # the model itself has not changed


def test_bytes_are_learned(trained_on_bytes):
    model, text = trained_on_bytes.best, "совсем новое слово; ".encode() * 20
    adapted = score(model, text, adaptation=Adaptation(model))
    assert adapted.chars == len(text)
    assert adapted.bpc < 0.8 * score(model, text).bpc


def test_weights_that_run_away_are_forgotten(engine, monkeypatch):
    monkeypatch.setattr(adaptations, "available_cores", lambda: 2)  # as many threads read, each without warnings
    monkeypatch.setattr(learner, "MAX_LENGTH", math.inf)
    model = tiny("rnn_relu", engine, layers=2, hidden_size=6)
    wild = Adaptation(model, AdaptationConfig(rate=1.0, pull=0.0, segment=2))
    forgotten, forget = [], wild._learner.forget
    monkeypatch.setattr(wild._learner, "forget", lambda: forgotten.append(forget()))
    ids = random_ids(400, model)
    adapted, without = wild.surprisals(ids).sum(axis=1)
    trained = surprisal(model, "".join(ALPHABET[v] for v in ids)).sum()
    assert forgotten
    with pytest.raises(DivergenceError, match=r"give a rate of 0\.003"):
        wild.check_learned()
    assert without == pytest.approx(trained, rel=1e-5)
    assert adapted <= trained + math.log(2) + len(ids) // mixtures.UPDATE_EVERY * mixtures.SHARE


def test_it_says_how_well_it_remembers_what_it_read_first(engine, monkeypatch):
    monkeypatch.setattr(adaptations, "BLOCK", 40)
    model = tiny("lstm", engine)
    adaptation = Adaptation(model, FAST)
    assert adaptation.advantage_at_first() == 0
    first, other = np.array([1] * 48), np.array([2, 3] * 60)
    for piece in (first[:5], first[5:]):
        adaptation.read(piece)
    assert adaptation.advantage_at_first() > 0.1
    remembered = surprisal(adaptation.model, "a" * 40).mean()
    assert adaptation.advantage_at_first() == pytest.approx(surprisal(model, "a" * 40).mean() - remembered, rel=1e-4)
    adaptation.read(other)
    assert adaptation.advantage_at_first() < -0.1
    adaptation.check_learned()  # it predicts the end well
    adaptation.forget()
    adaptation.read(other)
    assert adaptation.advantage_at_first() > 0.1


def test_a_model_that_became_worse_is_no_result(trained):
    model = trained.best
    adapt(model, NEW)
    with pytest.raises(DivergenceError, match=r"give a rate of 0\.003"):
        adapt(model, NEW, AdaptationConfig(rate=0.5))
    for n, rate in ((40, 0.2), (40, 1.0), (60, 1.0), (80, 1.0), (99, 0.2), (120, 0.2), (120, 1.0)):
        with pytest.raises(DivergenceError, match=r"give a rate of 0\.003"):
            adapt(model, VERSE[:n], AdaptationConfig(rate=rate))
    last = Adaptation(model)
    last.read(model.vocabulary.encode(VERSE[:100]))
    last.check_learned()
    last._learner.params["b_out"][1] = np.inf  # as after a last step that went too far
    with pytest.raises(DivergenceError, match=r"give a rate of 0\.0015"):
        last.check_learned()


def test_what_the_last_step_did_is_checked_and_changes_nothing(engine):
    model = tiny("gru", engine, hidden_size=6)
    adaptation, other = Adaptation(model, FAST), Adaptation(model, FAST)
    for _ in range(3):
        ids = random_ids(5, model)
        np.testing.assert_array_equal(adaptation.read(ids), other.read(ids))
        adaptation.check_learned()


def test_a_segment_that_is_not_complete_makes_nothing_forgotten(engine):
    model = tiny("lstm", engine, hidden_size=6)
    adaptation = Adaptation(model, FAST)
    adaptation.read(random_ids(8, model))
    learner = adaptation._learner
    kept = {name: p.copy() for name, p in learner.params.items()}
    learner.state[...] = np.nan
    ids = random_ids(3, model)
    read = passage(ids, model.start, np.zeros(3, bool), model.start)
    assert np.isnan(learner.read(read, learns=False)).all()
    assert not learner.diverged
    assert all(np.array_equal(p, kept[name]) for name, p in learner.params.items())
    learner.state[...] = np.nan
    read = passage(random_ids(4, model), model.start, np.zeros(4, bool), model.start)
    learner.read(read)
    assert learner.diverged
    assert all(np.array_equal(p, model.params[name]) for name, p in learner.params.items())


@pytest.mark.parametrize("mean", [math.nan, math.inf])
def test_gradients_that_are_infinite_teach_nothing(mean, monkeypatch):
    model = tiny()
    monkeypatch.setattr(adaptations, "measure", lambda model, segment: replace(random_scale(model), mean=mean))
    with pytest.raises(DivergenceError, match="give a smaller segment"):
        Adaptation(model)


# Lines and records


LINES = ["abc\n", "\n", "", "abcabcabcabc\n", "ca", "abc\n"]


def test_what_a_line_teaches_is_carried_on_to_the_next(engine):
    model = tiny("lstm", engine, layout="lines")
    text, starts = "".join(LINES), np.cumsum([0, *map(len, LINES[:-1])])
    alone = Adaptation(model, FAST).read(model.vocabulary.encode(text), np.isin(np.arange(len(text)), starts))
    wanted = [part.sum() for part in np.split(alone, starts[1:])]
    found = [*score_lines(model, LINES, adaptation=Adaptation(model, FAST))]
    assert [each.nats for each in found] == pytest.approx(wanted, rel=1e-5)
    assert [each.chars for each in found] == [*map(len, LINES)]
    assert all(each.adapted for each in found)
    assert found[-1].nats != pytest.approx(found[0].nats, rel=1e-3)
    ended = [line.rstrip("\n") + "\n" for line in LINES]
    whole = sum(score_lines(model, ended, adaptation=Adaptation(model, FAST)), Score(0, 0.0))
    for pieces in ("".join(ended), [*"".join(ended)]):
        assert score(model, pieces, adaptation=Adaptation(model, FAST)).nats == pytest.approx(whole.nats, rel=1e-4)
        nats = np.concatenate([*stream_surprisal(model, pieces, adaptation=Adaptation(model, FAST))])
        assert nats.sum() == pytest.approx(whole.nats, rel=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_lines_can_be_forgotten(engine, threads):
    model = tiny("gru", engine, layout="lines")
    adaptation = Adaptation(model, FAST)
    found = [*score_lines(model, LINES, adaptation=adaptation, forgets=True, threads=threads)]
    assert adaptation.chars == 0
    for line, each in zip(LINES, found, strict=True):
        wanted = Adaptation(model, FAST).read(model.vocabulary.encode(line)).sum()
        assert each.nats == pytest.approx(wanted, rel=1e-5)
    assert found[-1].nats == found[0].nats


@pytest.mark.parametrize(("threads", "lines", "wanted"), [(1, 5, {1}), (2, 5, {1, 2}), (3, 1, {2, 3}), (1, 1, {1})])
def test_as_many_lines_are_read_at_once_as_there_are_threads(threads, lines, wanted, monkeypatch):
    monkeypatch.setattr(adaptations, "available_cores", lambda: 4)
    started = []
    for module in (adaptations, line_scoring):
        monkeypatch.setattr(module, "Threads", lambda n: started.append(n) or Threads(n))
    model = tiny("gru")
    list(score_lines(model, ["abcab"] * lines, adaptation=Adaptation(model, FAST), forgets=True, threads=threads))
    assert {*started} == wanted


def test_pieces_of_a_text_can_be_read_as_they_arrive():
    model, text = tiny("gru"), "abc\nabcab\ncc" * 5
    adaptation = Adaptation(model, FAST)
    found = [
        each.nats
        for piece in text.splitlines(keepends=True)
        for each in score_lines(model, [piece], stateful=True, adaptation=adaptation)
    ]
    assert sum(found) == pytest.approx(score(model, text, adaptation=Adaptation(model, FAST)).nats, rel=1e-4)


def test_stateful_lines_are_one_text():
    model = tiny("gru")
    found = score_lines(model, LINES, stateful=True, adaptation=Adaptation(model, FAST))
    whole = score(model, "".join(LINES), adaptation=Adaptation(model, FAST))
    assert sum(found, Score(0, 0.0)).nats == pytest.approx(whole.nats, rel=1e-4)


def test_lines_of_one_batch_or_of_many_teach_the_same():
    model = tiny("gru")
    one = [*score_lines(model, LINES * 3, adaptation=Adaptation(model, FAST))]
    adaptation = Adaptation(model, FAST)
    many = [each for line in LINES * 3 for each in score_lines(model, [line], adaptation=adaptation)]
    # A text that is told alone begins one, as all of these do
    assert [each.nats for each in many] == pytest.approx([each.nats for each in one], rel=1e-4)


def test_records_are_texts_of_their_own():
    model = tiny("gru", layout="lines", characters="\x1e\nabc", record_form=RecordForm("text", "\n\n"))
    text, ended = "ab\nc\n\nabc\n\nca", ["ab\nc\x1e", "abc\x1e", "ca\x1e"]
    found = score(model, text, adaptation=Adaptation(model, FAST))
    wanted = sum(score_lines(model, ended, adaptation=Adaptation(model, FAST)), Score(0, 0.0))
    assert (found.chars, found.adapted) == (wanted.chars, True)
    assert found.nats == pytest.approx(wanted.nats, rel=1e-5)


def test_only_lines_that_teach_can_be_forgotten():
    model = tiny()
    for options in ({"forgets": True}, {"forgets": True, "stateful": True, "adaptation": Adaptation(model)}):
        with pytest.raises(ConfigError, match="forgotten"):
            list(score_lines(model, LINES, **options))


# Characters that it does not know


def test_unknown_characters_teach_nothing():
    model = tiny("gru", unseen=UnseenEstimate(3, 1000))
    text, known = "abжcaжжb" * 5, "abcab" * 5
    wanted = score(model, known, adaptation=Adaptation(model, FAST))
    skipped = score(model, text, unknown="skip", adaptation=Adaptation(model, FAST))
    assert skipped == replace(wanted, unknown=15, nats=pytest.approx(wanted.nats, rel=1e-5))
    counted = score(model, text, unknown="count", adaptation=Adaptation(model, FAST))
    assert (counted.chars, counted.unknown, counted.adapted) == (40, 15, True)
    assert counted.nats == pytest.approx(wanted.nats + 15 * model.unseen_nats, rel=1e-5)
    nats = surprisal(model, text, unknown="skip", adaptation=Adaptation(model, FAST))
    assert np.flatnonzero(np.isnan(nats)).tolist() == [n for n, c in enumerate(text) if c == "ж"]
    for call in (score, surprisal):
        with pytest.raises(VocabularyError, match="'ж'"):
            call(model, text, adaptation=Adaptation(model, FAST))
    with pytest.raises(VocabularyError, match=r"line 2: .*'ж'"):
        list(score_lines(model, ["ab\n", "ж\n"], unknown="error", adaptation=Adaptation(model, FAST)))


# The adapted model


def test_the_adapted_model_is_that_of_the_adaptation(engine):
    model = tiny("lstm", engine, line_scores=LineScores(100, (50.0,), (2.0,)))
    adaptation, text = Adaptation(model, FAST), "abcab" * 9
    score(model, text, adaptation=adaptation)
    found = adapt(model, [text[:7], text[7:]], FAST)
    for name, p in found.params.items():
        np.testing.assert_allclose(p, adaptation.model.params[name], rtol=1e-4, atol=1e-5)
        assert not np.array_equal(p, model.params[name])
    assert found.line_scores is None  # which are those of the trained weights
    assert found.vocabulary == model.vocabulary
    assert charrnn.adapt is adapt
    skipped = adapt(model, "abж" * 9, FAST, unknown="skip")
    np.testing.assert_array_equal(skipped.params["W_out"], adapt(model, "ab" * 9, FAST).params["W_out"])


def test_the_checkpoint_of_an_adapted_model_says_what_it_learned_from(small, tmp_path):
    checkpoint = charrnn.load(small["model"])
    adaptation = Adaptation(checkpoint.model, FAST)
    score(checkpoint.model, "abcab " * 9, adaptation=adaptation)
    adapted = checkpoint.adapted_to(adaptation.model, "diary.txt", adaptation.chars, adaptation.config)
    charrnn.save(tmp_path / "b.safetensors", adapted)
    found = charrnn.load(tmp_path / "b.safetensors")
    assert [text.to_dict() for text in found.adapted] == [{"name": "diary.txt", "chars": 54} | FAST.to_dict()]
    assert (found.run_id, found.step) == ("", checkpoint.step)
    np.testing.assert_array_equal(found.model.params["W_out"], adaptation.model.params["W_out"])


def test_a_checkpoint_becomes_no_model_of_another_kind(small):
    checkpoint, how = charrnn.load(small["model"]), AdaptationConfig()
    for model in (tiny(), replace(checkpoint.model, layout="lines"), charrnn.load(DOCS / "names.safetensors").model):
        with pytest.raises(ConfigError, match=r"not one that this one became: give that of its charrnn\.Adapt"):
            checkpoint.adapted_to(model, "a", 5, how)
    for wrong in (None, {"rate": 0.1}):
        with pytest.raises(ConfigError, match=r"of the type \w+: give charrnn\.AdaptationConfig\(\)"):
            checkpoint.adapted_to(checkpoint.model, "a", 5, wrong)
    for refused in (lambda: checkpoint.adapted_to("a", "a", 5, how), lambda: checkpoint.adapted_to(tiny(), "a", 5, 1)):
        with pytest.raises(ConfigError, match="model"):
            refused()
    with pytest.raises(ConfigError, match="chars"):
        checkpoint.adapted_to(checkpoint.model, "a", -1, how)
    with pytest.raises(ConfigError, match="settings"):
        checkpoint.adapted_to(checkpoint.model, "a", 5, SamplingConfig())


def test_a_text_shorter_than_a_segment_teaches_nothing():
    for layout in ("stream", "lines"):
        with pytest.raises(CorpusError, match="too short to learn from: give at least 4 characters"):
            adapt(tiny(layout=layout), "ab\n", FAST)
        adapt(tiny(layout=layout), "abc\n", FAST)


def test_there_has_to_be_a_text_to_learn_from():
    for model, nothing in ((tiny(), ""), (tiny(), []), (tiny(layout="lines"), "")):
        with pytest.raises(CorpusError, match="there is no text to learn from: it is empty"):
            adapt(model, nothing, FAST)
    with pytest.raises(CorpusError, match="no text to learn from: the model knows none of its characters"):
        adapt(tiny(), "жж", FAST, unknown="skip")
    with pytest.raises(ConfigError, match="adapt takes a text or its pieces, not a value of the type int"):
        adapt(tiny(), 5)
    with pytest.raises(CorpusError, match="there is no text to score"):
        score(tiny(), "")


# What can't learn


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ("small_pairs", "a model of pairs can't adapt"),
        ("small_translations", "translator"),
        ("small_labels", "classifier"),
        ("small_tags", "tagger"),
    ],
)
def test_other_models_than_those_of_texts_are_refused(files, says, request):
    model = charrnn.load(request.getfixturevalue(files)["model"]).model
    with pytest.raises(ConfigError, match=says):
        Adaptation(model)
    with pytest.raises(ConfigError, match=says):
        adapt(model, "abc")


def test_an_adaptation_of_other_weights_is_refused():
    model = tiny()
    again = replace(model, params={name: p.copy() for name, p in model.params.items()})
    assert score(again, "abc", adaptation=Adaptation(model)) == score(model, "abc", adaptation=Adaptation(model))
    with pytest.raises(ConfigError, match="of another model"):
        score(tiny(scale=0.9), "abc", adaptation=Adaptation(model))


def test_an_adaptation_of_a_model_that_predicts_otherwise_is_refused(trained):
    model = trained.best
    clamped = model.clamp_units({(0, 1): 0.5})
    mixed = replace(model, ngrams=ngrams.count(random_ids(99, model), len(model.vocabulary), 2, 0, np.zeros(99, bool)))
    relu = replace(tiny("rnn"), config=replace(tiny("rnn").config, nonlinearity="relu"))
    for one, other in ((model, clamped), (model, mixed), (mixed, model), (tiny("rnn"), relu)):
        with pytest.raises(ConfigError, match="adaptation is of another model"):
            score(other, "a", adaptation=Adaptation(one))
    assert score(mixed, "a", adaptation=Adaptation(mixed)).chars == 1


def test_lines_are_taken_as_the_model_learns_from_them():
    model, taken = tiny(), []

    def lines():
        for n in range(99):
            taken.append(n)
            yield "abcab" * 200 + "\n"

    scores = score_lines(model, lines(), adaptation=Adaptation(model, FAST))
    next(scores)
    assert len(taken) == math.ceil(line_scoring.LEARNED_AT_ONCE / 1002)
    assert len([*scores]) == 98


def test_an_adaptation_of_another_model_is_refused():
    model, adaptation = tiny(), Adaptation(tiny(characters="\nbca"))  # whose ids mean other characters
    for call in (score, surprisal, lambda *words, **options: list(score_lines(*words, **options))):
        with pytest.raises(ConfigError, match="adaptation is of another model"):
            call(model, ["ab\n"] if call is not surprisal else "ab\n", adaptation=adaptation)
        with pytest.raises(ConfigError, match=r"of the type bool: give charrnn\.Adaptation\(model\)"):
            call(model, ["ab\n"] if call is not surprisal else "ab\n", adaptation=True)


@pytest.mark.parametrize("config", [{"rate": 0.1}, 0.1, AdaptationConfig])
def test_settings_of_another_type_are_refused(config):
    for refused in (lambda: Adaptation(tiny(), config), lambda: adapt(tiny(), "abc" * 20, config)):
        with pytest.raises(ConfigError, match=r"of the type \w+: give charrnn\.AdaptationConfig\(rate=…\)"):
            refused()


def test_two_threads_can_not_read_with_the_same_adaptation(monkeypatch):
    model = tiny()
    wanted, adaptation = Adaptation(model).read(np.array([1, 2])), Adaptation(model)
    begun, goes_on, begin_block = threading.Event(), threading.Event(), Adaptation._begin_block

    def waits(self, *args):
        begun.set()
        assert goes_on.wait(60)
        return begin_block(self, *args)

    monkeypatch.setattr(Adaptation, "_begin_block", waits)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(adaptation.read, np.array([1, 2]))
        assert begun.wait(60)
        now = (lambda: adaptation.model), adaptation.check_learned
        advice = r"another thread .*: wait for it, or give each its own by `fresh\(\)`"
        for refused in (lambda: adaptation.read(np.array([1])), adaptation.forget, *now):
            with pytest.raises(ConfigError, match=advice):
                refused()
        goes_on.set()
        np.testing.assert_array_equal(first.result(), wanted)
    assert adaptation.chars == 2
    assert len(adaptation.read(np.array([1]))) == 1


def test_two_texts_can_not_be_read_in_turns_with_the_same_adaptation():
    model = tiny()
    adaptation = Adaptation(model, FAST)
    for begun in (
        lambda: stream_surprisal(model, ["abc", "cab"], adaptation=adaptation),
        lambda: score_batches(model, [["abc"], ["cab"]], adaptation=adaptation),
    ):
        one, other = begun(), begun()
        next(one), next(other)
        with pytest.raises(ConfigError, match=r"another text was read .*: give each its own by `fresh\(\)`"):
            next(one)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_after_an_interruption_it_has_to_begin_again(error, engine, monkeypatch):
    model, ids = tiny("lstm", engine), random_ids(40, tiny())
    adaptation, wanted = Adaptation(model, FAST), Adaptation(model, FAST).read(ids)

    def interrupted(*args, **kwargs):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(adaptation._trained, "read", interrupted)
        with pytest.raises(error):
            adaptation.read(ids)
    with pytest.raises(ConfigError, match=r"the last reading was interrupted: call `forget\(\)` to begin again"):
        adaptation.read(ids)
    assert adaptation.fresh().read(ids).tolist() == wanted.tolist()
    adaptation.forget()
    assert adaptation.read(ids).tolist() == wanted.tolist()


def test_what_was_learned_before_an_interruption_can_be_forgotten(monkeypatch):
    kernels = pytest.importorskip("charrnn.engine.kernels.learner")
    model, with_partner = tiny("lstm", engines.load("numba")), kernels.partner.with_partner
    adaptation = Adaptation(model, FAST)

    def interrupted(*args):
        with_partner(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(kernels.partner, "with_partner", interrupted)
        with pytest.raises(KeyboardInterrupt):
            adaptation.read(random_ids(40, model), threads=1)
    assert not np.allclose(adaptation.model.params["W_out"], model.params["W_out"])
    adaptation.forget()
    for name, p in model.params.items():
        np.testing.assert_array_equal(adaptation.model.params[name], p)


@pytest.mark.parametrize("ids", ["abc", [1.0, 2.0], [[1, 2]], [-1], [99], 3, None])
def test_what_are_no_ids_is_refused_and_changes_nothing(ids):
    model = tiny()
    adaptation = Adaptation(model)
    with pytest.raises(
        ConfigError, match=r"ids are whole numbers from 0 to \d+: give model\.vocabulary\.encode\(text\)"
    ):
        adaptation.read(ids)
    assert adaptation.read([1, 2]).tolist() == Adaptation(model).read(np.array([1, 2])).tolist()


@pytest.mark.parametrize("resets", [[0, 1], [True], [[True, False]], "ab"])
def test_what_are_no_resets_is_refused(resets):
    with pytest.raises(ConfigError, match="resets are as many as the ids, and each is True or False"):
        Adaptation(tiny()).read(np.array([1, 2]), resets)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_out_of_range_is_refused(threads):
    with pytest.raises(ConfigError, match="threads"):
        Adaptation(tiny()).read(np.array([1, 2]), threads=threads)


def test_clamped_units_and_narrow_weights_are_refused():
    model = tiny()
    with pytest.raises(ConfigError, match="clamp_units"):
        Adaptation(model.clamp_units({(0, 1): 0.5}))
    with pytest.raises(ConfigError, match="float32"):
        Adaptation(model.with_precision("int8"))


@pytest.mark.parametrize(
    "settings", [{"rate": -0.1}, {"rate": math.nan}, {"pull": 1.1}, {"segment": 0}, {"segment": 1001}, {"segment": 1.5}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        AdaptationConfig(**settings)


def test_predictions_that_are_nan_are_an_error():
    model = tiny()
    adaptation = Adaptation(model)
    adaptation._trained.params["b_out"][1] = np.nan
    with pytest.raises(DivergenceError):
        adaptation.read(random_ids(50, model))
    model.params["b_out"][1] = np.nan
    with pytest.raises(CharRNNError, match="NaN"):
        Adaptation(model)


def test_a_passage_is_divided_where_a_text_begins():
    read = passage(np.arange(6), 9, np.array([0, 0, 1, 0, 1, 0], bool), 7)
    assert read.inputs.tolist() == [9, 0, 7, 2, 7, 4]
    assert [text.targets.tolist() for text in read.texts()] == [[0, 1], [2, 3], [4, 5]]
    joined = Passage.joined([read.part(0, 3), read.part(3, 6)])
    assert all(np.array_equal(a, b) for a, b in zip(joined, read, strict=True))
