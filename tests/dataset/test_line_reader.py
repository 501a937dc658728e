"""The line reader: no line is lost or changed, none waits, and a model reads lines as it reads a corpus."""

import codecs
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset import line_reader
from charrnn.dataset.files import decoded_texts, read_parts
from charrnn.dataset.line_reader import read_lines
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

CHARACTERS, BYTES = Vocabulary("\na"), Vocabulary(None)
PIECES = st.sampled_from([b"a", b"\n", b"\r", b"\r\n", "ж😀".encode(), b"\xff", b"\xe2\x82", codecs.BOM_UTF8, b"\x01"])


def lines_of(content, vocabulary, at_once=1 << 20, form=DEFAULT_FORM, whole=False):
    """The lists of lines in the content of a file that arrives some bytes at a time."""
    parts = [("file", content[n : n + at_once]) for n in range(0, len(content), at_once)]
    return list(read_lines([*parts, ("file", b"")], vocabulary, form, whole))


@given(st.lists(PIECES).map(b"".join), st.integers(1, 5))
def test_no_byte_is_lost_or_changed(content, at_once):
    for vocabulary in (CHARACTERS, BYTES):
        found = [line for lines in lines_of(content, vocabulary, at_once, whole=True) for line in lines]
        if content == codecs.BOM_UTF8 and vocabulary == CHARACTERS:  # there is no line
            assert not found
            continue
        assert "".join(line.raw for line in found).encode("utf-8", "surrogateescape") == content
        pattern = "[^\n]*\n" if vocabulary.is_bytes else "[^\r\n]*(\r\n|\r|\n)"
        assert all(re.fullmatch(pattern, line.raw) for line in found[:-1])
        assert all(line.raw for line in found)


@given(st.lists(st.text("a\n", max_size=5)))
@example(["a\n", "", "\na", "a", "\n"])
def test_pieces_of_a_text_are_the_same_lines_wherever_they_end(pieces):
    assert [*line_reader.lines_of(pieces)] == "".join(pieces).splitlines(keepends=True)


def test_a_long_line_takes_no_longer_in_many_pieces():
    began = time.perf_counter()
    (line,) = line_reader.lines_of("a" * 1000 for _ in range(10_000))
    assert len(line) == 10_000_000
    assert time.perf_counter() - began < 1


@given(st.lists(PIECES).map(b"".join), st.integers(1, 5))
def test_a_model_reads_lines_as_it_reads_a_corpus(content, at_once):
    text = "".join(line.text for lines in lines_of(content, CHARACTERS, at_once) for line in lines)
    assert text == "".join(decoded_texts([("-", content), ("-", b"")], CHARACTERS, DEFAULT_FORM))


def test_a_model_of_bytes_reads_lines_as_they_are():
    for (line,), raw in zip(
        lines_of(codecs.BOM_UTF8 + b"a\r\nb\xff\r", BYTES), ["\ufeffa\r\n", "b\udcff\r"], strict=True
    ):
        assert line.text == line.raw == raw


def test_newlines_are_left_out_if_the_vocabulary_has_none():
    found = [[line[:2] for line in lines] for lines in lines_of(b"a\r\n\na", Vocabulary("a"))]
    assert found == [[("a\r\n", "a"), ("\n", "")], [("a", "a")]]


def test_lines_come_as_soon_as_they_are_whole():
    found = lines_of(b"ab\ncd\nef", CHARACTERS, at_once=4)  # ab\nc d\nef
    assert [[line.raw for line in lines] for lines in found] == [["ab\n"], ["cd\n"], ["ef"]]


def test_a_file_ends_its_last_line(tmp_path):
    for name, content in (("1", b"a\nb"), ("2", b""), ("3", codecs.BOM_UTF8 + b"c"), ("4", b"\n")):
        (tmp_path / name).write_bytes(content)
    parts = read_parts([str(tmp_path / name) for name in "1234"])
    found = [line[:2] for lines in read_lines(parts, CHARACTERS, DEFAULT_FORM) for line in lines]
    assert found == [("a\n", "a\n"), ("b\n", "b\n"), ("\ufeffc\n", "c\n"), ("\n", "\n")]


def test_a_missing_file_comes_after_the_lines_of_those_before_it(tmp_path):
    (tmp_path / "1").write_bytes(b"a\n")
    lists = read_lines(read_parts([str(tmp_path / "1"), str(tmp_path / "missing")]), CHARACTERS, DEFAULT_FORM)
    assert [line[:2] for line in next(lists)] == [("a\n", "a\n")]
    with pytest.raises(CorpusError, match=r"can't read .*missing: No such file"):
        next(lists)


def test_a_line_without_end_is_an_error_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(line_reader, "MAX_LINE", 8)
    for content in (b"a" * 9, b"a\n" + b"b" * 9 + b"\n", b"\0" * 100, "é".encode() * 5):
        parts = (("some.txt", content[n : n + 1]) for n in range(len(content)))
        with pytest.raises(CorpusError, match=r"some\.txt has a line of more than 8 bytes"):
            [*read_lines(parts, CHARACTERS, DEFAULT_FORM)]
    short = b"a" * 8 + b"\n" + b"b" * 8 + b"\n" + b"c" * 8
    assert [line.raw for lines in lines_of(short, CHARACTERS, 1) for line in lines] == [
        "a" * 8 + "\n",
        "b" * 8 + "\n",
        "c" * 8,
    ]
    assert len([*read_lines([("a", b"a" * 6), ("a", b""), ("b", b"b" * 6), ("b", b"")], CHARACTERS, DEFAULT_FORM)]) == 2


@given(
    st.lists(st.lists(PIECES).map(b"".join), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from([BYTES, CHARACTERS]),
)
def test_each_line_has_its_file_and_its_number_there(contents, at_once, vocabulary):
    parts = []
    for path, content in zip("ab-", contents, strict=False):
        parts += [(path, content[n : n + at_once]) for n in range(0, len(content), at_once)] + [(path, b"")]
    found = [line for lines in read_lines(parts, vocabulary, DEFAULT_FORM, whole=True) for line in lines]
    for path, content in zip("ab-", contents, strict=False):
        lines = [line for line in found if line.file == path]
        assert [line.number for line in lines] == [*range(1, len(lines) + 1)]
        if content != codecs.BOM_UTF8:
            assert "".join(line.raw for line in lines).encode("utf-8", "surrogateescape") == content
