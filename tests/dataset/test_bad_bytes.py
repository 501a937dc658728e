"""Bad bytes: how many a handler leaves out or replaces, whatever the parts in which a text comes, and what it does."""

import pytest

from charrnn.dataset.bad_bytes import BadBytes
from charrnn.dataset.file_decoder import FileDecoder
from charrnn.dataset.text_form import TextForm


@pytest.mark.parametrize("n", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("encoding", "raw", "bad"),
    [
        ("utf-8", "tr\xe8s bien\n".encode("latin-1") * 4, 4),
        ("utf-8", "é".encode() * 5 + b"\xff\xfe\xc3", 3),
        ("cp1252", b"a\x81b\x9dc", 2),
        ("shift_jis", "日本".encode("shift_jis") + b"\x81\xff", 2),
        ("ascii", b"plain", 0),
        ("utf-8", b"\xff\xfe" + "a\n".encode("utf-16-le") + b"\x00\xdc", 2),
    ],
)
@pytest.mark.parametrize("errors", ["ignore", "replace", "backslashreplace"])
def test_bad_bytes_are_counted_and_handled_as_ever(encoding: str, raw: bytes, bad: int, errors: str, n: int) -> None:
    parts = [*(raw[k : k + n] for k in range(0, len(raw), n)), b""]
    found, counted = BadBytes(), FileDecoder("f", encoding, errors)
    text = "".join(TextForm(encoding).decode((("f", part) for part in parts), errors, found))
    assert text == "".join(piece for part in parts for piece in counted.decode(part))
    assert (found.n, found.size) == (bad, len(raw))
    assert bool(found.told(errors)) == bool(bad)


def test_the_bytes_of_a_mark_s_encoding_are_told_by_its_name() -> None:
    found = BadBytes()
    raw = b"\xff\xfe" + "a\n".encode("utf-16-le") * 9 + b"\x00\xdc"
    [*TextForm().decode([("f", raw), ("f", b"")], "replace", found)]
    assert found.told("replace").startswith("bytes that are not utf-16-le were replaced by U+FFFD: 2, 5% of the text; ")


def test_kept_bytes_are_not_counted() -> None:
    found = BadBytes()
    assert "".join(TextForm().decode([("f", b"a\xff"), ("f", b"")], "surrogateescape", found)) == "a\udcff"
    assert found.told("surrogateescape") == ""
