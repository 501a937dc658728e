"""Compressed files: they are read as the texts in them, as they arrive, in little memory; others are refused."""

import bz2
import gzip
import lzma
import tracemalloc

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.compression import MAX_XZ_MEMORY, text_blocks
from charrnn.dataset.corpus import read
from charrnn.dataset.file_types import NotTextError, file_type
from charrnn.dataset.files import Source, list_files, read_parts
from charrnn.errors import CorpusError
from support.archives import tarred, zipped
from support.sources import read_in_blocks, source_of, text_of

COMPRESS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress}
FORMS = [form for form in COMPRESS if form != "plain"]
TEXTS = st.text(st.sampled_from("aB\nж\r")).map(str.encode)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of this module."""
    return tmp_path_factory.mktemp("compression")


def content(raw, size=1 << 20, step=1 << 20):
    """What is read from a file with these bytes, which come in some steps."""
    blocks = iter([raw[n : n + step] for n in range(0, len(raw), step)])
    return b"".join(text_blocks("file", blocks, size))


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from([*COMPRESS])), min_size=1, max_size=4), st.sampled_from([1, 7, 1 << 20])
)
def test_any_mixture_of_files_is_read_as_the_plain_ones_with_newlines_between(folder, files, block):
    texts = [text for text, _ in files]
    *first, last = texts
    whole = b"".join(text + b"\n" * (text != b"" and text[-1:] not in b"\r\n") for text in first) + last
    if len(whole.decode().replace("\r\n", "\n")) < 2:
        return
    mixed = source_of(folder, *(COMPRESS[form](text) for text, form in files))
    found = read_in_blocks(mixed, block)
    separate = "".join(
        text.decode().replace("\r\n", "\n").replace("\r", "\n") + "\n" * (text != b"" and text[-1:] not in b"\r\n")
        for text in first
    )
    assert text_of(found) == separate + last.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert found.size == len(whole)
    plain = read(source_of(folder, *texts))
    assert (plain.digest, plain.size) == (found.digest, found.size)
    assert plain.ids.tolist() == found.ids.tolist()


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=4))
def test_the_lines_of_bytes_are_separate_too(folder, texts):
    *first, last = texts
    whole = b"".join(text + b"\n" * (text != b"" and not text.endswith(b"\n")) for text in first) + last
    if len(whole) > 1:
        assert bytes(read(source_of(folder, *texts, as_bytes=True)).ids) == whole


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16", "latin-1", "cp037", "shift_jis"])
def test_the_newline_between_files_is_in_their_encoding(folder, encoding):
    source = source_of(folder, *(text.encode(encoding) for text in ("Anna", "Bert\n", "Carl")), encoding=encoding)
    assert text_of(read(source)) == "Anna\nBert\nCarl"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
def test_members_follow_each_other_with_zeros_between(form, step):
    compress = COMPRESS[form]
    assert content(compress(b"one ") + compress(b"") + bytes(8) + compress(b"two") + bytes(4), step=step) == b"one two"


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_text_is_empty(form):
    assert content(COMPRESS[form](b"")) == b""


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_file_and_one_with_other_bytes_are_errors(form):
    raw = COMPRESS[form](b"abcdefgh" * 1000)
    for cut in (12, len(raw) // 2, len(raw) - 1):
        with pytest.raises(CorpusError, match=f"file is an? {form} file without its end: it was cut off"):
            content(raw[:cut], step=3)
    damaged = bytearray(raw)
    damaged[len(raw) // 2 :] = bytes(len(raw) - len(raw) // 2)
    with pytest.raises(CorpusError, match=f"file is a damaged {form} file: |without its end"):
        content(bytes(damaged))
    with pytest.raises(CorpusError, match="is compressed twice"):
        content(COMPRESS["gzip"](raw))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
@pytest.mark.parametrize("rest", [b"garbage that follows", b"x", b"\0\0\r\n", b"\xff" * 4000])
def test_bytes_after_the_end_are_no_damage_and_the_text_comes_first(form, step, rest):
    raw, found = COMPRESS[form](b"one ") + COMPRESS[form](b"two") + rest, []
    with pytest.raises(CorpusError) as caught:
        found.extend(text_blocks("a b", iter([raw[n : n + step] for n in range(0, len(raw), step)]), 1 << 20))
    assert b"".join(found) == b"one two"
    assert str(caught.value) == (
        f"a b has bytes after its end that are no {form} data: extract its text first, for instance with "
        f"`{form} -dc 'a b' > copy`"
    )
    with pytest.raises(CorpusError, match=f"^stdin is an? {form} file without its end|^stdin is a damaged {form} file"):
        [*text_blocks("-", iter([COMPRESS[form](b"one") + COMPRESS[form](b"two")[:-1]]), 9)]


def test_gzip_is_decompressed_as_it_arrives():
    import zlib

    compressor = zlib.compressobj(wbits=31)
    arrived = []

    def blocks():
        for line in (b"one\n", b"two\n", b"three\n"):
            arrived.append(line)
            yield compressor.compress(line) + compressor.flush(zlib.Z_SYNC_FLUSH)
        yield compressor.flush()

    for number, block in enumerate(text_blocks("-", blocks(), 1 << 15), 1):
        assert block == arrived[-1]
        assert len(arrived) == number


def test_a_short_text_that_arrives_is_not_kept_waiting():
    for text in (b"It is\n", b"P", b"BM\n", b"ID3\n", b"x" * 10, b"\xd0\xb6\n"):
        taken = []

        def blocks(text=text, taken=taken):
            for block in (text, b" and more", b" and more"):
                taken.append(block)
                yield block

        assert next(text_blocks("-", blocks(), 1 << 15)).startswith(text)
        assert len(taken) == (2 if text == b"P" else 1)  # which may begin a zip


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_needs_no_memory_beyond_the_stream(form):
    once = COMPRESS[form](bytes(1 << 22))
    raw, size = once * 8, 1 << 16
    tracemalloc.start()
    total = sum(map(len, text_blocks("file", iter([raw]), size)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 8 << 22
    assert peak < (10 << 20 if form == "xz" else 2 << 20)  # an xz file of this preset has a dictionary of 8 MiB


def test_an_xz_file_can_not_ask_for_any_amount_of_memory():
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": MAX_XZ_MEMORY}]
    raw = bytearray(lzma.compress(b"abc" * 100, filters=[{**filters[0], "dict_size": 1 << 20}]))
    assert content(bytes(raw)) == b"abc" * 100
    import zlib

    at = 12 + 4  # the size of the dictionary in the block's header, after the stream's
    assert raw[at] == 16
    raw[at] = 40  # 4 GiB
    header = 12 + (raw[12] + 1) * 4
    raw[header - 4 : header] = zlib.crc32(raw[12 : header - 4]).to_bytes(4, "little")
    with pytest.raises(CorpusError, match=r"damaged xz file: Memory usage limit exceeded"):
        content(bytes(raw))


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (zipped(("a.txt",)), "unzip -p file"),
        (zipped(("[Content_Types].xml", "word/document.xml")), "a Word document, not text"),
        (zipped(("[Content_Types].xml", "xl/workbook.xml")), "convert-to csv file"),
        (zipped(("mimetype",), "application/epub+zip"), "pandoc -f epub -t plain file"),
        (zipped(("mimetype",), "application/vnd.oasis.opendocument.text"), "pandoc -t plain file"),
        (tarred("a.txt"), "tar -xOf file"),
        (gzip.compress(tarred("a.txt")), "a tar archive, compressed.*tar -xOf file"),
        (lzma.compress(b"%PDF-1.4 "), "xz -dc file > copy; pdftotext copy -"),
        (b"%PDF-1.4\n%", "pdftotext file -"),
        (b"{\\rtf1\\ansi hello}", "pandoc -f rtf -t plain file"),
        (b"\x89PNG\r\n\x1a\n", "tesseract file -"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image"),
        (b"BM\x36\0\0\0", "an image"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound, which has no text"),
        (b"ID3\3\0\0\0", "a sound"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"SQLite format 3\0", "sqlite3 file .dump"),
        (b"\x7fELF\2\1", "strings file"),
        (b"MZ\x90\0", "strings file"),
        (b'\x80\1\0\0\0\0\0\0{"__metadata__"', "a file of tensors"),
    ],
    ids=lambda value: "raw" if isinstance(value, bytes) else None,  # archives have the time in their bytes
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_what_is_no_text_is_refused_with_the_command_for_its_text(raw, what, step):
    if (b"\0" in raw and not raw.startswith(b"PK")) or raw.startswith(b"\x1f"):
        step = max(step, 16)  # a text may begin with the same letters: it is not kept waiting for a zero byte
    with pytest.raises(NotTextError, match=what) as caught:
        content(raw, step=step)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [b"PK is short for it", b"BMW and MZ are brands", b"ID3 tags\n", b"GIF89a is a format", b"RIFF, WAVE and AVI ",
     b"OggS", b"%!PS-Adobe", b"BZh is how", b"{\\rt", b"x" * 257 + b"ustar", b"\xff\xfea\0", b"", b"ftyp ftyp"],
)  # fmt: skip
def test_a_text_that_begins_like_another_type_is_a_text(text):
    assert content(text) == content(text, step=1) == text
    assert file_type(text) is None


def test_a_missing_library_is_named_in_one_line(folder, monkeypatch):
    import sys

    for name in ("compression", "compression.zstd", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    source = source_of(folder, zstd.compress(b"abc"))
    with pytest.raises(CorpusError, match=r"0\.txt is a zstd file, .*pip install 'charrnn-text\[zstd\]'$"):
        read(source)


def test_a_model_of_bytes_reads_files_as_they_are(folder):
    raw = gzip.compress(b"abc")
    source = source_of(folder, raw, zipped(("a",)), as_bytes=True)
    assert bytes(read(source).ids) == raw + b"\n" * (not raw.endswith(b"\n")) + zipped(("a",))
    assert b"".join(part for _, part in read_parts(source.paths[:1], as_is=True)) == raw
    assert b"".join(part for _, part in read_parts(source.paths[:1], 2)) == b"abc"


def test_a_resumed_text_may_be_compressed_meanwhile(tmp_path):
    (tmp_path / "a").write_bytes(b"Anna")
    (tmp_path / "b").write_bytes(b"Bert")
    before = read(Source((str(tmp_path),)))
    (tmp_path / "a").write_bytes(gzip.compress(b"Anna"))
    after = read(Source((str(tmp_path),)), before.size)
    assert (before.digest, text_of(before)) == (after.digest, text_of(after))
    assert text_of(after) == "Anna\nBert"
    assert list_files([str(tmp_path)]) == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_can_not_be_read_to_its_end_says_what_to_do(form):
    raw = COMPRESS[form](b"abcdefgh" * 1000)
    advice = f"; get it again, or save what can be read of it with `{form} -dc 'a b' > copy`"
    for damaged in (raw[:-1], raw[:12], raw[: len(raw) // 2] + bytes(len(raw))):
        with pytest.raises(CorpusError) as caught:
            [*text_blocks("a b", iter([damaged]), 1 << 20)]
        assert str(caught.value).endswith(advice)
        assert "Error -" not in str(caught.value)
