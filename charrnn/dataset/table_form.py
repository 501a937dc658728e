"""The table form: the two columns of a table that a corpus was read from, by which later tables are read too."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from charrnn.dataset.files import Part
from charrnn.dataset.tables import TABLES
from charrnn.dataset.text_form import TextForm

MAX_HEADER = 1 << 16
"""The most bytes of a first line that is looked at: a longer one is no header."""


@dataclass(frozen=True)
class TableForm:
    """The kind of a table, one of `tables.TABLES`, and its columns of sources and of targets.

    Raises `ValueError` for anything else.
    """

    kind: str
    columns: tuple[str, str]

    def __post_init__(self) -> None:
        if self.kind not in TABLES or len(self.columns) != 2 or not all(isinstance(c, str) for c in self.columns):
            raise ValueError("this is not the form of a table")

    @classmethod
    def from_json(cls, data: Any) -> "TableForm":
        """Undoes `to_json`; raises `ValueError` for data that `to_json` can't have made."""
        try:
            kind, *columns = data
            return cls(kind, tuple(columns))
        except TypeError as error:
            raise ValueError("this is not the form of a table") from error

    def to_json(self) -> list[str]:
        """The form as JSON data."""
        return [self.kind, *self.columns]

    def begins_with(self, line: str) -> bool:
        """Whether a file with this first line is such a table: CSV names the first column, JSON lines have objects."""
        if self.kind == "jsonl":
            return is_object(line)
        try:
            return self.columns[0] in (name.strip() for name in next(csv.reader([line]), []))
        except csv.Error:
            return False


def is_object(line: str) -> bool:
    """Whether a line is an object of JSON."""
    try:
        return line.lstrip()[:1] == "{" and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def first_line(parts: Iterator[Part], form: TextForm) -> tuple[str, Iterator[Part]]:
    """The first line of a file, without its end, as far as it arrives in `MAX_HEADER` bytes; and all of its parts."""
    seen, head = [], b""
    for path, part in parts:
        seen.append((path, part))
        head += part
        if not part or b"\n" in part or b"\r" in part or len(head) > MAX_HEADER:
            break
    path = seen[0][0] if seen else ""
    text = "".join(TextForm(form.encoding).decode([(path, head[:MAX_HEADER]), (path, b"")]))
    return text.partition("\n")[0], chain(seen, parts)
