"""The sampling filters: each keeps what its definition says, and characters are drawn as often as they are probable."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.layers.softmax import log_softmax
from charrnn.sampling import decoder, filters

WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=12)  # probabilities of one row, not normalised
LOGITS = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12)
TEMPERATURES = st.sampled_from([0, 1e-300, 1e-9, 0.1, 0.5, 1, 2, 1e3, 1e6])
ALMOST = 1e-9
"""Characters whose probability is this near to a border may fall on either side of it."""


def logp_of(weights):
    """The log-probabilities [1, V] in proportion to the weights."""
    return np.log(np.array([weights], np.float64) / np.sum(weights))


def kept_in(logp):
    """The characters of the first row that may come."""
    return set(np.flatnonzero(np.exp(logp[0]) > 0))


def likeliest_first(p):
    """The characters by probability, likeliest first; of equals the first in the vocabulary first."""
    return sorted(range(len(p)), key=lambda v: (-p[v], v))


def assert_rescaled(filtered, logp, kept):
    """The kept characters have their old proportions, and sum to 1."""
    p = np.exp(logp[0])
    wanted = [p[v] / sum(p[w] for w in kept) if v in kept else 0 for v in range(len(p))]
    np.testing.assert_allclose(np.exp(filtered[0]), wanted, rtol=1e-9, atol=1e-15)


# Each filter


@given(LOGITS, st.floats(1e-3, 1e3))
def test_temperature_raises_probabilities_to_its_inverse(logits, temp):
    logp = log_softmax(np.array([logits]))
    powers = (logp[0] - logp[0].max()) / temp
    wanted = np.exp(powers) / np.exp(powers).sum()
    np.testing.assert_allclose(np.exp(filters.temperature(logp, temp))[0], wanted, rtol=1e-9, atol=1e-300)


@given(LOGITS)
def test_temperature_0_keeps_the_first_of_the_likeliest(logits):
    logp = log_softmax(np.array([logits]))
    filtered = filters.temperature(logp, 0)
    assert kept_in(filtered) == {likeliest_first(logp[0])[0]}
    assert filtered.max() == 0


@given(WEIGHTS)
def test_a_temperature_near_0_is_greedy(weights):
    assume(weights.count(max(weights)) == 1)
    logp = logp_of(weights)
    np.testing.assert_array_equal(np.exp(filters.temperature(logp, 1e-300)), np.exp(filters.temperature(logp, 0)))


@given(WEIGHTS)
def test_a_huge_temperature_makes_all_characters_equally_likely(weights):
    filtered = np.exp(filters.temperature(logp_of(weights), 1e6))
    np.testing.assert_allclose(filtered, 1 / len(weights), rtol=1e-4)


@given(WEIGHTS, st.integers(1, 15))
def test_top_k_keeps_the_k_likeliest(weights, k):
    logp = logp_of(weights)
    wanted = set(likeliest_first(weights)[:k])
    filtered = filters.top_k(logp, k)
    assert kept_in(filtered) == wanted
    assert_rescaled(filtered, logp, wanted)


@given(LOGITS)
def test_top_k_of_1_is_greedy(logits):
    logp = log_softmax(np.array([logits]))
    np.testing.assert_allclose(filters.top_k(logp, 1), filters.temperature(logp, 0), rtol=0, atol=1e-12)


@given(WEIGHTS, st.floats(0.001, 0.999))
def test_top_p_keeps_the_likeliest_until_they_add_up_to_p(weights, p):
    share, wanted = 0.0, set()
    for v in likeliest_first(weights):
        assume(abs(share - p) > ALMOST)
        if share >= p:
            break
        wanted.add(v)
        share += weights[v] / sum(weights)
    logp = logp_of(weights)
    filtered = filters.top_p(logp, p)
    assert kept_in(filtered) == wanted
    assert_rescaled(filtered, logp, wanted)


@given(WEIGHTS, st.floats(0.001, 1))
def test_min_p_keeps_the_characters_that_are_likely_enough_relative_to_the_likeliest(weights, p):
    assume(all(abs(w / max(weights) - p) > ALMOST for w in weights if w != max(weights)))
    wanted = {v for v, w in enumerate(weights) if w == max(weights) or w >= p * max(weights)}
    logp = logp_of(weights)
    filtered = filters.min_p(logp, p)
    assert kept_in(filtered) == wanted
    assert_rescaled(filtered, logp, wanted)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [0.5, 0.25, 0.125, 0.125]),
        ({"temp": 0.5}, [8 / 11, 2 / 11, 0.5 / 11, 0.5 / 11]),  # squares
        ({"temp": 0}, [1, 0, 0, 0]),
        ({"top_k": 1}, [1, 0, 0, 0]),
        ({"top_k": 3}, [4 / 7, 2 / 7, 1 / 7, 0]),  # the first of equals
        ({"top_k": 4}, [0.5, 0.25, 0.125, 0.125]),
        ({"top_p": 0.5}, [1, 0, 0, 0]),  # the first adds up to half
        ({"top_p": 0.51}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_p": 0.76}, [4 / 7, 2 / 7, 1 / 7, 0]),
        ({"top_p": 1e-9}, [1, 0, 0, 0]),
        ({"min_p": 0.4}, [2 / 3, 1 / 3, 0, 0]),
        ({"min_p": 0.2}, [0.5, 0.25, 0.125, 0.125]),
        ({"min_p": 1}, [1, 0, 0, 0]),
        ({"temp": 0.5, "top_p": 0.72}, [1, 0, 0, 0]),  # the temperature comes first
        ({"top_k": 2, "top_p": 0.66}, [1, 0, 0, 0]),  # of the two that are kept, the first has two thirds
        ({"top_k": 2, "top_p": 0.67}, [2 / 3, 1 / 3, 0, 0]),
        ({"temp": 2, "min_p": 0.6}, [2**0.5 / (2**0.5 + 1), 1 / (2**0.5 + 1), 0, 0]),
    ],
)
def test_filters_apply_in_the_documented_order(options, wanted):
    filtered = filters.apply(np.log([[0.5, 0.25, 0.125, 0.125]]), SamplingConfig(**options))
    np.testing.assert_allclose(np.exp(filtered[0]), wanted, rtol=1e-9)


def test_the_mask_and_the_loop_penalty_come_before_the_temperature():
    logp = np.log([[0.4, 0.3, 0.2, 0.1]])
    mask = np.array([False, True, True, True])
    recent = np.array([[0, 1, 2, 3] * 8 + [0, 1, 2, 3] * 3])  # 0 would lengthen a repetition of 40 characters
    greedy = SamplingConfig(temp=0, loop_penalty=1.0)
    assert kept_in(filters.apply(logp, greedy, mask=mask, recent=recent)) == {1}
    assert kept_in(filters.apply(logp, greedy, recent=recent)) == {1}
    assert kept_in(filters.apply(logp, SamplingConfig(temp=0), recent=recent)) == {0}
    hot = np.exp(filters.apply(logp, SamplingConfig(temp=2.0, loop_penalty=1.0), recent=recent))[0]
    lengths = filters.repeat_lengths(recent[0], 4)
    assert lengths.tolist() == [40, 0, 0, 0]
    weights = (np.array([0.4 * np.exp(-(40 - filters.FREE_REPEAT)), 0.3, 0.2, 0.1])) ** 0.5
    np.testing.assert_allclose(hot, weights / weights.sum(), rtol=1e-9)


# All filters


@given(LOGITS, TEMPERATURES, st.integers(0, 15), st.floats(1e-9, 1), st.floats(0, 1))
def test_the_filtered_characters_are_a_distribution(logits, temp, top_k, top_p, min_p):
    logp = log_softmax(np.array([logits, logits[::-1]]))
    kept = logp.copy()
    config = SamplingConfig(temp=temp, top_k=top_k, top_p=top_p, min_p=min_p)
    filtered = filters.apply(logp, config)
    np.testing.assert_allclose(np.exp(filtered).sum(axis=-1), 1, rtol=1e-12)
    assert not np.isnan(filtered).any()
    assert (filtered <= 1e-12).all()
    np.testing.assert_array_equal(logp, kept)


@given(LOGITS, TEMPERATURES, st.integers(0, 15), st.floats(1e-9, 1), st.floats(0, 1))
@example([0.0, 2.842170943040401e-14], 1000.0, 0, 0.5, 0.0)
def test_the_likeliest_character_is_always_kept(logits, temp, top_k, top_p, min_p):
    logp = log_softmax(np.array([logits]))
    filtered = filters.apply(logp, SamplingConfig(temp=temp, top_k=top_k, top_p=top_p, min_p=min_p))
    # a temperature may make two characters equal that differ by a rounding error
    rounding = 1e-12 * max(1.0, temp) * (1 + np.abs(logp).max())
    assert logp[0, filtered[0].argmax()] >= logp.max() - rounding


@given(st.lists(LOGITS.map(lambda row: (row * 6)[:6]), min_size=2, max_size=4), TEMPERATURES)
def test_each_row_is_filtered_alone(rows, temp):
    logp = log_softmax(np.array(rows))
    config = SamplingConfig(temp=temp, top_k=4, top_p=0.9, min_p=0.05)
    alone = [filters.apply(logp[n : n + 1], config)[0] for n in range(len(rows))]
    np.testing.assert_array_equal(filters.apply(logp, config), alone)


# Draws


def chi_square(counts, p):
    """Pearson's statistic: Σ (observed - expected)² / expected."""
    expected = counts.sum() * p
    return ((counts - expected) ** 2 / expected).sum()


@pytest.mark.parametrize(
    ("weights", "bound"),  # χ² with V - 1 degrees of freedom exceeds the bound once in 10,000 times
    [([1, 1], 15.14), ([5, 2, 1, 1, 1], 23.51), ([1000, 1], 15.14), (list(range(1, 12)), 35.56)],
)
def test_characters_are_drawn_as_often_as_they_are_probable(weights, bound):
    p = np.array(weights) / np.sum(weights)
    u = np.random.default_rng(17).random(200_000)
    drawn = decoder.sample_categorical(np.broadcast_to(np.log(p), (200_000, len(p))), u)
    assert chi_square(np.bincount(drawn, minlength=len(p)), p) < bound


def test_filtered_characters_are_drawn_as_often_as_they_are_probable():
    p = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
    logp = np.repeat(np.log(p)[None], 200_000, axis=0)
    filtered = filters.apply(logp, SamplingConfig(temp=0.5, top_k=4, min_p=0.2))
    counts = np.bincount(decoder.sample_categorical(filtered, np.random.default_rng(18).random(200_000)), minlength=5)
    assert counts[3] == counts[4] == 0
    squares = np.array([0.16, 0.09, 0.04])
    assert chi_square(counts[:3], squares / squares.sum()) < 18.42


def test_the_statistic_detects_a_small_bias():
    p = np.array([0.5, 0.3, 0.2])
    u = np.random.default_rng(19).random(200_000)
    drawn = decoder.sample_categorical(np.broadcast_to(np.log([0.505, 0.3, 0.195]), (200_000, 3)), u)
    assert chi_square(np.bincount(drawn), p) > 18.42


@given(st.lists(st.one_of(st.just(0), st.integers(1, 1000)), min_size=1, max_size=12), st.data())
def test_a_character_with_probability_0_is_never_drawn(weights, data):
    assume(any(weights))
    with np.errstate(divide="ignore"):
        logp = logp_of(weights)
    u = data.draw(st.sampled_from([0.0, 5e-324, 1e-17, 0.5, 1 - 2**-52, 1 - 2**-53]) | st.floats(0, 1 - 2**-53))
    drawn = decoder.sample_categorical(logp, np.array([u]))[0]
    assert weights[drawn] > 0
    shares = np.cumsum(weights) / np.sum(weights)
    assert (shares[drawn - 1] if drawn else 0) <= u + 1e-12
    assert u - 1e-12 < shares[drawn]


@given(LOGITS, st.sampled_from([0.0, 1 - 2**-53]))
def test_the_ends_of_the_unit_interval_draw_possible_characters(logits, u):
    logp = log_softmax(np.array([logits]))
    drawn = decoder.sample_categorical(logp, np.array([u]))[0]
    possible = np.flatnonzero(np.exp(logp[0]))
    assert drawn in possible
    assert drawn == possible[0] or u > 0
