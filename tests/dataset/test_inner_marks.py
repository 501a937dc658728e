"""The inner marks: byte order marks within a text are counted; the one at its beginning is none of it."""

import pytest

from charrnn.dataset.corpus import from_text, read
from charrnn.dataset.files import Source
from charrnn.dataset.inner_marks import inner_marks


@pytest.mark.parametrize(
    ("text", "told"),
    [("ab\ufeffc", "the text has 1 byte order mark within it"), ("a\ufeff" * 3, "has 3 byte order marks"), ("abc", "")],
)
def test_marks_within_a_text_are_counted(text, told):
    found = inner_marks(from_text(text))
    assert told in found
    assert bool(found) == bool(told)


def test_a_mark_at_the_beginning_of_each_file_is_dropped(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("text\n", encoding="utf-8-sig")
    paths = str(tmp_path / "a"), str(tmp_path / "b")
    assert inner_marks(read(Source(paths))) == ""
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes() * 2)
    assert "1 byte order mark " in inner_marks(read(Source(paths)))
    assert inner_marks(read(Source(paths, as_bytes=True))) == ""
