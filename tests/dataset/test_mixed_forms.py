"""The mixed forms: letters that are in a text both composed and apart are found, wherever they are."""

import unicodedata

import pytest

from charrnn.dataset import mixed_forms as module
from charrnn.dataset.corpus import from_text
from charrnn.dataset.mixed_forms import mixed_forms


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("é e\u0301", "é and e + U+0301"),
        ("e\u0301" * 99 + "é", "é and e + U+0301"),
        ("ё и \u0435\u0308й", "ё and е + U+0308"),
        ("ế ê\u0301", "ế and e + U+0302 + U+0301"),
        ("éàç e\u0301a\u0300c\u0327", "à and a + U+0300, ç and c + U+0327, é and e + U+0301"),
        ("éàçö e\u0301a\u0300c\u0327o\u0308", "à and a + U+0300, ç and c + U+0327, é and e + U+0301 and 1 more"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1000])
def test_letters_in_two_forms_are_named(text, named, block, monkeypatch):
    monkeypatch.setattr(module, "READ_BLOCK", block)
    assert f": {named}; --normalize nfc" in mixed_forms(from_text(text))
    for form in ("nfc", "nfd", "nfkc"):
        assert mixed_forms(from_text(text, normalization=form)) == ""


@pytest.mark.parametrize(
    "text", ["abc", "é à", "e\u0301 a\u0300", "é a\u0301", "é \u0301e", "각 ᄀ", b"e\xcc\x81 \xc3\xa9", "é x\u0301"]
)
def test_a_text_in_one_form_has_none(text):
    assert mixed_forms(from_text(text)) == ""
    if isinstance(text, str):
        assert mixed_forms(from_text(unicodedata.normalize("NFC", text))) == ""
