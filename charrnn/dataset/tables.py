"""The tables: two columns of CSV, or two fields of JSON lines, as lines of source, tab and target."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any

from charrnn.dataset.line_reader import lines_of
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import CorpusError

TABLES = ("csv", "jsonl")
SPACES = str.maketrans(dict.fromkeys("\t\n\r", " "))
MAX_NAMED = 20
"""The most columns that an error names."""
MAX_FIELD = 1 << 30
"""The most characters of a field of CSV."""
Row = tuple[int, str | list[str]]
"""The number of the line at which a row ends, and its two texts; or what is wrong with it."""


def as_pairs(texts: Iterator[str], table: str, columns: tuple[str, ...], name: str, skip_bad: bool) -> Iterator[str]:
    """The rows of a table, which comes in pieces of text, as lines of source, tab and target.

    A tab or a newline within a text becomes a space. Raises `CorpusError` for columns that are missing, and
    for a row that lacks one of the two texts; with `skip_bad`, such a row becomes a line without a tab, which the
    layout `pairs` skips and counts.
    """
    rows: Callable[[Iterator[str], tuple[str, ...], str], Iterator[Row]] = _csv_rows if table == "csv" else _json_rows
    for number, found in rows(lines_of(texts), columns, name):
        if isinstance(found, list):
            yield TAB.join(text.translate(SPACES) for text in found) + "\n"
        elif skip_bad:
            yield "?\n"
        else:
            raise CorpusError(f"line {number:,} of {name} {found}: mend it, or leave such lines out with --skip-bad")


def _csv_rows(lines: Iterator[str], columns: tuple[str, ...], name: str) -> Iterator[Row]:
    """The rows of CSV (RFC 4180) after a line with the names of the columns."""
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(lines, strict=True)
    try:
        header = [text.strip() for text in next(reader, [])]
        for column in columns:
            if column not in header:
                named = ", ".join(header[:MAX_NAMED]) + (" and more" if len(header) > MAX_NAMED else "")
                raise CorpusError(f"{name} has no column {column!r}: its first line names {named or 'none'}")
        places = [header.index(column) for column in columns]
        for row in reader:
            if row:
                short = len(row) <= max(places)
                yield reader.line_num, "has too few columns" if short else _both([row[place] for place in places])
    except csv.Error as error:
        raise CorpusError(
            f"line {reader.line_num:,} of {name} is not CSV: {error}; mend it, since --skip-bad can't"
        ) from None


def _json_rows(lines: Iterator[str], columns: tuple[str, ...], name: str) -> Iterator[Row]:
    """The objects of JSON lines."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "is not JSON"
            continue
        if not isinstance(row, dict):
            yield number, f"is {_kind(row)}, not an object with the fields {', '.join(map(repr, columns))}"
            continue
        missing = [column for column in columns if not _is_text(row.get(column))]
        yield number, _missing(row, missing[0]) if missing else _both([str(row[column]) for column in columns])


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


def _both(texts: list[str]) -> str | list[str]:
    """The two texts, or what is wrong with them."""
    return texts if texts[0].translate(SPACES) else "has an empty source"


def _is_text(value: Any) -> bool:
    """Whether a value can stand for a text: a string or a number."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
