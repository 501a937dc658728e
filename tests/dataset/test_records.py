"""The records: the same ones for `train` and for `score`, from every source, however the bytes arrive."""

import csv
import io
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source, read_parts
from charrnn.dataset.line_reader import read_lines
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.records import read_records, records_of
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from support.sources import read_in_blocks

PIECES = st.sampled_from(
    ["a", "b", "é", "😀", "\n", "\n", "\n\n", " \n", "\r\n", "\r\n\r\n", "%", "\n%\n", "%%", "\x1e"]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join)
FORMS = [
    RecordForm("blank"),
    RecordForm("text", "%"),
    RecordForm("text", "\n%\n"),
    RecordForm("text", "%%"),
    RecordForm("text", "\n\n\n"),
    RecordForm("documents"),
]


def naive_records(form, text):
    """The records of a file, all of which is in memory."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if form.kind == "blank":
        parts = re.split(r"\n(?:[ \t]*\n)+", "\n\n" + text + "\n\n")
    else:
        parts = text.split(form.text) if form.kind == "text" else [text]
    edges = "\n" if form.kind in ("blank", "text") else ""
    return [
        part for whole in parts for piece in whole.split("\x1e") if (part := piece.strip(edges) if edges else piece)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for files of any content."""
    return tmp_path_factory.mktemp("records")


def trained_and_scored(folder, form, contents, block, as_bytes=False):
    """The records that a training learns from, and those that a score reads, without their ends."""
    paths = [folder / f"{n}.txt" for n in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    source = Source(tuple(map(str, paths)), as_bytes, record_form=form)
    try:
        corpus = read_in_blocks(source, block)
        trained = corpus.vocabulary.decode(corpus.ids).split(form.end)[:-1]
    except CorpusError as error:
        assert "is empty" in str(error)  # noqa: PT017 - it is another case, not the subject
        trained = []
    vocabulary = Vocabulary(None if as_bytes else "\n\x1eabé😀% \t")
    parts = read_parts(source.paths, block, as_is=as_bytes, separate=False)
    found = [line for lines in read_records(parts, form, vocabulary, DEFAULT_FORM) for line in lines]
    assert all(line.text == line.raw[:-1] + form.end for line in found)
    return trained, [line.text[:-1] for line in found]


@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(FORMS), st.integers(1, 7))
@example(["a\n\n\n\nb\n\n"], FORMS[0], 1)
@example(["a\n \t\nb", "\n\nc\x1ed"], FORMS[0], 2)
@example(["\r\na\r\n\r\n\r\nb\r\n"], FORMS[0], 1)
@example(["%a%%%b"], FORMS[3], 2)
def test_train_and_score_read_the_same_records(folder, texts, form, block):
    trained, scored = trained_and_scored(folder, form, [text.encode() for text in texts], block)
    assert trained == scored == [record for text in texts for record in naive_records(form, text)]


@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(FORMS), st.integers(1, 7))
@example(["\udcff\n\nb"], FORMS[0], 1)
def test_so_they_do_of_bytes(folder, texts, form, block):
    contents = [text.encode("utf-8", "surrogateescape") for text in texts]
    trained, scored = trained_and_scored(folder, form, contents, block, as_bytes=True)
    assert trained == scored
    if form.kind == "documents":
        assert scored == [part for text in texts for part in text.split("\x1e") if part]


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=5), min_size=1, max_size=2), st.integers(1, 40))
def test_so_they_do_of_a_column_whose_texts_have_newlines(folder, files, block):
    contents, wanted = [], []
    for texts in files:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["id", "text"], *((n, t) for n, t in enumerate(texts))])
        contents.append(buffer.getvalue().encode())
        wanted += [record for text in texts for record in naive_records(RecordForm("documents"), text)]
    trained, scored = trained_and_scored(folder, RecordForm("csv", "text"), contents, block)
    assert trained == scored == wanted


@given(st.lists(st.lists(TEXTS | st.none(), min_size=1, max_size=5), min_size=1, max_size=2), st.integers(1, 40))
def test_so_they_do_of_a_field(folder, files, block):
    contents = ["\r\n".join(json.dumps({"text": text}) for text in texts).encode() for texts in files]
    wanted = [r for texts in files for text in texts for r in naive_records(RecordForm("documents"), text or "")]
    trained, scored = trained_and_scored(folder, RecordForm("jsonl", "text"), contents, block)
    assert trained == scored == wanted


@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 7))
def test_so_they_do_of_lines_but_for_the_empty_ones_that_a_score_names(folder, texts, block):
    paths = [folder / f"{n}.txt" for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes((text + "\nab\n").encode())
    corpus = read_in_blocks(Source(tuple(map(str, paths))), block)
    trained = [line for line in corpus.vocabulary.decode(corpus.ids).split("\n") if line]
    scored = [
        line.text
        for lines in read_lines(read_parts(map(str, paths), block), corpus.vocabulary, DEFAULT_FORM)
        for line in lines
    ]
    assert trained == [line[:-1] for line in scored if line != "\n"]


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        (RecordForm("jsonl", "é"), r'{"\u00e9": "\u4e00a"}' + '\n{"é": "é\\u00e9"}\n'),
        (RecordForm("csv", "é"), "é,b\n一a,1\néé,2\n"),
    ],
)
def test_a_model_of_bytes_scores_the_texts_of_a_table_in_utf8(form, raw):
    parts = [("table", raw.encode()[n : n + 3]) for n in range(0, len(raw.encode()), 3)]
    found = read_records([*parts, ("table", b"")], form, Vocabulary(None), DEFAULT_FORM)
    assert [line.text for lines in found for line in lines] == ["一a\x1e", "éé\x1e"]
    with pytest.raises(CorpusError, match=f"`{form.kind}` reads characters: leave out `as_bytes`"):
        from_text(raw.encode(), record_form=form)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (RecordForm("blank"), ["a\n\n", "b\n\n"]),
        (RecordForm("text", "%"), ["a%", "b%"]),
        (RecordForm("jsonl", "x"), ['{"x": "a"}\n', '{"x": "b"}\n']),
        (LINES, ["a\n", "b\n"]),
    ],
)
def test_a_record_comes_as_soon_as_it_is_whole(form, content):
    found, rest = [], iter(content)

    def arriving():
        for piece in rest:
            yield piece
            assert found == [["a"], ["b"]][: 1 + content.index(piece)]

    for records in records_of(form, arriving(), "text"):
        found += [records] if records else []
    assert found == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("csv", "a,b\n1,2\n", "text has no column 'x': its first line names a, b"),
        ("csv", "", "text has no column 'x': its first line names none"),
        ("csv", "b,x\n1,2\n3\n", "line 3 of text has too few columns: mend it, or leave it out"),
        ("csv", 'x\n"a', "line 2 of text is not CSV: it begins a row with a quote"),
        ("jsonl", '{"x": "a"}\n\n{"y": "a"}\n', "line 3 of text has no field 'x'"),
        ("jsonl", '{"x": "a"}\n{"x": ["a"]}\n', "line 2 of text has a list as 'x', and a text or a number is expected"),
        ("jsonl", '{"x": "a"}\n{', "line 2 of text is not JSON"),
    ],
)
def test_a_row_without_its_text_is_an_error(kind, content, message):
    with pytest.raises(CorpusError, match=re.escape(message)):
        list(records_of(RecordForm(kind, "x"), [content[:4], content[4:]], "text"))


@pytest.mark.parametrize(
    ("form", "content", "numbers"),
    [
        (RecordForm("blank"), "\n\na\n\n\n\nb\nb\n\nc", {1: "a", 2: "b\nb", 3: "c"}),
        (RecordForm("text", "%"), "%a%%%b%", {1: "a", 2: "b"}),
        (RecordForm("documents"), "a\nb", {1: "a\nb"}),
        (RecordForm("csv", "x"), 'x,y\na,1\n"",2\n"b\nb",3\nc,4\n', {1: "a", 3: "b\nb", 4: "c"}),
        (RecordForm("jsonl", "x"), '{"x": "a"}\n{"x": null}\n{"x": ""}\n{"x": "b"}\n', {1: "a", 4: "b"}),
    ],
    ids=str,
)
def test_each_record_has_its_file_and_its_number_there(form, content, numbers):
    parts = [(path, part) for path in "ab" for part in (content[:7].encode(), content[7:].encode(), b"")]
    for vocabulary in (Vocabulary("\n\x1eabc"), Vocabulary(None)):
        found = [line for lines in read_records(parts, form, vocabulary, DEFAULT_FORM) for line in lines]
        assert [(line.file, line.number, line.raw[:-1]) for line in found] == [
            (path, number, text) for path in "ab" for number, text in numbers.items()
        ]
