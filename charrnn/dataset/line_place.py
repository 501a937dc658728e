"""The places of lines, and of other texts of their own, for errors: which line, and of which file of several.

Where several files are one text, `FileStart` says where each begins.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class HasPlace(Protocol):
    """A line or another text that was read from a file."""

    @property
    def file(self) -> str:
        """The path of its file, or `stdin`."""

    @property
    def number(self) -> int:
        """Which one of that file it is, from 1."""


class FileStart(NamedTuple):
    """Where a file begins in a text of several."""

    file: str
    lines_before: int
    """The newlines of the files before it."""


def place_of(found: HasPlace, has_several: bool, unit: str = "line") -> str:
    """The place, such as `line 2`, or `line 2 of b.txt` if there are several files; that of a document is its file."""
    if unit == "document":
        return found.file
    return f"{unit} {found.number:,}" + (f" of {found.file}" if has_several else "")


def place_in(files: Sequence[FileStart], number: int) -> str:
    """The place of a line of a text, from 1, by the files that the text was read from; without any, its number."""
    if not files:
        return f"line {number:,}"
    file, before = files[bisect_right(files, number - 1, key=lambda start: start.lines_before) - 1]
    return f"line {number - before:,} of {file}"
