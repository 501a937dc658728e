"""Tables: two columns of CSV or two fields of JSON lines become pairs, whatever the other columns and the pieces."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset import corpus
from charrnn.dataset.bad_lines import BadLines, told
from charrnn.dataset.files import Source
from charrnn.dataset.raw_text import RawText, texts_by_file
from charrnn.dataset.tables import COLUMN_BLOCK, as_pairs, column
from charrnn.errors import CorpusError

CELLS = st.text(st.sampled_from('ab,"\n\t é'), max_size=8)


def pieces(text, n):
    return (text[k : k + n] for k in range(0, len(text), n))


def pairs(text, table, columns=("a", "b"), n=1000, skip_bad=False):
    bad = BadLines()
    found = "".join(as_pairs(pieces(text, n), table, columns, "data", bad))
    if bad.faults and not skip_bad:
        raise CorpusError(told(bad.faults))
    return found


def collapsed(row):
    return "\t".join(text.replace("\t", " ").replace("\n", " ") for text in row) + "\n"


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.integers(1, 9))
def test_columns_of_csv_become_pairs(rows, n):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([("b", "other", "a"), *rows])
    wanted = "".join(collapsed((a, b)) for b, _, a in rows if a)
    assert pairs(file.getvalue(), "csv", n=n, skip_bad=True).replace("?\n", "") == wanted


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.integers(1, 9), st.booleans())
def test_fields_of_json_lines_become_pairs(rows, n, ascii):
    text = "\n".join(json.dumps({"b": b, "other": [1], "a": a}, ensure_ascii=ascii) for a, b in rows)
    found = pairs(text, "jsonl", n=n, skip_bad=True).replace("?\n", "")
    assert found == "".join(collapsed(row) for row in rows if row[0])


def test_numbers_are_texts_too():
    assert pairs('{"a": 3, "b": 2.5}\n', "jsonl") == "3\t2.5\n"


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("csv", "x,b\n1,2\n", "data has no column 'a': its first line names x, b"),
        ("csv", "", "has no column 'a': its first line names none"),
        ("csv", "a;b\n1;2\n", "looks separated by semicolons, not commas: .*`csvformat -d ';' data > copy.csv`"),
        ("csv", '"a";"b"\n"1";"2"\n', "data has no column 'a': its first line looks separated by semicolons"),
        ("csv", "a\tb, in euro\tc\n1\t2\t3\n", "looks separated by tabs, not commas: .*`csvformat -t data"),
        ("csv", "x|y\n", "looks separated by vertical bars, not commas"),
        ("csv", "sep=;\na;b\n1;2\n", "looks separated by semicolons"),
        ("csv", "a;x,text\n1;2\n", "looks separated by semicolons"),
        ("csv", "c;x,text\n1;2\n", "data has no column 'a': its first line names c;x, text"),
        ("csv", 'a,b\n1,"2";3\n', "line 2 of data is not CSV"),
        ("csv", "a,b\n1,2\n3\n", "line 3 of data has too few columns"),
        ("csv", "a,b\n1,2\n\n1,Smith, John\n", "line 4 of data has 3 columns, and its header 2 .a text with a comma"),
        ("csv", "a,b,c\n1,2,3\n1,2,3,,5\n", "line 3 of data has 5 columns, and its header 3"),
        ("csv", "b,a\n,,x\n", "line 2 of data has 3 columns, and its header 2"),
        ("csv", "a,b,a\n1,2,3\n", "data has 2 columns 'a': give each a name of its own"),
        ("csv", "b,a, b,b\n1,2,3,4\n", "data has 3 columns 'b': give each a name of its own"),
        ("csv", "sep=,\na,b\n1,2\n", "its first line is 'sep=,', for Excel: delete it first, with `sed 1d data > copy"),
        ("csv", 'a,b\n1,"2\n', "mend it$"),
        ("csv", 'a,b\n1,"2\n', "line 2 of data is not CSV: it begins a row with a quote that is not closed; mend it"),
        ("csv", 'a,b\n1,2\n\n"3\n4",5\n6,"7\n8\n9\n', "line 6 of data is not CSV: it begins a row with a quote that"),
        ("csv", '"a,b\n1,2\n', "line 1 of data is not CSV: it begins a row with a quote that is not closed; mend"),
        ("csv", 'a,b\n"1\n2,3\n4"5,6\n', "line 2 of data is not CSV: ',' expected after '\"' on line 4; mend it"),
        ("csv", 'a,b\n\n"x\ny"\n,2\n', "line 3 of data has too few columns"),
        ("csv", 'a,b\n"x\ny",1\n,2\n', "line 4 of data has no source as 'a'"),
        ("jsonl", '{"a": "x", "b": "y"}\n{"a": "x"}\n', "line 2 of data has no field 'b'"),
        ("jsonl", '\n\n{"a": "x", "b": null}', "line 3 of data has null as 'b', and a text or a number is expected"),
        ("jsonl", '{"a": true, "b": "y"}', "has true as 'a', and a text or a number is expected"),
        ("jsonl", '{"a": "x", "b": [1]}', "has a list as 'b', and"),
        ("jsonl", '{"a": {}, "b": "y"}', "has an object as 'a', and"),
        ("jsonl", "[1]\n", "line 1 of data is a list, not an object with the fields 'a', 'b'"),
        ("jsonl", '[{"a": "x"},\n{"a": "y"}]', r"is not JSON \(one object a line: `jq -c '\.\[\]' FILE`\)"),
        ("jsonl", '[{"a": "x", "b": "y"}]', r"the fields 'a', 'b' \(one object a line: `jq -c '\.\[\]' FILE`\)"),
        ("jsonl", '{\n  "a": "x",\n  "b": "y"\n}\n', r"is not JSON \(one object a line: `jq -c \. FILE`\)"),
        ("jsonl", "x\n", "line 1 of data is not JSON$"),
        ("jsonl", "3\n", "line 1 of data is a number, not an object"),
        ("jsonl", '"x"\n', "line 1 of data is a text, not an object"),
        ("jsonl", '{"a": \n', "line 1 of data is not JSON"),
        ("jsonl", "[" * 100_000, "line 1 of data is not JSON"),
    ],
)
def test_rows_without_both_texts_are_told_by_their_line(table, text, message):
    with pytest.raises(CorpusError, match=message):
        pairs(text, table)


def test_empty_cells_after_the_columns_of_the_header_are_none():
    assert pairs("a,b\n1,2,\n3,4,,\n", "csv") == "1\t2\n3\t4\n"


def test_rows_with_more_columns_than_the_header_are_skipped(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\nx,y\n1,Smith, John\nz,y\n")
    found = corpus.read(Source((str(path),), table="csv", columns=("a", "b"), skip_bad=True)).pairs
    assert (found.n_bad, len(found.lines)) == (1, 2)


def test_a_column_of_a_row_with_more_columns_than_the_header_is_an_error():
    with pytest.raises(CorpusError, match=r"line 3 of F has 3 columns, and its header 2 .*: mend it, or leave it out"):
        [*column(["a,b\nx,y\n1,2,3\n"], "csv", "a", "F")]


def test_bad_rows_are_skipped_and_counted(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": "x", "b": "y"}\n{"a": "x"}\nnot JSON\n{"a": "", "b": "y"}\n{"a": "z", "b": "y"}\n')
    source = Source((str(path),), table="jsonl", columns=("a", "b"), skip_bad=True)
    found = corpus.read(source).pairs
    assert found.n_bad == 3
    assert len(found.lines) == 2


def test_each_file_is_a_table_of_its_own(tmp_path):
    (tmp_path / "one.csv").write_bytes('a,b\r\nä,"1\r\n2"'.encode("utf-8-sig"))
    (tmp_path / "two.csv").write_bytes(b"b,c,a\n3,4,5")
    source = Source((str(tmp_path / "one.csv"), str(tmp_path / "two.csv")), table="csv", columns=("b", "a"))
    found = corpus.read(source)
    assert found.vocabulary.decode(found.ids) == "1 2\tä\n3\t5\n"


@pytest.mark.parametrize("table", ["csv", "jsonl", "conll"])
def test_rows_are_read_many_at_once(tmp_path, table):
    line = {"csv": "{0},x\n", "jsonl": '{{"a": "{0}", "b": "x"}}\n', "conll": "{0} x\n\n"}[table]
    words = [chr(0x4E00 + n) for n in range(1000)]
    (tmp_path / "data").write_text("a,b\n" * (table == "csv") + "".join(map(line.format, words)), encoding="utf-8")
    source = Source((str(tmp_path / "data"),), table=table, columns=("a", "b") if table != "conll" else ())
    pieces = [*texts_by_file(RawText(source, None, print), source, [], BadLines(), "pairs")]
    assert len(pieces) < 20, "a piece with new characters is slow"
    assert [text.partition("\t")[0] for text in "".join(pieces).splitlines()] == words


CSV = "a,b,c\nab,x,\n,y\nabc,,\nab\n,zz\nab,xy\nabcd,xyz\n"
JSONL = '{"a": "ab", "b": "xy"}\n{"a": "ab"}\n\n{"a": "ab", "b": " "}\n7\n{"a": "e\\u0301", "b": "x"}\n{"a": 1}\n'


@pytest.mark.parametrize(
    ("layout", "table", "text", "wanted"),
    [
        (
            "pairs",
            "csv",
            CSV,
            "line 3 of F has no source as 'a' (2 lines are like that); line 5 of F has too few columns: give "
            "each row a "
            "source as 'a' and a target as 'b', or leave such rows out with `skip_bad=True`",
        ),
        (
            "labels",
            "csv",
            CSV,
            "line 3 of F has no text as 'a' (2 lines are like that); line 4 of F has no label as 'b'; line 5 "
            "of F has too "
            "few columns: give each row a text as 'a' and a label as 'b', or leave such rows out with `skip_bad=True`",
        ),
        (
            "tags",
            "csv",
            CSV,
            "line 2 of F has 1 tag for 2 characters (3 lines are like that); line 3 of F has no text as 'a' "
            "(2 lines are "
            "like that); line 5 of F has too few columns: give each row a text as 'a' and tags as 'b', or leave such "
            "rows out with `skip_bad=True`",
        ),
        (
            "labels",
            "jsonl",
            JSONL,
            "line 2 of F has no field 'b' (2 lines are like that); line 4 of F has no label as 'b'; line 5 of F is a "
            "number, not an object with the fields 'a', 'b': give each row a text as 'a' and a label as 'b', or leave "
            "such rows out with `skip_bad=True`",
        ),
        (
            "tags",
            "jsonl",
            JSONL,
            "line 2 of F has no field 'b' (2 lines are like that); line 4 of F has 1 tag for 2 characters; line 5 of F "
            "is a number, not an object with the fields 'a', 'b': give each row a text as 'a' and tags as "
            "'b', or leave "
            "such rows out with `skip_bad=True`",
        ),
    ],
)
def test_bad_rows_are_counted_by_what_is_wrong_in_a_layout(layout, table, text, wanted, tmp_path):
    path = tmp_path / "data"
    path.write_text(text, encoding="utf-8")
    source = Source((str(path),), table=table, columns=("a", "b"), normalization="nfc")
    with pytest.raises(CorpusError) as caught:
        corpus.read(source, layout=layout)
    assert str(caught.value).replace(str(path), "F") == wanted
    found = corpus.read(replace(source, skip_bad=True), layout=layout).pairs_of(layout)
    assert told(found.faults).replace(str(path), "F") == wanted.partition(": give")[0]
    assert found.n_bad + len(found.lines) == sum(map(bool, text.splitlines())) - (table == "csv")


def test_each_file_of_a_table_has_its_own_lines(tmp_path):
    for name, text in (("one.csv", "a,b\n1,2\n"), ("two.csv", "a,b\n\n1,2\n3\n"), ("val.csv", "a,b\n4\n,5\n")):
        (tmp_path / name).write_text(text)
    one, two, val = (str(tmp_path / name) for name in ("one.csv", "two.csv", "val.csv"))
    source = Source((one, two), table="csv", columns=("a", "b"), val_paths=(val,))
    with pytest.raises(CorpusError) as caught:
        corpus.read(source)
    wanted = f"line 4 of {two} has too few columns (2 lines are like that); line 3 of {val} has no source as 'a': "
    assert str(caught.value).startswith(wanted)


@pytest.mark.parametrize("length", [10, 1000, 100_000])
def test_the_texts_of_a_column_come_as_soon_as_they_have_many_characters(length):
    row = f"{'x' * length},y\n"
    n_rows = 3 * COLUMN_BLOCK // length + 4
    rows = iter(["a,b\n", *[row] * n_rows])
    for block in column(rows, "csv", "a", "data"):
        assert {*block} == {"x" * length}
        assert len(block) == max(1, -(-COLUMN_BLOCK // (length + 1)))
        break
    assert len([*rows]) == n_rows - len(block)
    assert sum(map(len, column(["a,b\n", *[row] * n_rows], "csv", "a", "data"))) == n_rows


def test_empty_texts_of_a_column_do_not_pile_up():
    rows = iter(["a,b\n", *[",y\n"] * (2 * COLUMN_BLOCK)])
    assert next(column(rows, "csv", "a", "data")) == [""] * COLUMN_BLOCK


@pytest.mark.parametrize(
    ("table", "rows", "bad"),
    [
        ("csv", "b,a\n,x\n,y\n", "z\n"),
        ("csv", "a\nx\ny\n", '"z'),
        ("jsonl", '{"a": "x"}\n{"a": "y"}\n', "{\n"),
        ("jsonl", '{"a": "x"}\n{"a": "y"}\n', '{"b": "z"}\n'),
    ],
)
@pytest.mark.parametrize("n", [1, 5, 1000])
def test_the_texts_of_a_column_come_before_the_error_of_another_row(table, rows, bad, n):
    found = []
    with pytest.raises(CorpusError, match="line "):
        found.extend(column(pieces(rows + bad + rows, n), table, "a", "data"))
    assert [text for texts in found for text in texts] == ["x", "y"]


def test_a_field_may_be_long():
    assert pairs(f"a,b\n{'x' * 200_000},y\n", "csv") == f"{'x' * 200_000}\ty\n"
