"""The text form: files in any encodings, with any marks and line ends, are read as their decoded, normalised text."""

import codecs
import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from charrnn.config import NORMALIZATIONS
from charrnn.dataset.encoding_detection import FEW_UTF8, wide_encoding
from charrnn.dataset.file_decoder import MARKS, FileDecoder, Utf8Check, find_mark
from charrnn.dataset.line_reader import read_lines
from charrnn.dataset.text_form import BORDER, DEFAULT_FORM, TextForm, clusters
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from support.sources import read_in_blocks, source_of, text_of

LETTERS = "a\r\n éжかカ\u0301\u0327\u0307ếǖ각\u1100\u1161\u11a8\u0b47\u0b3e\u0e33ﾞｶ﹅Å\u212bﬁ中😀"
"""Letters that normal forms change, and characters that combine with those before them."""
TEXTS = st.text(st.sampled_from(LETTERS), max_size=12)
FORMS = st.sampled_from([TextForm(normalization=name) for name in NORMALIZATIONS])
BLOCKS = st.sampled_from([1, 2, 3, 5, 1 << 20])


def with_newlines(text):
    """A text whose lines all end in \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the files of this module."""
    return tmp_path_factory.mktemp("forms")


# Reading


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from([b"", *MARKS])), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16-le", "utf-32-be", "gb18030"]),
    st.sampled_from(NORMALIZATIONS),
    BLOCKS,
)
def test_a_mixture_of_files_is_read_as_its_decoded_normalised_text(folder, files, encoding, normalization, block):
    contents = [mark + text.encode(MARKS.get(mark, encoding)) for text, mark in files]
    assume(all(Utf8Check().add(c, True) < FEW_UTF8 for c in contents) or encoding == "utf-8")
    assume(not any(wide_encoding(c) for c in contents) or encoding.startswith("utf-"))
    form = TextForm(encoding, normalization)
    *texts, last = (with_newlines(text) for text, _ in files)
    wanted = form.normalize("".join(text + "\n" * (text != "" and text[-1] != "\n") for text in texts) + last)
    assume(len(wanted) > 1)
    found = read_in_blocks(source_of(folder, *contents, encoding=encoding, normalization=normalization), block)
    assert text_of(found) == wanted
    assert found.vocabulary == Vocabulary.from_text(wanted)
    assert found.text_form == form


@given(TEXTS, st.sampled_from([b"", *MARKS]), FORMS, BLOCKS, st.booleans())
def test_a_file_has_the_same_lines_for_training_and_for_scoring(text, mark, form, block, whole):
    content = mark + text.encode(MARKS.get(mark, "utf-8"))
    parts = [("file", content[n : n + block]) for n in range(0, len(content), block)] + [("file", b"")]
    found = [line for lines in read_lines(parts, Vocabulary("\n"), form, whole) for line in lines]
    wanted = "".join(form.decode(parts))
    assert wanted == form.normalize(with_newlines(text))
    assert [line.text for line in found] == wanted.splitlines(keepends=True)
    if whole:  # and no character of the raw lines is lost
        assert "".join(line.raw for line in found).removeprefix("\ufeff") == text


@given(st.lists(TEXTS), FORMS)
def test_pieces_are_normalised_as_the_whole_text(texts, form):
    assert "".join(form.normalize_pieces(texts)) == form.normalize("".join(texts))


@given(TEXTS)
def test_normal_forms_are_those_of_python(text):
    assert TextForm().normalize(text) == text
    for name in ("nfc", "nfd", "nfkc"):
        assert TextForm(normalization=name).normalize(text) == unicodedata.normalize(name.upper(), text)


def test_a_newline_ends_a_piece_at_once():
    parts = [("-", "e\u0301\n".encode()), ("-", "日本".encode()), ("-", b"e"), ("-", b"\n"), ("-", b"")]
    assert list(TextForm(normalization="nfc").decode(parts)) == ["é\n", "日", "本", "e\n", ""]


def test_nothing_combines_with_what_is_before_a_border():
    every = [*map(chr, range(sys.maxunicode + 1))]
    after = {c for c in every if unicodedata.combining(c)} | {
        *map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)])
    }
    for c in every:
        first, *rest = unicodedata.decomposition(c).split() or [""]
        if rest and not first.startswith("<"):
            after.add(chr(int(rest[-1], 16)))
    borders = [c for c in every if BORDER.match(c)]
    assert len(borders) > 20_000
    for form in ("NFC", "NFD", "NFKC"):
        assert not after & {unicodedata.normalize(form, c)[0] for c in borders}


@given(TEXTS)
def test_clusters_can_be_normalised_alone(text):
    found = clusters(text)
    assert "".join(found) == text
    for form in ("NFC", "NFD"):
        assert "".join(unicodedata.normalize(form, c) for c in found) == unicodedata.normalize(form, text)


# Marks


@pytest.mark.parametrize("mark", MARKS, ids=MARKS.values())
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16", "utf-16-be", "latin-1", "shift_jis"])
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_a_mark_decides_whatever_the_encoding(mark, encoding, block, folder):
    content = mark + "жук\r\nи рак, é\r".encode(MARKS[mark])
    assert text_of(read_in_blocks(source_of(folder, content, encoding=encoding), block)) == "жук\nи рак, é\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be", "gb18030", "utf-7", "utf-8"])
def test_a_mark_is_dropped_once(encoding, folder):
    found = read_in_blocks(source_of(folder, "\ufeff\ufeffab".encode(encoding), encoding=encoding), 1)
    assert text_of(found) == "\ufeffab"


@pytest.mark.parametrize(
    ("head", "mark"),
    [
        (b"a", b""),
        (b"\xd0", b""),
        (b"\xef", None),
        (b"\xef\xbb", None),
        (b"\xef\xbba", b""),
        (codecs.BOM_UTF8, codecs.BOM_UTF8),
        (b"\xff", None),
        (b"\xff\xfe", None),  # of UTF-16 or UTF-32
        (b"\xff\xfea", codecs.BOM_UTF16_LE),
        (b"\xff\xfe\0a", codecs.BOM_UTF16_LE),
        (b"\xff\xfe\0\0", codecs.BOM_UTF32_LE),
        (b"\xfe", None),
        (b"\xfe\xff", codecs.BOM_UTF16_BE),
        (b"\0", None),
        (b"\0a", b""),
        (b"\0\0\xfe\xff", codecs.BOM_UTF32_BE),
    ],
)
def test_a_mark_is_known_as_soon_as_it_is_whole(head, mark):
    assert find_mark(head, False) == mark
    if mark is None:
        decoder = FileDecoder("-", "latin-1", "strict")
        assert [*decoder.decode(head)] == [""]
        assert [*decoder.decode(b"")] == ["" if head == codecs.BOM_UTF16_LE else head.decode("latin-1")]


# Other encodings than the given one


@pytest.mark.parametrize("text", ["Dear sir or madam,\r\n", "жук и рак\n", "η θάλασσα ήταν\n", "ab\tcd"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("given_encoding", ["utf-8", "cp1251", "latin-1"])
def test_utf16_without_a_mark_is_recognised(text, encoding, given_encoding):
    parts = [("a.txt", c) for c in (text.encode(encoding), b"")]
    with pytest.raises(
        CorpusError, match=f'a.txt looks like {encoding} without a byte order mark.*`encoding="{encoding}"`'
    ):
        list(TextForm(given_encoding).decode(parts))
    assert "".join(TextForm(encoding).decode(parts)) == with_newlines(text)


@pytest.mark.parametrize(
    "text", ["one\0two\0three\0four\0", "\0\0\0\0\0\0\0\0\0", "a\0b", "ab\0\0cde\0\0fg\0\0", "x\0" * 2]
)
def test_a_text_with_other_nuls_is_read(text):
    assert "".join(DEFAULT_FORM.decode([("-", text.encode()), ("-", b"")])) == text


@pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "koi8-r", "gb18030"])
def test_utf8_is_recognised_where_another_encoding_is_expected(encoding):
    parts = [("a.txt", "Мой дядя самых честных правил".encode()), ("a.txt", b"")]
    with pytest.raises(CorpusError, match=f'looks like utf-8, not {encoding}: give `encoding="utf-8"`'):
        list(TextForm(encoding).decode(parts))


@pytest.mark.parametrize("n", [1, 3, 10_000])
@pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "koi8-r", "mac-roman"])
def test_utf8_with_few_characters_beyond_ascii_is_recognised_at_the_end(encoding, n):
    text = "a plain text, " * 400 + "a café, " + "and more, " * 400 + "the naïve façade"
    for raw, is_utf8 in ((text.encode(), True), (text.encode() + b"\xe9", False), (b"caf\xc3\xa9 na\xc3\xaf", False)):
        parts = [("a.txt", raw[k : k + n]) for k in range(0, len(raw), n)] + [("a.txt", b"")]
        found = []
        if not is_utf8:
            assert "".join(TextForm(encoding).decode(parts)) == with_newlines(raw.decode(encoding))
            continue
        with pytest.raises(CorpusError, match=f'looks like utf-8, not {encoding}: give `encoding="utf-8"`'):
            found.extend(TextForm(encoding).decode(parts))


def test_a_short_text_in_an_encoding_of_several_bytes_may_be_utf8_by_chance():
    raw = "脟么".encode("gbk") * 3
    assert raw.decode() == "Çô" * 3
    assert "".join(TextForm("gbk").decode([("a.txt", raw), ("a.txt", b"")])) == "脟么" * 3


@pytest.mark.parametrize(("given_encoding", "other"), [("utf-16-be", "utf-16-le"), ("utf-16le", "utf-16-be")])
def test_utf16_in_the_other_order_is_recognised(given_encoding, other):
    parts = [("a.txt", "Dear sir or madam,\n".encode(other)), ("a.txt", b"")]
    with pytest.raises(
        CorpusError, match=f'looks like {other} without .* not {given_encoding}: give `encoding="{other}"`'
    ):
        list(TextForm(given_encoding).decode(parts))


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_an_error_after_a_mark_does_not_ask_for_an_encoding(errors):
    raw = codecs.BOM_UTF16_LE + "abc".encode("utf-16-le") + b"\0\xdc" + b"ab"
    with pytest.raises(
        CorpusError, match="x is not utf-16-le at byte 8: its byte order mark says that it is"
    ) as caught:
        list(DEFAULT_FORM.decode([("x", raw), ("x", b"")], errors))
    assert ('`errors="replace"`' in str(caught.value)) == (errors == "strict")


@pytest.mark.parametrize("n", [1, 3, 1000])
@pytest.mark.parametrize(
    ("encoding", "text", "bad"),
    [
        ("utf-16-le", "жук\n", b"\0\xdc"),
        ("utf-16", "жук\n", b"\0\xdc"),
        ("utf-32-be", "жук\n", b"\0\x11\0\0"),
        ("utf-7", "жук\n", b"+\1"),
        ("iso2022_jp", "犬と猫\nab\n", b"\x1b$B3 "),
        ("iso2022_jp", "ab\n犬", b"3 "),  # within its escapes
        ("shift_jis", "犬と猫\nab\n", b"\x81 "),
        ("utf-8", "жук\n", b"\xff"),
        ("gb18030", "犬と猫\nab\n", b"\x810"),
    ],
)
def test_the_text_before_bytes_that_are_none_is_not_lost(encoding, text, bad, n):
    raw = text.encode(encoding).removesuffix(b"\x1b(B") + bad + text.encode(encoding)
    parts = [("x", raw[k : k + n]) for k in range(0, len(raw), n)]
    found = []
    with pytest.raises(CorpusError, match=f"x is not {encoding}"):
        found.extend(TextForm(encoding).decode([*parts, ("x", b"")], "strict"))
    assert "".join(found) == text


# The object


def test_an_unknown_form_is_refused():
    with pytest.raises(ConfigError, match="normalization can't be 'NFC': choose one of nfc, nfd, nfkc, none"):
        TextForm(normalization="NFC")
    for encoding in ("utf-9", "zip", "", 5, None):
        with pytest.raises(CorpusError, match="there is no text encoding"):
            TextForm(encoding)


def test_an_encoding_that_needs_a_mark_is_not_that_of_later_texts(folder):
    for name in ("utf-16", "UTF16", "utf-32"):
        found = read_in_blocks(source_of(folder, "жук".encode(name), encoding=name, normalization="nfc"), 1000)
        assert text_of(found) == "жук"
        assert found.text_form == TextForm(normalization="nfc")
    for name in ("utf-16-le", "cp1251", "utf-8"):
        assert TextForm(name).of_later_texts == TextForm(name)


def test_utf8_has_one_name():
    assert TextForm("UTF8") == TextForm("utf-8-sig") == TextForm("U8") == DEFAULT_FORM
    assert TextForm("latin1").encoding == "latin1"
