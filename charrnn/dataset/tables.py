"""The tables: two columns of CSV or fields of JSON lines as lines of source, tab and target, or one as records."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from charrnn.dataset import shell_words
from charrnn.dataset.bad_lines import NORMALISED, BadLines, nouns, unequal
from charrnn.dataset.groups import in_blocks, up_to_error
from charrnn.dataset.line_reader import lines_of, texts_between
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import CorpusError

TABLES = ("csv", "jsonl")
SPACES = str.maketrans(dict.fromkeys("\t\n\r", " "))
SEPARATORS = {";": ("semicolons", "-d ';'"), "\t": ("tabs", "-t"), "|": ("vertical bars", "-d '|'")}
"""What tables have in the place of commas, what it is called, and the option of csvkit that reads it."""
MAX_NAMED = 20
"""The most columns that an error names."""
MAX_FIELD = 1 << 30
"""The most characters of a field of CSV."""
COLUMN_BLOCK = 1 << 15
"""The characters of a column of CSV that `column` yields at once, unless a single text has more."""
Row = tuple[int, str | list[str]]
"""The number of the line on which a row begins, and its texts; or what is wrong with it."""
OPEN_QUOTE = "it begins a row with a quote that is not closed"


def as_pairs(
    texts: Iterator[str],
    table: str,
    columns: tuple[str, ...],
    name: str,
    bad: BadLines,
    layout: str = "pairs",
    normalize: Callable[[str], str] = str,
) -> Iterator[str]:
    """The rows of a table, which comes in pieces of text, as lines of source, tab and target.

    A tab or a newline within a text becomes a space. A row that lacks one of the two texts, or that the layout can't
    read, is added to `bad` and becomes a line without a tab; tags are counted as those of the normalized text. Raises
    `CorpusError` for columns that are missing.
    """
    rows: Callable[[Iterator[str], tuple[str, ...], str], Iterator[Row]] = _csv_rows if table == "csv" else _json_rows
    for number, found in rows(lines_of(texts), columns, name):
        row = [text.translate(SPACES) for text in found] if isinstance(found, list) else []
        problem = found if isinstance(found, str) else _missing_text(row, columns, layout)
        if problem:
            bad.add(f"line {number:,} of {name}", problem, problem)
        elif layout == "tags" and (n := len(normalize(row[0]))) != len(normalize(row[1])):
            was_equal = len(row[0]) == len(row[1])
            problem = unequal(n, len(normalize(row[1]))) + f" {NORMALISED}" * was_equal
            bad.add(f"line {number:,} of {name}", problem, "normalised" if was_equal else "unequal")
        yield "?\n" if problem else TAB.join(row) + "\n"


def _missing_text(row: list[str], columns: tuple[str, ...], layout: str) -> str:
    """What a row lacks, such as a label that is more than blanks; empty if it lacks nothing."""
    first, second = nouns(layout)
    if not row[0]:
        return f"has no {first} as {columns[0]!r}"
    if layout == "labels" and not row[1].strip():
        return f"has no {second} as {columns[1]!r}"
    return ""


def column(pieces: Iterable[str], table: str, wanted: str, name: str) -> Iterator[list[str]]:
    """The texts of one column of CSV, or of one field of JSON lines, in which `\\r\\n` and `\\r` become `\\n`.

    The lists of texts are those of the lines that each piece completes; of CSV they may wait for further pieces. The
    null of JSON is an empty text. Raises `CorpusError` for a column that is missing, and for a row that lacks its text,
    after the texts before it.
    """

    def text_of(row: Row) -> str:
        number, found = row
        if isinstance(found, str):
            raise CorpusError(f"line {number:,} of {name} {found}: mend it, or leave it out")
        return found[0].replace("\r\n", "\n").replace("\r", "\n")

    if table == "csv":
        texts = map(text_of, _csv_rows(lines_of(pieces), (wanted,), name))
        yield from in_blocks(texts, lambda text: len(text) + 1, COLUMN_BLOCK)
    else:
        for block in _json_blocks(pieces, wanted):
            yield from up_to_error(map(text_of, block))


def rows(
    pieces: Iterable[str], table: str, wanted: tuple[str, ...], name: str, layout: str
) -> Iterator[list[tuple[int, list[str]]]]:
    """The texts of one column of a table or of two, each row with its line; tabs and newlines become spaces.

    They come as those of `column`. Raises `CorpusError` for a column that is missing, and for a row that lacks one of
    two texts as the layout needs them, after the rows before it.
    """

    def checked(row: Row) -> tuple[int, list[str]]:
        number, found = row
        texts = [text.translate(SPACES) for text in found] if isinstance(found, list) else []
        problem = found if isinstance(found, str) else _missing_text(texts, wanted, layout) if len(texts) > 1 else ""
        if problem:
            raise CorpusError(f"line {number:,} of {name} {problem}: mend it, or leave it out")
        return number, texts

    if table == "csv":
        found = map(checked, _csv_rows(lines_of(pieces), wanted, name))
        yield from in_blocks(found, lambda row: sum(map(len, row[1])) + 1, COLUMN_BLOCK)
    else:
        for block in _json_blocks(pieces, *wanted):
            yield from up_to_error(map(checked, block))


def _json_blocks(pieces: Iterable[str], *fields: str) -> Iterator[list[Row]]:
    """The objects of JSON lines, for each piece those that it completes."""
    number = 1
    for lines in texts_between(pieces, "\n"):
        yield [*_json_rows(iter(lines), fields, "", number)]
        number += len(lines)


def _csv_rows(lines: Iterator[str], columns: tuple[str, ...], name: str) -> Iterator[Row]:
    """The rows of CSV (RFC 4180) after a line with the names of the columns."""
    csv.field_size_limit(MAX_FIELD)
    first = next(lines, "")
    reader = csv.reader(chain([first] if first else [], lines), strict=True)
    begins = 1
    try:
        header = [text.strip() for text in next(reader, [])]
        for column in columns:
            if column not in header:
                named = ", ".join(header[:MAX_NAMED]) + (" and more" if len(header) > MAX_NAMED else "")
                why = _other_separator(first, columns, name) or f"its first line names {named or 'none'}"
                raise CorpusError(f"{name} has no column {column!r}: {why}")
            if header.count(column) > 1:
                raise CorpusError(f"{name} has {header.count(column)} columns {column!r}: give each a name of its own")
        places = [header.index(column) for column in columns]
        begins = reader.line_num + 1
        for row in reader:
            if row:
                yield begins, _unlike_header(row, header, max(places)) or [row[place] for place in places]
            begins = reader.line_num + 1
    except csv.Error as error:
        if reader.line_num <= 1 and (why := _other_separator(first, columns, name)):
            raise CorpusError(f"{name} has no column {columns[0]!r}: {why}") from None
        problem = OPEN_QUOTE if str(error) == "unexpected end of data" else str(error)
        where = f" on line {reader.line_num:,}" if begins < reader.line_num and problem != OPEN_QUOTE else ""
        raise CorpusError(f"line {begins:,} of {name} is not CSV: {problem}{where}; mend it") from None


def _unlike_header(row: list[str], header: list[str], last: int) -> str:
    """What is wrong with the number of cells of a row whose `last` wanted one this is; empty if it is right.

    Empty cells after the columns of the header are none: spreadsheets write them.
    """
    if len(row) <= last:
        return "has too few columns"
    if not any(row[len(header) :]):
        return ""
    return f"has {len(row)} columns, and its header {len(header)} (a text with a comma needs quotes)"


def _other_separator(first: str, columns: tuple[str, ...], name: str) -> str:
    """What to say about a first line that seems to have another separator than commas; empty if it does not."""

    def fields(separator: str) -> list[str]:
        return [text.strip() for text in next(csv.reader([first], delimiter=separator), [])]

    if first.strip().lower() == "sep=,":
        file = "FILE" if name == "stdin" else shell_words.quote(name)
        return f"its first line is {first.strip()!r}, for Excel: delete it first, with `sed 1d {file} > copy.csv`"
    for separator, (called, option) in SEPARATORS.items():
        found = fields(separator)
        if len(found) > 1 and (len(fields(",")) == 1 or {*columns} & {*found}):
            file = "FILE" if name == "stdin" else shell_words.quote(name)
            return (
                f"its first line looks separated by {called}, not commas: convert it first, for instance with "
                f"`csvformat {option} {file} > copy.csv`, which comes with csvkit"
            )
    return ""


def _json_rows(lines: Iterator[str], columns: tuple[str, ...], name: str, first: int = 1) -> Iterator[Row]:
    """The objects of JSON lines, whose numbers begin at `first`; a null is a text only if it is alone."""
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, f"is not JSON{_one_a_line(line, '[{')}"
            continue
        if not isinstance(row, dict):
            wanted = f"not an object with the fields {', '.join(map(repr, columns))}"
            yield number, f"is {_kind(row)}, {wanted}{_one_a_line(line, '[')}"
            continue
        if len(columns) == 1 and row.get(columns[0], "") is None:
            yield number, [""]
            continue
        missing = [column for column in columns if not _is_text(row.get(column))]
        yield number, _missing(row, missing[0]) if missing else [str(row[column]) for column in columns]


def _one_a_line(line: str, starts: str) -> str:
    """How to get an object a line, if a line begins as a list of objects, or as an object on several lines."""
    start = line.lstrip()[0]
    if start not in starts:
        return ""
    each = "'.[]'" if start == "[" else "."
    return f" (one object a line: `jq -c {each} FILE`)"


def _missing(row: dict[str, Any], column: str) -> str:
    """What is wrong with a column that is no text."""
    if column in row:
        return f"has {_kind(row[column])} as {column!r}, and a text or a number is expected"
    return f"has no field {column!r}"


def _kind(value: Any) -> str:
    """What a value of JSON is."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    for kind, name in ((list, "a list"), (dict, "an object"), (str, "a text")):
        if isinstance(value, kind):
            return name
    return "a number"


def _is_text(value: Any) -> bool:
    """Whether a value can stand for a text: a string or a number."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
