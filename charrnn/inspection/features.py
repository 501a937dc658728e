"""The features: what a person can name at each character of a text, as numbers that a unit may follow."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.errors import ConfigError
from charrnn.types import Array

PATTERN_PREFIX = "matches "
"""How the names of features begin that are patterns."""
OPENING, CLOSING = "([{", ")]}"
TAB_COLUMNS = 8
"""Columns of a tab in an indentation."""


@dataclass(frozen=True)
class Feature:
    """Something to name: a value for every character of a text, by that and those before it, but for a pattern."""

    name: str
    of: Callable[[str], Array]
    """From a text of N characters to its values [N]."""


def _since(marks: Array) -> Array:
    """How many characters ago a mark stood last [N]: 0 at a mark, and before the first as if one stood before all."""
    n = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, n, -1))
    return n - last


def _are(text: str, wanted: Callable[[str], bool]) -> Array:
    """Of which characters something is true [N]."""
    known = {c: wanted(c) for c in set(text)}
    return np.array([known[c] for c in text], bool)


def _runs(text: str, wanted: Callable[[str], bool]) -> Array:
    """The how-manieth of a run of such characters each is, and 0 for the others [N]."""
    return _since(~_are(text, wanted))


def _line(text: str) -> Array:
    return _since(_are(text, "\n".__eq__))


def _after_newline(text: str) -> Array:
    return _are(text, "\n".__eq__)


def _word(text: str) -> Array:
    return _runs(text, str.isalnum)


def _sentence(text: str) -> Array:
    marks = _are(text, ".!?…".__contains__)
    return _since(marks) * np.maximum.accumulate(marks)  # before the first there is nothing to follow


def _quotes(text: str) -> Array:
    """Whether a quotation is open: “ ” and « », „ “, and `"`, which does both by turns.

    One that was forgotten ends with the paragraph, as printers have it where a speech goes on; but not after
    three of them, as in Python.
    """
    inside, low, triple, marks, values = False, False, False, 0, np.zeros(len(text))
    for n, (c, before) in enumerate(zip(text, "\n" + text, strict=False)):
        marks = marks + 1 if c == '"' else 0
        if c == before == "\n" and not triple:
            inside = low = False
        elif c == '"':
            inside = not inside
            triple = inside and (marks == 3 or triple)
        elif c in "«„":
            inside, low = True, c == "„"
        elif c == "“":
            inside, low = not low, False
        elif c in "»”":
            inside = False
        values[n] = inside
    return values


def _brackets(text: str) -> Array:
    depth, values = 0, np.zeros(len(text))
    for n, c in enumerate(text):
        depth = max(depth + (c in OPENING) - (c in CLOSING), 0)
        values[n] = depth
    return values


def _indentation(text: str) -> Array:
    """The columns of blanks that the line began with, as far as it has come."""
    values, columns, within = np.zeros(len(text)), 0, True
    for n, c in enumerate(text):
        if c == "\n":
            columns, within = 0, True
        elif within and c in " \t":
            columns += TAB_COLUMNS - columns % TAB_COLUMNS if c == "\t" else 1
        else:
            within = False
        values[n] = columns
    return values


def _comment(text: str) -> Array:
    """From a number sign to the end of its line."""
    marks = _are(text, "#".__eq__)
    return (_since(marks) <= _line(text)) & np.maximum.accumulate(marks)


BUILT_IN = (
    Feature("position in the line", _line),
    Feature("position in the word", _word),
    Feature("after a line end", _after_newline),
    Feature("since the last full stop", _sentence),
    Feature("inside quotes", _quotes),
    Feature("depth of brackets", _brackets),
    Feature("indentation", _indentation),
    Feature("inside a comment", _comment),
    Feature("capital letter", lambda text: _are(text, str.isupper)),
    Feature("run of capitals", lambda text: _runs(text, str.isupper)),
    Feature("digit", lambda text: _are(text, str.isdigit)),
    Feature("blank", lambda text: _are(text, str.isspace)),
)
"""What is always looked for."""


def pattern_feature(pattern: str) -> Feature:
    """The feature of standing inside a match of a regular expression. Raises `ConfigError` where it is none."""
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"--follow {pattern!r} is no regular expression: {error}") from None

    def inside(text: str) -> Array:
        values = np.zeros(len(text))
        for match in compiled.finditer(text):
            values[match.start() : match.end()] = 1
        return values

    return Feature(f"{PATTERN_PREFIX}{pattern}", inside)
