"""The detection of encodings: texts in several languages are recognised; for what is no text nothing is suggested."""

import sys
from types import SimpleNamespace

import pytest

from charrnn.dataset.encoding_detection import likely_encodings

TEXTS = {
    "russian": "Мой дядя самых честных правил, когда не в шутку занемог, он уважать себя заставил.",
    "bulgarian": "Всички хора се раждат свободни и равни по достойнство и права.",
    "french": "Les élèves étaient à l'école; où était le garçon? « Là-bas », répondit-il.",
    "german": "Überall grünt es, schöne Mädchen lächeln süß; die Bäume blühen.",
    "polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "greek": "Η ελευθερία και η δημοκρατία είναι σημαντικές για όλους τους ανθρώπους",
    "arabic": "في البدء خلق الله السموات والأرض وكانت الأرض خربة",
    "japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "chinese": "道可道,非常道。名可名,非常名。無名天地之始;有名萬物之母。",
}


@pytest.fixture(autouse=True)
def _without_charset_normalizer(monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("russian", "cp1251"),
        ("russian", "koi8-r"),
        ("russian", "cp866"),
        ("bulgarian", "cp1251"),
        ("french", "cp1252"),
        ("german", "cp1252"),
        ("polish", "cp1250"),
        ("greek", "cp1253"),
        ("arabic", "cp1256"),
        ("chinese", "big5"),
        ("chinese", "utf-16-be"),
        *((name, encoding) for name in ("russian", "german", "japanese") for encoding in ("utf-8", "utf-32-le")),
    ],
)
def test_the_likeliest_encoding_is_the_right_one(name, encoding):
    assert likely_encodings(TEXTS[name].encode(encoding))[0] == encoding
    assert likely_encodings((TEXTS[name] * 100).encode(encoding))[0] == encoding


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp"])
def test_the_right_encoding_is_among_those_that_are_named(encoding):
    assert encoding in likely_encodings(TEXTS["japanese"].encode(encoding))


def test_latin_1_is_named_where_windows_has_no_character():
    assert likely_encodings("café, thé\x81 à l'été, déjà là".encode("latin-1")) == ["latin-1"]


@pytest.mark.parametrize(
    "sample",
    [
        b"",
        b"abc",
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\b\6\0\0\0",
        TEXTS["russian"].encode() * 3 + b"\xff" + TEXTS["russian"].encode(),  # UTF-8, but for one byte
    ],
)
def test_nothing_is_suggested_for_what_is_no_text(sample):
    assert likely_encodings(sample) == []


def test_charset_normalizer_is_asked_if_it_is_installed(monkeypatch):
    def installed(encoding, *possible):
        best = encoding and SimpleNamespace(encoding=encoding, could_be_from_charset=[encoding, *possible])
        fake = SimpleNamespace(from_bytes=lambda sample: SimpleNamespace(best=lambda: best))
        monkeypatch.setitem(sys.modules, "charset_normalizer", fake)

    japanese = TEXTS["japanese"].encode("shift_jis")
    names = likely_encodings(japanese)
    assert len(names) > 1
    installed(None)
    assert likely_encodings(japanese) == names
    installed("cp932", "shift_jis")  # our guess is one of its own
    assert likely_encodings(japanese) == ["shift_jis"]
    installed("johab")
    assert likely_encodings(japanese) == ["johab"]
    installed("iso8859_5")  # which we don't know
    assert likely_encodings(TEXTS["russian"].encode("iso8859-5")) == ["iso8859_5"]
    for other in ("mac_cyrillic", "cp1257"):  # it is less sure of alphabets
        installed(other)
        assert likely_encodings(TEXTS["russian"].encode("cp1251")) == ["cp1251"]


def test_a_guess_looks_where_most_is_beyond_ascii():
    sample = b"plain text. " * 1000 + TEXTS["russian"].encode("koi8-r") * 20
    assert likely_encodings(sample) == ["koi8-r"]
