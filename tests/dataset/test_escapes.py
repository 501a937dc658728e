r"""The escapes in options: what each stands for, and that every other backslash is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.escapes import unescape
from charrnn.errors import ConfigError

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r"a\nb", "a\nb"),
        (r"\n\n", "\n\n"),
        (r"\t|\r|\0", "\t|\r|\0"),
        (r"C:\\new", r"C:\new"),
        (r"\\\n", "\\\n"),
        (r"\\n", r"\n"),
        (r"\u00e9\u263A.", "é☺."),
        (r"\U0001F600\U0010ffff", "😀\U0010ffff"),
        (r"\ud83d\ude00", "😀"),
        (r"\udcff\ud83d!", "\udcff\ud83d!"),
        (r"\u00e9e", "ée"),
        (r"\0a", "\0a"),
        ("", ""),
    ],
)
def test_an_escape_stands_for_its_character(text: str, wanted: str) -> None:
    assert unescape(text, "--stop") == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r"C:\Users", r"has \U, and \U needs eight digits from 0 to 9 and a to f, as in \U000000e9;"),
        (r"\u12", r"has \u12, and \u needs four digits from 0 to 9 and a to f, as in \u0012;"),
        (r"\u", r"has \u, and \u needs four digits"),
        (r"a\u00fx", r"has \u00f, and \u needs four digits from 0 to 9 and a to f, as in \u000f;"),
        (r"\ud83d\ude0", r"has \ude0, and \u needs four digits"),
        (r"\U1F600!", r"has \U1F600, and \U needs eight digits from 0 to 9 and a to f, as in \U0001F600;"),
        (r"\q", r"unknown escape \q:"),
        (r"\d+", r"unknown escape \d:"),
        (r"\x41", r"unknown escape \x:"),
        (r"\N", r"unknown escape \N:"),
        (r"\033[0m", r"unknown escape \03:"),
        (r"\.", r"unknown escape \.:"),
        (r"\é", r"unknown escape \é:"),
        ("\\\n", "unknown escape \\\n:"),
        (r"\U00110000", "no such character"),
        ("text\\", r"ends with a backslash: write \\"),
        ("\\\\\\", "ends with a backslash"),
    ],
)
def test_every_other_backslash_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        unescape(text, "--stop")
    assert str(error.value).startswith("--stop ")
    assert says in str(error.value)


@given(ANY)
def test_a_text_without_backslashes_is_itself_and_one_with_doubled_backslashes_too(text: str) -> None:
    assert unescape(text.replace("\\", ""), "--stop") == text.replace("\\", "")
    assert unescape(text.replace("\\", r"\\"), "--stop") == text


@given(st.text())
def test_a_text_of_code_points_is_read_in_every_form(text: str) -> None:
    assert unescape("".join(f"\\U{ord(c):08x}" for c in text), "--stop") == text
    in_json = json.dumps(text)[1:-1]
    if not {r"\"", r"\b", r"\f"} & {in_json[n : n + 2] for n in range(len(in_json))}:
        assert unescape(in_json, "--stop") == text
