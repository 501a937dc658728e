"""The mixture of what learned and trained weights predict: the naive equations, and what it costs and brings."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring import mixture as mixtures
from charrnn.scoring.mixture import Mixture
from support.naive import mixed_nats

V = 5


def predictions(N, seed=0, learned=2.0, trained=2.0):
    """-log p of N characters, as two say them whose means are these; and the character before each."""
    rng = np.random.default_rng(seed)
    return rng.exponential(learned, N), rng.exponential(trained, N), rng.integers(V, size=N)


@pytest.mark.parametrize("segment", [4, 40])
def test_it_is_that_of_the_naive_equations(segment, monkeypatch):
    monkeypatch.setattr(mixtures, "SEGMENT", segment)
    learned, trained, before = predictions(200)
    mixture = Mixture(V)
    found = mixture.nats(learned, trained, before)
    np.testing.assert_allclose(found, mixed_nats(learned, trained, before, segment), rtol=1e-9)
    advantage = 0.0
    for first in range(0, 200, segment):
        each = np.clip(trained - learned, -2, 2)[first : first + segment]
        advantage += (each.mean() - advantage) / mixtures.MEMORY
    assert mixture.advantage == pytest.approx(advantage)


@given(st.integers(0, 2**16), st.lists(st.integers(0, 250), max_size=6))
def test_it_says_the_same_of_a_text_in_pieces_of_any_size(seed, sizes):
    ends = np.cumsum([0, *sizes])
    read = predictions(ends[-1], seed)
    whole, pieces = Mixture(V).nats(*read), Mixture(V)
    found = [pieces.nats(*(each[a:b] for each in read)) for a, b in itertools.pairwise(ends)]
    np.testing.assert_allclose(np.concatenate([np.zeros(0), *found]), whole, rtol=1e-9)


def test_it_trusts_the_better_one_soon_and_nearly_alone():
    N = 3000
    for learned, trained in ((1.0, 3.0), (3.0, 1.0)):
        a, b, before = predictions(N, 1, learned, trained)
        nats, better = Mixture(V).nats(a, b, before), min(a.mean(), b.mean())
        assert nats.mean() < better + 0.01
        assert nats[:100].sum() < min(a[:100].sum(), b[:100].sum()) + 3


@pytest.mark.parametrize(("N", "most"), [(120, 3.0), (1000, 9.0), (4000, 18.0)])
def test_learned_weights_that_are_always_worse_cost_little(N, most):
    trained, before = np.full(N, 1.5), np.arange(N) % V
    for disadvantage in (0.001, 0.03, 0.12, 0.25, 1.0, 4.0, 20.0):
        nats = Mixture(V).nats(trained + disadvantage, trained, before)
        assert nats.sum() < trained.sum() + most


def test_of_two_that_are_alike_the_mixture_is_better_than_either():
    learned, trained, before = predictions(3000)
    assert Mixture(V).nats(learned, trained, before).mean() < min(learned.mean(), trained.mean()) - 0.3


def test_it_learns_after_which_characters_one_is_better():
    learned, trained, before = predictions(5000)
    learned, trained = np.where(before == 2, 0.5, 1.5), np.full(5000, 1.0)
    nats = Mixture(V).nats(learned, trained, before)
    assert nats[-1000:].mean() < 0.92  # of the trained weights alone it is 1, and of the better one each time 0.9


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1000.0])
def test_what_is_no_number_is_not_trusted(wrong):
    trained = np.full(1000, 1.5, np.float32)
    learned = np.where(np.arange(1000) < 500, 1.0, wrong).astype(np.float32)
    nats = Mixture(V).nats(learned, trained, np.zeros(1000, np.uint8))
    assert np.isfinite(nats).all()
    assert nats[:500].mean() < 1.03
    assert nats[500:].sum() < 500 * 1.5 + 15
    assert nats[-300:].mean() < 1.502


def test_one_that_is_sure_is_believed_even_if_the_other_finds_it_impossible():
    learned, trained = np.full(200, 0.01), np.full(200, 2000.0)
    nats = Mixture(V).nats(learned, trained, np.zeros(200, int))
    assert np.isfinite(nats).all()
    assert (nats < trained - 690).all()
