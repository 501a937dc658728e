"""The line scores keep the quantiles of a distribution, and nothing that is none can be read."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.model.line_scores import MIN_LINES, PERCENT, LineScores

BITS = st.lists(st.floats(0, 50), min_size=MIN_LINES, max_size=300).map(np.array)
DATA = {"lines": 20, "percent": [0, 50, 100], "bits": [1.0, 2.0, 4]}


@given(BITS)
def test_quantiles_are_those_of_the_lines_to_four_decimals(bits):
    found = LineScores.from_bits(bits)
    assert found is not None
    assert found.lines == len(bits)
    for percent in (*PERCENT, 99.9):
        assert found.quantile(percent) == pytest.approx(np.percentile(bits, percent), abs=1e-4)
    for percent in np.linspace(0, 100, 77):
        at_most = np.count_nonzero(bits <= found.quantile(percent) + 1e-4) / len(bits)
        assert at_most >= (percent - 5) / 100 - 1 / len(bits)


@given(BITS)
def test_they_come_back_from_json(bits):
    found = LineScores.from_bits(bits)
    assert LineScores.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert len(json.dumps(found.to_json())) < 800


def test_between_two_quantiles_it_is_interpolated():
    scores = LineScores.from_json(DATA)
    assert [scores.quantile(p) for p in (0, 25, 50, 75, 100)] == [1, 1.5, 2, 3, 4]


@pytest.mark.parametrize("bits", [np.ones(MIN_LINES - 1), np.zeros(0), np.full(30, math.inf), np.full(30, math.nan)])
def test_too_few_lines_and_what_is_not_finite_have_none(bits):
    assert LineScores.from_bits(bits) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 3, [], {}),
        *(DATA | {"lines": n} for n in (0, -1, 1.5, True, "20", 2**53)),
        *(
            DATA | {"bits": b}
            for b in ([1, 2], [2, 1, 3], [-1, 0, 1], [0, 1, math.inf], [0, math.nan, 1], "abc", [0] * 4)
        ),
        *(DATA | {"percent": p} for p in ([0, 0, 100], [1, 50, 100], [0, 50, 99], [0, 120, 100], None, [0, "50", 100])),
        {"lines": 20, "percent": [0], "bits": [1]},
        {"lines": 20, "percent": [], "bits": []},
        {"lines": 20, "percent": [0, 100], "bits": [0, True]},
    ],
    ids=repr,
)
def test_data_that_is_no_distribution_is_refused(wrong):
    with pytest.raises(ValueError, match="scores of lines"):
        LineScores.from_json(wrong)
