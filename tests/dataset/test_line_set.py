"""The line set: it recognises the lines of a text, and its JSON is checked when it is read."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset import line_set as module
from charrnn.dataset.line_set import LineSet, line_digests
from support.trainings import place_names

NAMES = place_names()


@pytest.mark.parametrize(("line", "printed"), [("Abberley", "f0e51aa5"), ("щука", "9fc3be23")])
def test_a_digest_is_what_b2sum_prints(line, printed):
    assert line_digests([line]).astype("<u4").tobytes().hex() == printed
    assert blake2b(line.encode(), digest_size=4).hexdigest() == printed


@given(st.lists(st.text(max_size=5), min_size=1), st.text(max_size=5))
def test_the_lines_of_a_text_are_in_it_and_others_are_not(lines, other):
    found = LineSet.from_digests(5, line_digests(lines))
    assert all(line in found for line in lines)
    assert (other in found) == (other in lines)
    assert len(found.digests) == len(set(lines))


def test_hardly_any_line_is_taken_for_another():
    found = LineSet.from_digests(20, line_digests(NAMES.splitlines()))
    others = [f"{name}{n}" for name in NAMES.splitlines() for n in range(5)]
    assert sum(other in found for other in others) <= 2  # 40,560 · 8,112 / 2³² = 0.08 of them are expected


@given(st.lists(st.text(max_size=5), min_size=1))
def test_it_is_the_same_after_json(lines):
    found = LineSet.from_digests(7, line_digests(lines))
    again = LineSet.from_json(found.to_json())
    assert again.longest == 7
    assert again.digests.tolist() == found.digests.tolist()
    assert LineSet.from_json(LineSet(7, None).to_json()) == LineSet(7, None)


def test_of_too_many_lines_none_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINES", 3)
    assert LineSet.from_digests(5, line_digests("abca")).digests is not None
    assert LineSet.from_digests(5, line_digests("abcd")).digests is None
    assert "a" not in LineSet.from_digests(5, line_digests("abcd"))


def test_the_default_length_of_a_sampled_line_is_twice_the_longest():
    assert LineSet(17, None).default_length == 34


def test_a_few_lines_that_are_much_longer_do_not_count():
    found = LineSet.from_digests(300, line_digests("abc"), 17)
    assert found.default_length == 34
    assert LineSet.from_json(found.to_json()).usual == 17
    assert "usual" not in LineSet.from_digests(17, line_digests("abc"), 17).to_json()


GOOD = LineSet.from_digests(3, line_digests("abc")).to_json()


@pytest.mark.parametrize(
    "data",
    [
        None,
        1,
        [],
        {},
        {"longest": 3},
        GOOD | {"longest": 0},
        GOOD | {"longest": "3"},
        GOOD | {"longest": True},
        GOOD | {"longest": 2**60},
        GOOD | {"digests": 1},
        GOOD | {"digests": [1]},
        GOOD | {"digests": GOOD["digests"][:-4]},
        GOOD | {"digests": "AAAAAAAAAAA="},  # 0 and 0
        GOOD | {"digests": "AQAAAAAAAAA="},  # 1 and 0
        GOOD | {"digests": "*" + GOOD["digests"][1:]},
        GOOD | {"digests": "щ"},
    ],
    ids=str,
)
def test_json_that_is_not_a_line_set_is_refused(data):
    with pytest.raises(ValueError):
        LineSet.from_json(data)
