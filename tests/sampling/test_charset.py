r"""The character sets of `allow` and `ban`: characters, ranges, escapes and classes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SamplingConfig
from charrnn.errors import ConfigError
from charrnn.sampling.charset import charset_mask, parse_charset

CHARACTERS = "\0\t\n -.abcde09_\\é٣\u3000😀"


def contained(expression: str, characters: str = CHARACTERS, is_bytes: bool = False) -> set[str]:
    mask = parse_charset(expression, characters, "--allow", is_bytes)
    return {c for c, kept in zip(characters, mask, strict=True) if kept}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("abc", "abc"),
        ("a-c", "abc"),
        (r"\n", "\n"),
        (r"\0", "\0"),
        ("-a", "-a"),
        ("a-", "-a"),
        (r"a\-c", "-ac"),
        ("a-c-e", "abc-e"),
        ("b-b", "b"),
        (r"\\", "\\"),
        (r"\.", "."),
        (r"\u0061-c", "abc"),
        (r"\t-\n", "\t\n"),
        (r"\U0001F600", "😀"),
        (r"\ud83d\ude00", "😀"),
        (r"\d", "09٣"),
        (r"\w", "abcde09_é٣"),
        (r"\s", "\t\n \u3000"),
        (r"a\d-", "a09٣-"),
        (r"\\d", "\\d"),
        ("", ""),
    ],
)
def test_an_expression_contains_characters_ranges_and_classes(expression: str, wanted: str) -> None:
    assert contained(expression) == set(wanted)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("c-a", "reversed range c-a"),
        ("a-zZ-A", "reversed range Z-A"),
        (r"9-\n", r"reversed range 9-\n"),
        (r"\d-z", r"the range \d-z, but a class has no ends"),
        (r"a-\w", r"the range a-\w, but a class has no ends"),
        (r"\q", r"unknown escape \q:"),
        (r"\D", r"unknown escape \D:"),
        (r"\p{L}", r"unknown escape \p:"),
        (r"\x41", r"unknown escape \x:"),
        ("ab\\", "ends with a backslash"),
        (r"\U00110000", "no such character"),
    ],
)
def test_reversed_ranges_and_unknown_escapes_are_refused(expression: str, says: str) -> None:
    for name in ("--allow", "--ban"):
        with pytest.raises(ConfigError) as error:
            parse_charset(expression, CHARACTERS, name)
        assert str(error.value).startswith(f"{name} ")
        assert says in str(error.value)


@given(st.characters(exclude_categories=()))
def test_a_class_contains_what_it_does_in_a_regular_expression(character: str) -> None:
    for name in (r"\d", r"\w", r"\s"):
        assert (contained(name, character) == {character}) == bool(re.fullmatch(name, character))


@pytest.mark.parametrize(("name", "count"), [(r"\d", 10), (r"\w", 63), (r"\s", 10)])
def test_the_classes_of_bytes_are_those_of_ascii(name: str, count: int) -> None:
    found = contained(name, "".join(map(chr, range(256))), is_bytes=True)
    assert len(found) == count
    assert all(c.isascii() for c in found)


@pytest.mark.parametrize("expression", ["é", "aé", r"\u00e9", "a-é", "é-ü", "жш", "日", "😀"])
def test_a_character_of_several_bytes_is_refused_for_a_model_of_bytes(expression: str) -> None:
    with pytest.raises(ConfigError, match=r"`ban` has '.' \(U\+.*, which is no single byte"):
        parse_charset(expression, "".join(map(chr, range(256))), "`ban`", is_bytes=True)
    assert contained(r"\u0000-\u007f", "".join(map(chr, range(256))), is_bytes=True) == set(map(chr, range(128)))


def test_a_mask_is_what_is_allowed_without_what_is_banned() -> None:
    mask = charset_mask(SamplingConfig(allow=r"\w", ban=r"\d"), CHARACTERS, stops=["."])
    assert mask is not None
    assert {c for c, kept in zip(CHARACTERS, mask, strict=True) if kept} == set("abcde_é.")
    assert charset_mask(SamplingConfig(), CHARACTERS) is None
    with pytest.raises(ConfigError, match="leave no character"):
        charset_mask(SamplingConfig(ban=r"\u0000-\U0010ffff"), CHARACTERS)


def test_a_stop_above_ascii_is_no_single_byte() -> None:
    every = "".join(map(chr, range(256)))
    for is_bytes, wanted in ((True, "a"), (False, "aé")):
        mask = charset_mask(SamplingConfig(allow="a"), every, ["é"], is_bytes)
        assert mask is not None
        assert [c for c, kept in zip(every, mask, strict=True) if kept] == [*wanted]
