"""The control characters: what a terminal may obey is shown as an escape, and nothing else is."""

import unicodedata

import pytest

from charrnn.dataset.control_characters import one_line, visible

DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Embeddings, overrides and isolates, and what ends them."""


def test_of_all_characters_those_that_control_a_terminal_are_escaped() -> None:
    changed = {n for n in range(0x110000) if visible(chr(n)) != chr(n)}
    controls = {n for n in range(0x110000) if unicodedata.category(chr(n)) == "Cc"} - {ord("\n"), ord("\t")}
    assert changed == controls | DIRECTIONS | {*range(0xD800, 0xE000)}
    assert {n for n in range(0x110000) if one_line(chr(n)) != chr(n)} == changed | {ord("\n"), 0x2028, 0x2029}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m\r\0", "\\x1b[31m\\r\\x00"),
        ("\x7f\x85\x9b", "\\x7f\\x85\\x9b"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("\ud800\udcff", "\\ud800\\udcff"),
    ],
)
def test_an_escape_has_the_code_of_its_character(text: str, shown: str) -> None:
    assert visible(text) == one_line(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "ж\tлюк",
        "東京\u3000大阪",
        "10\u00a0km\u202fau\u2009plus",
        "Donau\u00addampf\u00adschiff",
        "👩\u200d👧 ❤\ufe0f",
        "می\u200cخواهم",
        "\u200fעברית\u200e",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "\ufeff\ue000",
    ],
)
def test_other_invisible_characters_are_part_of_the_text(text: str) -> None:
    assert visible(text) == one_line(text) == text
