"""The mixture of what learned and trained weights predict: the naive equations, and what it costs and brings."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring import mixture as mixtures
from charrnn.scoring.mixture import SHARE, UPDATE_EVERY, Mixture
from support.naive import mixed_nats

V = 5


def predictions(N, seed=0, learned=2.0, trained=2.0):
    """-log p of N characters, as two say them whose means are these; and the character before each."""
    rng = np.random.default_rng(seed)
    return rng.exponential(learned, N), rng.exponential(trained, N), rng.integers(V, size=N)


def bound(N):
    """What N characters can cost more than with the trained weights, in nats."""
    return math.log(2) - N // UPDATE_EVERY * math.log(1 - SHARE / 2) + 1e-9


@pytest.mark.parametrize(("learned", "trained"), [(2.0, 2.0), (0.1, 9.0), (9.0, 0.1)])
@pytest.mark.parametrize("update_every", [4, 40])
def test_it_is_that_of_the_naive_equations(update_every, learned, trained, monkeypatch):
    monkeypatch.setattr(mixtures, "UPDATE_EVERY", update_every)
    learned, trained, before = predictions(400, 0, learned, trained)
    found = Mixture(V).nats(learned, trained, before)
    np.testing.assert_allclose(found, mixed_nats(learned, trained, before, update_every), rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**16), st.lists(st.integers(0, 250), max_size=6))
def test_it_says_the_same_of_a_text_in_pieces_of_any_size(seed, sizes):
    ends = np.cumsum([0, *sizes])
    read = predictions(ends[-1], seed)
    whole, pieces = Mixture(V), Mixture(V)
    wanted = whole.nats(*read)
    found = [pieces.nats(*(each[a:b] for each in read)) for a, b in itertools.pairwise(ends)]
    np.testing.assert_allclose(np.concatenate([np.zeros(0), *found]), wanted, rtol=1e-9)
    assert pieces.advantage == pytest.approx(whole.advantage, rel=1e-9)


def test_it_trusts_the_better_one_soon_and_nearly_alone():
    for learned, trained in ((1.0, 3.0), (3.0, 1.0)):
        a, b, before = predictions(3000, 1, learned, trained)
        nats = Mixture(V).nats(a, b, before)
        assert nats.mean() < min(a.mean(), b.mean()) + 0.01
        assert nats[:100].sum() < min(a[:100].sum(), b[:100].sum()) + 3


def test_of_two_that_are_alike_the_mixture_is_better_than_either():
    learned, trained, before = predictions(3000)
    assert Mixture(V).nats(learned, trained, before).mean() < min(learned.mean(), trained.mean()) - 0.3


def test_it_learns_after_which_characters_one_is_better():
    _, _, before = predictions(5000)
    learned, trained = np.where(before == 2, 0.5, 1.5), np.full(5000, 1.0)
    nats = Mixture(V).nats(learned, trained, before)
    assert nats[-1000:].mean() < 0.92  # of the trained weights alone it is 1, and of the better one each time 0.9


# What it costs


@given(
    st.lists(st.sampled_from([-20.0, -2.0, -0.3, -0.02, 0.02, 0.5, 2.0]), min_size=1, max_size=6),
    st.sampled_from([1, 3, 40, 300]),
    st.integers(0, 1500),
)
def test_no_text_costs_more_than_the_bound(pattern, stretch, N):
    advantages = np.resize(np.repeat(pattern, stretch), N)
    trained, before = np.full(N, 30.0), np.arange(N) % V
    nats = Mixture(V).nats(trained - advantages, trained, before)
    assert nats.sum() <= trained.sum() + bound(N)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1000.0])
def test_what_is_no_number_is_not_trusted(wrong):
    trained = np.full(1000, 1.5, np.float32)
    learned = np.where(np.arange(1000) < 500, 1.0, wrong).astype(np.float32)
    nats = Mixture(V).nats(learned, trained, np.zeros(1000, np.uint8))
    assert np.isfinite(nats).all()
    assert nats[:500].mean() < 1.03
    assert nats[500:].sum() < 500 * 1.5 + 15
    assert nats[-300:].mean() < 1.502


def test_each_of_the_two_always_counts():
    trained, before = np.full(5000, 5.0), np.zeros(5000, int)
    learned = np.where(np.arange(5000) < 4999, 0.1, math.inf)
    assert Mixture(V).nats(learned, trained, before)[-1] < 5 + 8.01
    sure = Mixture(V).nats(np.full(200, 0.01), np.full(200, 2000.0), np.zeros(200, int))
    assert sure[0] == pytest.approx(0.01 + math.log(4))
    assert (sure[2:] < 1).all()


def test_the_advantage_is_that_of_the_last_characters():
    mixture, before = Mixture(V), np.zeros(50, int)
    assert mixture.advantage == 0
    mixture.nats(np.full(50, 1.0), np.full(50, 1.6), before)
    assert mixture.advantage == pytest.approx(0.2)  # as if there had been 100 more without
    for _ in range(200):
        mixture.nats(np.full(50, 1.0), np.full(50, 1.6), before)
    assert mixture.advantage == pytest.approx(0.6, abs=0.001)
    for _ in range(60):
        mixture.nats(np.full(50, 9.0), np.full(50, 1.6), before)
    assert -2 < mixture.advantage < -1.3
