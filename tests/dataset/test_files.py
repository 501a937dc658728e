"""The files of a corpus: bytes of every kind are decoded as Python decodes them, wherever the parts end."""

import bz2
import codecs
import gzip
import hashlib
import json
import lzma
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.dataset import files, raw_text
from charrnn.dataset.compression import COMPRESSIONS
from charrnn.dataset.corpus import read
from charrnn.dataset.file_decoder import ERROR_HANDLERS
from charrnn.dataset.file_types import file_type
from charrnn.dataset.files import Source, read_prime
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from support.sources import read_in_blocks, source_of, text_of

BLOCKS = st.sampled_from([1, 2, 3, 5, 1 << 20])
LINES = st.text(st.sampled_from("a\r\né😀\ufeff"), min_size=2)  # what is most likely to go wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of this module."""
    return tmp_path_factory.mktemp("files")


def with_newlines(text):
    """A text whose lines all end in \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def joined(texts):
    """The texts of files one after the other, with a newline between where one is missing."""
    *first, last = texts
    return "".join(text + "\n" * (text != "" and not text.endswith("\n")) for text in first) + last


# Decoding


@given(st.text(min_size=2), BLOCKS)
def test_every_text_is_read_as_it_was_written(folder, text, block):
    raw, wanted = text.encode(), with_newlines(text.removeprefix("\ufeff"))
    assume(len(wanted) > 1)
    found = read_in_blocks(source_of(folder, raw), block)
    assert text_of(found) == wanted
    assert found.vocabulary == Vocabulary.from_text(wanted)
    assert found.ids.dtype == found.vocabulary.dtype
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


@given(LINES, BLOCKS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
@example("a\r\nb", 2, "utf-8")  # the border falls between \r and \n
@example("ab\r", 1, "utf-8")  # the last character is a lone \r
@example("a\r\n", 3, "utf-16-le")
def test_all_line_endings_become_newlines_wherever_the_blocks_end(folder, text, block, encoding):
    assume(not text.startswith("\ufeff"))
    assume(len(with_newlines(text)) > 1)
    found = read_in_blocks(source_of(folder, text.encode(encoding), encoding=encoding), block)
    assert text_of(found) == with_newlines(text)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 1000])
def test_a_byte_order_mark_is_dropped_from_every_file(folder, block):
    mark = codecs.BOM_UTF8
    found = read_in_blocks(source_of(folder, mark + b"one ", b"", mark, mark + "two \ufeff".encode()), block)
    assert text_of(found) == "one \ntwo \ufeff"  # a mark elsewhere is a character


@pytest.mark.parametrize(
    ("encoding", "raw", "text"),
    [
        ("utf-16", codecs.BOM_UTF16_BE + "жук\r\n😀".encode("utf-16-be"), "жук\n😀"),
        ("utf-16", codecs.BOM_UTF16_LE + "жук\r\n😀".encode("utf-16-le"), "жук\n😀"),
        ("latin-1", b"caf\xe9\r\x85", "café\n\x85"),
        ("cp1251", b"\xe6\xf3\xea", "жук"),
        ("UTF8", "жук".encode(), "жук"),
        ("gb18030", "森林😀".encode("gb18030"), "森林😀"),
        ("shift_jis", "森の中".encode("shift_jis"), "森の中"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1000])
def test_encodings(folder, encoding, raw, text, block):
    assert text_of(read_in_blocks(source_of(folder, raw, encoding=encoding), block)) == text


@pytest.mark.parametrize("encoding", ["utf-9", "charrnn", "", "hex", "rot13", "zip", "undefined", "utf\0008", "\0"])
def test_an_unknown_text_encoding_is_refused(folder, encoding):
    with pytest.raises(CorpusError, match="there is no text encoding"):
        read(source_of(folder, b"abc", encoding=encoding))


@pytest.mark.parametrize("errors", ["strict", "replace"])
@pytest.mark.parametrize(
    ("encoding", "raw"),
    [("utf-16", b"no mark, so which byte is first?"), ("utf-16", b"\0a\0b"), ("idna", b"xn--0.b")],
)
def test_bytes_that_an_encoding_can_not_decode_are_refused_in_one_line(folder, encoding, raw, errors):
    with pytest.raises(CorpusError, match=rf"0\.txt is not {encoding}\b.*give (its )?`encoding") as caught:
        read(source_of(folder, raw, encoding=encoding, errors=errors))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("errors", ["", "xmlcharrefreplace", "surrogatepass", "shout"])
def test_an_unknown_error_handler_is_wrong_usage(folder, errors):
    with pytest.raises(ConfigError, match=f"errors can't be '{errors}': choose one of strict, replace"):
        read(source_of(folder, b"abc", errors=errors))


@pytest.mark.parametrize("errors", ERROR_HANDLERS[1:])
@pytest.mark.parametrize("block", [1, 2, 3, 1000])
@pytest.mark.parametrize("raw", [b"ab\xff\xfecd", b"ab\xe2\x82", "ж".encode()[:1] + b"ab\r\n\x80"])
def test_error_handlers(folder, errors, block, raw):
    found = read_in_blocks(source_of(folder, raw, errors=errors), block)
    assert text_of(found) == with_newlines(raw.decode("utf-8", errors))
    assert found.digest == hashlib.sha256(raw).hexdigest()


@given(st.binary(min_size=4), BLOCKS, st.sampled_from(ERROR_HANDLERS))
def test_any_bytes_are_decoded_as_python_does_or_refused(folder, raw, block, errors):
    assume(file_type(raw) is None)
    assume(not any(raw.startswith(form.starts) for form in COMPRESSIONS))
    source = source_of(folder, raw, errors=errors)
    try:
        wanted = with_newlines(raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors))
    except UnicodeDecodeError:
        wanted = ""
    if len(wanted) > 1:
        assert text_of(read_in_blocks(source, block)) == wanted
    else:
        with pytest.raises(CorpusError):
            read_in_blocks(source, block)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 7, 1000])
@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (b"ab\xffcd", 2),
        (b"\xffabc", 0),
        ("жук".encode() + b"\x80", 6),
        (b"abc\xe2\x82", 3),  # the file ends within a character
        (b"abc\xe2\x82d", 3),
        (codecs.BOM_UTF8 + b"ab\xff", 5),
        (b"a\r\nb\r\n\xc0", 6),
    ],
)
def test_an_error_names_the_file_and_the_byte_that_is_not_utf8(folder, raw, at, block):
    source = source_of(folder, "жук\n".encode(), raw)
    with pytest.raises(CorpusError) as caught:
        read_in_blocks(source, block)
    assert str(caught.value).startswith(f"{source.paths[1]} is not utf-8 at byte {at}: ")


def test_a_character_is_not_joined_over_the_border_of_two_files(folder):
    source = source_of(folder, b"abc\xd0", b"\xb6abc")
    with pytest.raises(CorpusError, match="is not utf-8 at byte 3"):
        read(source)


# Files, folders, standard input


@given(st.lists(st.text(st.characters(exclude_characters="\r\ufeff", codec="utf-8")), min_size=1, max_size=4), BLOCKS)
def test_several_files_are_one_text_whose_lines_are_separate(folder, texts, block):
    text = joined(texts)
    raw = text.encode()
    assume(len(text) > 1)
    found = read_in_blocks(source_of(folder, *(text.encode() for text in texts)), block)
    assert text_of(found) == text
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


@given(st.binary(min_size=2), BLOCKS)
def test_for_a_model_of_bytes_nothing_is_changed(folder, raw, block):
    found = read_in_blocks(source_of(folder, raw, as_bytes=True), block)
    assert bytes(found.ids) == raw
    assert found.ids.dtype == np.uint8
    assert found.vocabulary == Vocabulary(None)
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_a_folder_is_all_its_files_in_order_except_hidden_ones(tmp_path):
    for name in ("b.txt", "a.txt", ".hidden", "below/d.txt", "below/c.txt", "below/.git/x", ".git/config", "z/z/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"<{name}>")
    found = read(Source((str(tmp_path),)))
    assert text_of(found) == "<a.txt>\n<b.txt>\n<below/c.txt>\n<below/d.txt>\n<z/z/z>"
    assert found.name == tmp_path.name


def test_a_folder_leaves_checkpoints_out(tmp_path):
    for name in ("a.txt", "a.safetensors", "below/b.resume.safetensors", "below/safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"<{name}>")
    assert text_of(read(Source((str(tmp_path),)))) == "<a.txt>\n<below/safetensors>"
    assert text_of(read(Source((str(tmp_path / "a.safetensors"),)))) == "<a.safetensors>"  # it was asked for
    for name in ("a.txt", "below/safetensors"):
        (tmp_path / name).unlink()
    with pytest.raises(CorpusError, match="holds no text files: 2 models are skipped"):
        read(Source((str(tmp_path),)))


def test_files_and_folders_are_read_in_the_order_given(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("in it, ")
    (tmp_path / "b.txt").write_text("after it")
    found = read(Source((str(tmp_path / "texts"), str(tmp_path / "b.txt"), str(tmp_path / "b.txt"))))
    assert text_of(found) == "in it, \nafter it"
    assert found.name == "texts and 2 more"


def test_a_folder_without_files_is_refused(tmp_path):
    (tmp_path / ".hidden").write_text("abc")
    (tmp_path / "below").mkdir()
    with pytest.raises(CorpusError, match="holds no text files: 1 hidden file or folder is skipped"):
        read(Source((str(tmp_path),)))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"can't read .*nowhere.txt: No such file or directory"):
        read(Source((str(tmp_path / "nowhere.txt"),)))


def test_standard_input_can_be_given_once():
    assert files.list_files(["-"]) == ["-"]
    with pytest.raises(CorpusError, match="only once: give - once"):
        files.list_files(["-", "a.txt", "-"])


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_text_larger_than_its_known_size_is_not_read_to_its_end(as_bytes, monkeypatch):
    parts = iter([("large.txt", b"0123456789")] * 100)
    monkeypatch.setattr(raw_text, "read_parts", lambda paths, **options: parts)
    with pytest.raises(CorpusError, match=r"large\.txt is not the one"):
        read(Source(("large.txt",), as_bytes), 25)
    assert len(list(parts)) == 97


def test_standard_input_is_read_as_a_file_is():
    program = """
import json
from charrnn.dataset.compression import COMPRESSIONS
from charrnn.dataset.corpus import read
from charrnn.dataset.files import Source
found = read(Source(("-",)))
print(json.dumps([found.vocabulary.decode(found.ids), found.name, found.size, found.digest]))
"""
    raw = codecs.BOM_UTF8 + "жук\r\nи рак\r".encode()
    done = subprocess.run([sys.executable, "-c", program], input=raw, capture_output=True, check=True)
    assert json.loads(done.stdout) == ["жук\nи рак\n", "stdin", len(raw), hashlib.sha256(raw).hexdigest()]


def test_a_source_can_be_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source(("a.txt", "-"), encoding="latin-1").absolute()
    assert source == Source((str(tmp_path / "a.txt"), "-"), encoding="latin-1")
    assert source.name == "a.txt and 1 more"
    assert Source(("-",)).name == "stdin"


def test_the_rules_for_folders_are_kept_for_one_that_is_gone(tmp_path):
    folder, file = tmp_path / "texts", tmp_path / "text.txt"
    folder.mkdir()
    file.write_text("a")
    for path, is_kept in ((folder, True), (file, False), (tmp_path / "nothing", True), ("-", False)):
        assert ("separate_files" in Source((str(path),)).to_json()) == is_kept
    before = Source((str(folder),)).to_json()
    folder.rmdir()
    assert Source((str(folder),)).to_json() == before


def test_a_source_has_the_name_of_its_file(tmp_path):
    path = Path(tmp_path, "a name with spaces, é.txt")
    path.write_text("abc", encoding="utf-8")
    assert read(Source((str(path),))).name == path.name


def test_the_corpus_that_comes_with_the_package_is_read():
    assert len(read(Source((files.bundled_corpus(),))).ids) > 100_000


def test_a_prime_is_decoded_as_a_corpus_is(tmp_path):
    (tmp_path / "prime.txt").write_bytes(codecs.BOM_UTF8 + "жук\r\n".encode() + b"\xff")
    assert read_prime(str(tmp_path / "prime.txt"), Vocabulary("жук"), DEFAULT_FORM) == "жук\n\udcff"
    # A model of bytes continues from exactly these bytes
    raw = read_prime(str(tmp_path / "prime.txt"), Vocabulary(None), DEFAULT_FORM)
    assert raw.encode("utf-8", "surrogateescape") == (tmp_path / "prime.txt").read_bytes()
    (tmp_path / "empty.txt").write_bytes(b"")
    assert read_prime(str(tmp_path / "empty.txt"), Vocabulary("a"), DEFAULT_FORM) == ""
    with pytest.raises(CorpusError, match="can't read"):
        read_prime(str(tmp_path / "missing.txt"), Vocabulary("a"), DEFAULT_FORM)


def test_the_size_of_files_is_known_and_that_of_pipes_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes("ж".encode())
    assert files.total_size([str(tmp_path / "a"), str(tmp_path / "b")]) == 4
    assert files.total_size([str(tmp_path / "a"), os.devnull]) == math.inf
    with pytest.raises(CorpusError, match=r"can't read .*c: No such file"):
        files.total_size([str(tmp_path / "c")])


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_the_size_of_a_compressed_text_is_not_known_before_it_is_read(compress, tmp_path):
    (tmp_path / "a").write_bytes(compress(b"ab"))
    (tmp_path / "b").write_bytes(b"ab")
    (tmp_path / "empty").touch()
    paths = [str(tmp_path / name) for name in ("a", "b", "empty")]
    assert files.total_size(paths) == len(compress(b"ab")) + 2
    assert files.total_size(paths, decompressed=True) == math.inf
    assert files.total_size(paths[1:], decompressed=True) == 2
