"""The bad lines of a corpus of pairs: what is wrong with them, where each fault is first, and what to write instead."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from charrnn.errors import counted

COLUMNS = {
    "pairs": ("a source", "a target"),
    "translations": ("a source", "a target"),
    "labels": ("a text", "a label"),
    "tags": ("a text", "tags"),
}
"""What the two columns of a line hold in each layout."""
MAX_TOLD = 6
"""The most faults that a message tells."""
UNEQUAL = re.compile(r"has [\d,]+ tags? for")
"""The beginning of the problem that `unequal` tells."""
NORMALISED = "once normalised"
"""The end of it, where the tags are as many as the characters of the text as it is written."""
NO_TAB = "has no tab"
"""The problem of a line that is in one piece."""


class Fault(NamedTuple):
    """Something that is wrong with some lines."""

    line: str
    """The first of them, such as `line 2` or `line 2 of a.csv`."""
    problem: str
    """What is wrong with it, such as `has no tab`."""
    n_lines: int
    """How many lines have this fault."""
    file: str = ""
    """The text that has them, if `line` does not name it."""


def told(faults: Sequence[Fault]) -> str:
    """The faults for a message: `line 2 has no tab in a.tsv (3 lines are like that); line 5 has 2 tabs`."""
    parts, file = [], ""
    for fault in faults[:MAX_TOLD]:
        where = f" in {fault.file}" if fault.file not in ("", file) else ""
        alike = f" ({fault.n_lines:,} lines are like that)" if fault.n_lines > 1 else ""
        parts.append(f"{fault.line} {fault.problem}{where}{alike}")
        file = fault.file
    if (more := len(faults) - MAX_TOLD) > 0:
        parts.append(f"and there {'is' if more == 1 else 'are'} {counted(more, 'other faults')}")
    return "; ".join(parts)


def nouns(layout: str) -> tuple[str, str]:
    """The words for the two columns of a line in a layout."""
    first, second = COLUMNS.get(layout, COLUMNS["pairs"])
    return first.removeprefix("a "), second.removeprefix("a ")


def unequal(chars: int, tags: int) -> str:
    """The problem of a text whose tags are not as many as its characters."""
    return f"has {counted(tags, 'tags')} for {counted(chars, 'characters')}"


def recounting(faults: Sequence[Fault], normalization: str, as_bytes: bool) -> str:
    """What makes the tags in a file unequal to its characters, and what to do about that; empty if nothing does."""
    if not any(UNEQUAL.match(fault.problem) for fault in faults):
        return ""
    if as_bytes:
        return "`as_bytes` counts bytes, not characters: leave it out, or give a tag for each byte"
    if normalization == "none":
        return ""
    return (
        f'`normalization="{normalization}"` changes the number of characters: leave it out, or normalise the texts '
        "before they get their tags"
    )


def line_advice(layout: str) -> str:
    """What to write in the place of a bad line."""
    first, second = nouns(layout)
    return f"write {first}, tab, {second}, or leave such lines out with `skip_bad=True`"


def row_advice(table: str, columns: Sequence[str], layout: str) -> str:
    """What to write in the place of a bad row of a table with these columns, or a bad sentence of `conll`."""
    if table == "conll":
        return "write a word and its tag on each line, or leave such sentences out with `skip_bad=True`"
    first, second = COLUMNS.get(layout, COLUMNS["pairs"])
    return (
        f"give each row {first} as {columns[0]!r} and {second} as {columns[1]!r}, or leave such rows out with "
        "`skip_bad=True`"
    )


class BadLines:
    """The bad lines of files, counted by what is wrong with them as they are read."""

    def __init__(self) -> None:
        self._found: dict[str, Fault] = {}

    def add(self, line: str, problem: str, kind: str) -> None:
        """Adds a line; `kind` is that of the problem, which may name what only this line has."""
        before = self._found.get(kind, Fault(line, problem, 0))
        self._found[kind] = before._replace(n_lines=before.n_lines + 1)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with them, in the order of the first line of each."""
        return (*self._found.values(),)
