"""The estimate of unseen characters: the share of a text's characters that the rest of the text lacks."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.unseen import UnseenEstimate
from charrnn.errors import ConfigError

TEXTS = st.text("abcdefghijklmnop", min_size=1, max_size=40)


def estimate(text, min_count=0):
    """The estimate for a text whose characters that occur less than `min_count` times are left out."""
    counts = Counter(text)
    kept = {c: n for c, n in counts.items() if n >= min_count}
    found = UnseenEstimate.from_counts(np.array([*kept.values(), 0]), min_count, len(text) - sum(kept.values()))
    return found, len(text)


@given(TEXTS, st.integers(0, 4))
def test_it_is_the_share_of_characters_that_the_rest_of_the_text_lacks(text, min_count):
    found, _ = estimate(text, min_count)
    rest = [Counter(text[:n] + text[n + 1 :])[c] for n, c in enumerate(text)]
    assert found.rare == sum(n < max(1, min_count) for n in rest)


def test_it_is_what_such_an_event_costs():
    assert estimate("aaabbcdd")[0].nats == pytest.approx(math.log(8))
    assert estimate("aaabbcde")[0].nats == pytest.approx(math.log(8 / 3))
    assert estimate("aaabbb")[0].nats == pytest.approx(math.log(6))  # as if one were rare
    assert UnseenEstimate(10, 10).nats == UnseenEstimate(20, 10).nats == 0


@pytest.mark.parametrize(
    "wrong", [{}, {"rare": 1}, {"rare": -1, "chars": 2}, {"rare": 0, "chars": 0}, {"rare": 1.5, "chars": 9}, [1, 2]]
)
def test_data_that_is_no_estimate_is_refused(wrong):
    with pytest.raises(ConfigError):
        UnseenEstimate.from_dict(wrong)
