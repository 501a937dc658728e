"""The corpus: bytes from files of every kind become the right ids, and ids become streams that lose nothing."""

import codecs
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.dataset import files
from charrnn.dataset.corpus import from_text, read
from charrnn.dataset.files import Source, read_prime
from charrnn.dataset.streams import Streams
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError, VocabularyError

CHUNKS = st.sampled_from([1, 2, 3, 5, 1 << 20])
LINES = st.text(st.sampled_from("a\r\né😀\ufeff"), min_size=2)  # what goes wrong, should anything


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of this module."""
    return tmp_path_factory.mktemp("corpus")


def source_of(folder, *contents, **reading):
    """A source of files with these contents."""
    paths = [folder / f"{n}.txt" for n in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return Source(tuple(map(str, paths)), **reading)


def read_in_chunks(source, chunk=1 << 20):
    """Reads a source, so many bytes at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "CHUNK", chunk)
        return read(source)


def text_of(found):
    return found.vocabulary.decode(found.ids)


def with_newlines(text):
    """A text whose lines all end in \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Decoding


@given(st.text(min_size=2), CHUNKS)
def test_every_text_is_read_as_it_was_written(folder, text, chunk):
    raw, wanted = text.encode(), with_newlines(text.removeprefix("\ufeff"))
    assume(len(wanted) > 1)
    found = read_in_chunks(source_of(folder, raw), chunk)
    assert text_of(found) == wanted
    assert found.vocabulary == Vocabulary.from_text(wanted)
    assert found.ids.dtype == found.vocabulary.dtype
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


@given(LINES, CHUNKS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
@example("a\r\nb", 2, "utf-8")  # the border falls between \r and \n
@example("ab\r", 1, "utf-8")  # the last character is a lone \r
@example("a\r\n", 3, "utf-16-le")
def test_line_ends_become_newlines_wherever_the_chunks_end(folder, text, chunk, encoding):
    marked = encoding == "utf-16-le"  # which says what comes first, so there is no mark to look for
    assume(marked or not text.startswith("\ufeff"))
    assume(len(with_newlines(text)) > 1)
    found = read_in_chunks(source_of(folder, text.encode(encoding), encoding=encoding), chunk)
    assert text_of(found) == with_newlines(text)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 1000])
def test_a_byte_order_mark_is_dropped_from_every_file(folder, chunk):
    mark = codecs.BOM_UTF8
    found = read_in_chunks(source_of(folder, mark + b"one ", b"", mark, mark + "two \ufeff".encode()), chunk)
    assert text_of(found) == "one two \ufeff"  # a mark elsewhere is a character


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
@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_encodings(folder, encoding, raw, text, chunk):
    assert text_of(read_in_chunks(source_of(folder, raw, encoding=encoding), chunk)) == text


@pytest.mark.parametrize("encoding", ["utf-9", "charrnn", "", "hex", "rot13", "zip", "undefined", "utf\0008", "\0"])
def test_what_is_no_text_encoding_is_refused(folder, encoding):
    with pytest.raises(CorpusError, match="there is no text encoding"):
        read(source_of(folder, b"abc", encoding=encoding))


@pytest.mark.parametrize("errors", ["strict", "replace"])
@pytest.mark.parametrize(
    ("encoding", "raw"),
    [("utf-16", b"no mark, so which byte is first?"), ("utf-16", b"\0a\0b"), ("idna", b"xn--0.b")],
)
def test_what_an_encoding_can_not_make_out_is_refused_in_one_line(folder, encoding, raw, errors):
    with pytest.raises(CorpusError, match=rf"0\.txt is not {encoding}\b.*give its --encoding") as caught:
        read(source_of(folder, raw, encoding=encoding, errors=errors))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("errors", ["", "xmlcharrefreplace", "surrogatepass", "shout"])
def test_an_unknown_error_handler_is_wrong_usage(folder, errors):
    with pytest.raises(ConfigError, match=f"errors can't be '{errors}': choose one of strict, replace"):
        read(source_of(folder, b"abc", errors=errors))


@pytest.mark.parametrize("errors", files.ERROR_HANDLERS[1:])
@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize("raw", [b"ab\xff\xfecd", b"ab\xe2\x82", "ж".encode()[:1] + b"ab\r\n\x80"])
def test_error_handlers(folder, errors, chunk, raw):
    found = read_in_chunks(source_of(folder, raw, errors=errors), chunk)
    assert text_of(found) == with_newlines(raw.decode("utf-8", errors))
    assert found.digest == hashlib.sha256(raw).hexdigest()


@given(st.binary(min_size=4), CHUNKS, st.sampled_from(files.ERROR_HANDLERS))
def test_any_bytes_are_decoded_as_python_does_or_refused(folder, raw, chunk, errors):
    source = source_of(folder, raw, errors=errors)
    try:
        wanted = with_newlines(raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors))
    except UnicodeDecodeError:
        wanted = ""
    if len(wanted) > 1:
        assert text_of(read_in_chunks(source, chunk)) == wanted
    else:
        with pytest.raises(CorpusError):
            read_in_chunks(source, chunk)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 7, 1000])
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
def test_what_is_no_utf8_is_told_by_file_and_byte(folder, raw, at, chunk):
    source = source_of(folder, "жук\n".encode(), raw)
    with pytest.raises(CorpusError) as caught:
        read_in_chunks(source, chunk)
    assert str(caught.value).startswith(f"{source.paths[1]} is not utf-8 at byte {at}: ")


def test_a_character_is_not_joined_over_the_border_of_two_files(folder):
    source = source_of(folder, b"abc\xd0", b"\xb6abc")
    with pytest.raises(CorpusError, match="is not utf-8 at byte 3"):
        read(source)


# Vocabularies that grow while they are read


@pytest.mark.parametrize("V", [2, 256, 257, 65536, 66000])
def test_ids_are_in_the_order_of_the_code_points_however_many_there_are(folder, V):
    characters = [chr(n) for n in range(0x100, 0x100 + V + 0x800) if not 0xD800 <= n < 0xE000][:V]
    text = "".join(np.random.default_rng(V).permutation(characters)) + characters[0]
    found = read_in_chunks(source_of(folder, text.encode()), 1000)
    assert found.vocabulary == Vocabulary(characters)
    assert found.ids.dtype == found.vocabulary.dtype
    np.testing.assert_array_equal(found.ids, found.vocabulary.encode(text))


# Files, folders, standard input


@given(st.lists(st.text(st.characters(exclude_characters="\r\ufeff", codec="utf-8")), min_size=1, max_size=4), CHUNKS)
def test_several_files_are_one_text(folder, texts, chunk):
    raw = "".join(texts).encode()
    assume(len("".join(texts)) > 1)
    found = read_in_chunks(source_of(folder, *(text.encode() for text in texts)), chunk)
    assert text_of(found) == "".join(texts)
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_a_folder_is_all_its_files_in_order_but_for_the_hidden_ones(tmp_path):
    for name in ("b.txt", "a.txt", ".hidden", "below/d.txt", "below/c.txt", "below/.git/x", ".git/config", "z/z/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"<{name}>")
    found = read(Source((str(tmp_path),)))
    assert text_of(found) == "<a.txt><b.txt><below/c.txt><below/d.txt><z/z/z>"
    assert found.name == tmp_path.name


def test_a_folder_leaves_checkpoints_out(tmp_path):
    for name in ("a.txt", "a.safetensors", "below/b.resume.safetensors", "below/safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"<{name}>")
    assert text_of(read(Source((str(tmp_path),)))) == "<a.txt><below/safetensors>"
    assert text_of(read(Source((str(tmp_path / "a.safetensors"),)))) == "<a.safetensors>"  # what is named is meant
    for name in ("a.txt", "below/safetensors"):
        (tmp_path / name).unlink()
    with pytest.raises(CorpusError, match="holds no files"):
        read(Source((str(tmp_path),)))


def test_files_and_folders_in_the_order_given(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("in it, ")
    (tmp_path / "b.txt").write_text("after it")
    found = read(Source((str(tmp_path / "texts"), str(tmp_path / "b.txt"), str(tmp_path / "b.txt"))))
    assert text_of(found) == "in it, after itafter it"
    assert found.name == "texts and 2 more"


def test_a_folder_without_files(tmp_path):
    (tmp_path / ".hidden").write_text("abc")
    (tmp_path / "below").mkdir()
    with pytest.raises(CorpusError, match="holds no files"):
        read(Source((str(tmp_path),)))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(CorpusError, match=r"can't read .*nowhere.txt: No such file or directory"):
        read(Source((str(tmp_path / "nowhere.txt"),)))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_is_larger_than_the_text_that_is_wanted_is_not_read_to_its_end(as_bytes, monkeypatch):
    parts = iter([("large.txt", b"0123456789")] * 100)
    monkeypatch.setattr(corpus, "chunks", lambda paths: parts)
    with pytest.raises(CorpusError, match=r"large\.txt is not the one"):
        read(Source(("large.txt",), as_bytes), 25)
    assert len(list(parts)) == 97


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_text_needs_two_characters(folder, as_bytes):
    with pytest.raises(CorpusError, match=r"0\.txt is empty"):
        read(source_of(folder, b"", as_bytes=as_bytes))
    with pytest.raises(CorpusError, match=r"0\.txt has one character only"):
        read(source_of(folder, b"a", as_bytes=as_bytes))
    assert len(read(source_of(folder, b"aa", as_bytes=as_bytes)).ids) == 2


@pytest.mark.parametrize("raw", ["ж".encode(), b"\r\n", codecs.BOM_UTF8 + b"a"])
def test_it_is_the_characters_that_are_counted_not_the_bytes(folder, raw):
    with pytest.raises(CorpusError, match="one character only"):
        read(source_of(folder, raw))


def test_standard_input(tmp_path):
    program = """
import json
import math
import os
from charrnn.corpus import Source, read
found = read(Source(("-",)))
print(json.dumps([found.vocabulary.decode(found.ids), found.name, found.size, found.digest]))
"""
    raw = codecs.BOM_UTF8 + "жук\r\nи рак\r".encode()
    done = subprocess.run([sys.executable, "-c", program], input=raw, capture_output=True, check=True)
    assert json.loads(done.stdout) == ["жук\nи рак\n", "stdin", len(raw), hashlib.sha256(raw).hexdigest()]


@given(st.binary(min_size=2), CHUNKS)
def test_for_a_model_of_bytes_all_stays_as_it_is(folder, raw, chunk):
    found = read_in_chunks(source_of(folder, raw, as_bytes=True), chunk)
    assert bytes(found.ids) == raw
    assert found.ids.dtype == np.uint8
    assert found.vocabulary == Vocabulary(None)
    assert (found.size, found.digest) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_sources_can_be_named_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source(("a.txt", "-"), encoding="latin-1").absolute()
    assert source == Source((str(tmp_path / "a.txt"), "-"), encoding="latin-1")
    assert source.name == "a.txt and 1 more"
    assert Source(("-",)).name == "stdin"


def test_the_corpus_that_comes_with_the_package():
    assert len(read(Source((files.bundled_corpus(),))).ids) > 100_000


def test_a_prime_is_decoded_as_a_corpus_is(tmp_path):
    (tmp_path / "prime.txt").write_bytes(codecs.BOM_UTF8 + "жук\r\n".encode() + b"\xff")
    assert read_prime(str(tmp_path / "prime.txt"), Vocabulary("жук")) == "жук\n\udcff"
    # A model of bytes goes on from the very bytes
    raw = read_prime(str(tmp_path / "prime.txt"), Vocabulary(None))
    assert raw.encode("utf-8", "surrogateescape") == (tmp_path / "prime.txt").read_bytes()
    (tmp_path / "empty.txt").write_bytes(b"")
    assert read_prime(str(tmp_path / "empty.txt"), Vocabulary("a")) == ""
    with pytest.raises(CorpusError, match="can't read"):
        read_prime(str(tmp_path / "missing.txt"), Vocabulary("a"))


def test_files_know_how_long_they_are_and_pipes_do_not(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes("ж".encode())
    assert files.total_size([str(tmp_path / "a"), str(tmp_path / "b")]) == 4
    assert files.total_size([str(tmp_path / "a"), os.devnull]) == math.inf
    with pytest.raises(CorpusError, match=r"can't read .*c: No such file"):
        files.total_size([str(tmp_path / "c")])


# Texts that are no files


@given(st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"]), min_size=2))
def test_a_text_becomes_a_corpus(text):
    found, raw = from_text(text, "mine"), text.encode("utf-8", "surrogatepass")
    assert text_of(found) == text
    assert found.vocabulary == Vocabulary.from_text(text)
    assert (found.name, found.size, found.digest) == ("mine", len(raw), hashlib.sha256(raw).hexdigest())


def test_a_text_and_its_file_are_the_same_corpus(folder):
    source = source_of(folder, "жук\n".encode())
    assert from_text("жук\n").digest == read(source).digest
    assert from_text("жук\n".encode()).digest == read(source).digest


@pytest.mark.parametrize("text", ["", "a", b"", b"a"])
def test_texts_that_are_too_short(text):
    with pytest.raises(CorpusError, match="a corpus needs two characters"):
        from_text(text)


@given(st.text(min_size=2), st.sets(st.characters(codec="utf-8")))
def test_a_corpus_in_another_vocabulary_is_the_same_text(text, more):
    found = from_text(text)
    wider = Vocabulary(sorted(set(text) | more, reverse=True))
    again = found.reencode(wider)
    assert again.vocabulary == wider
    assert text_of(again) == text
    assert again.ids.dtype == wider.dtype
    assert (again.name, again.size, again.digest) == (found.name, found.size, found.digest)


def test_a_corpus_in_a_vocabulary_that_lacks_a_character():
    with pytest.raises(VocabularyError, match=r"U\+0063"):
        from_text("abc").reencode(Vocabulary("abd"))
    with pytest.raises(VocabularyError, match="the model is one of bytes, but the corpus is not read as bytes"):
        from_text("abc").reencode(Vocabulary(None))
    with pytest.raises(VocabularyError, match="but the corpus is not read as characters: see --bytes"):
        from_text(b"abc").reencode(Vocabulary("abc"))


# The held-out text


@given(st.integers(2, 3000), st.floats(0, 0.9))
def test_the_tail_is_held_out_unless_it_says_nothing(N, fraction):
    found = from_text(bytes(n % 251 for n in range(N)))
    learned, held_out = found.split(fraction)
    tail = int(N * fraction)
    assert len(held_out) == (tail if tail >= 100 else 0)
    np.testing.assert_array_equal(np.concatenate((learned, held_out)), found.ids)


@pytest.mark.parametrize(("N", "held_out"), [(1000, 100), (999, 0), (1009, 100), (1010, 101), (2, 0)])
def test_the_border_of_what_is_held_out(N, held_out):
    assert len(from_text(b"x" * N).split(0.1)[1]) == held_out


# Streams

LENGTHS = st.one_of(st.integers(2, 40), st.integers(2, 400))


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
@example(2, 1, 1)
@example(2, 50, 50)
@example(3, 2, 1)
def test_the_chunks_of_an_epoch_tile_every_stream(N, B, T):
    ids = np.arange(N, dtype=np.uint16)  # each its own place, so that all can be seen
    streams = Streams(ids, B, T)
    rows, length = streams.rows, streams.length
    assert length >= 1
    for offset in range(streams.offsets):
        chunks = [streams.chunk(offset, k) for k in range(streams.chunks)]
        for inputs, targets in chunks:
            np.testing.assert_array_equal(targets, inputs + 1)
        read_in_order = np.concatenate([inputs for inputs, _ in chunks])
        wanted = offset + length * np.arange(rows) + np.arange(length)[:, None]
        np.testing.assert_array_equal(read_in_order, wanted)


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
def test_chunks_are_even_and_no_longer_than_they_may_be(N, B, T):
    streams = Streams(np.zeros(N, np.uint8), B, T)
    lengths = [len(streams.chunk(0, k)[0]) for k in range(streams.chunks)]
    assert min(lengths) >= 1
    assert max(lengths) <= T
    assert max(lengths) - min(lengths) <= 1
    assert len(lengths) == -(-streams.length // T)  # no more of them than there must be


@given(LENGTHS, st.integers(1, 12), st.integers(1, 25))
def test_nearly_all_of_the_text_is_read_in_every_epoch(N, B, T):
    streams = Streams(np.zeros(N, np.uint8), B, T)
    unread = N - 1 - streams.rows * streams.length
    assert 0 <= unread < streams.offsets + streams.rows
    assert 1 <= streams.offsets <= min(T, (N - 1) // 10 + 1)


@pytest.mark.parametrize(
    ("N", "B", "T", "rows"),
    [(10_000, 50, 50, 50), (2501, 50, 50, 50), (2500, 50, 50, 49), (101, 50, 50, 2), (100, 50, 50, 1), (2, 50, 50, 1)],
)
def test_short_texts_have_fewer_streams(N, B, T, rows):
    assert Streams(np.zeros(N, np.uint8), B, T).rows == rows


def test_chunks_are_views_of_the_text():
    ids = np.arange(200, dtype=np.uint8)
    for array in Streams(ids, 4, 10).chunk(3, 2):
        assert np.shares_memory(array, ids)


def test_epochs_begin_at_several_offsets_in_a_long_text():
    assert Streams(np.zeros(10_000, np.uint8), 5, 30).offsets == 30
    assert Streams(np.zeros(101, np.uint8), 5, 30).offsets == 11
    assert Streams(np.zeros(2, np.uint8), 5, 30).offsets == 1


def test_a_source_reads_where_it_says(tmp_path):
    path = Path(tmp_path, "a name with spaces, é.txt")
    path.write_text("abc", encoding="utf-8")
    assert read(Source((str(path),))).name == path.name
