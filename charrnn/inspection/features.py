"""The features: what a person can name at each character of a text, as numbers that a unit may follow."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.errors import ConfigError
from charrnn.types import Array

PATTERN_PREFIX = "matches "
"""The beginning of the name of a feature that is a pattern."""
OPENING, CLOSING = "([{", ")]}"
TAB_COLUMNS = 8
"""The columns of a tab in an indentation."""


@dataclass(frozen=True)
class Feature:
    """A named value for every character of a text; except for patterns, it depends only on that and earlier ones."""

    name: str
    values: Callable[[str], Array]
    """From a text of N characters to the values [N]."""


def _since(marks: Array) -> Array:
    """The number of characters since the last mark [N]: 0 at a mark; the first character is 1 after one."""
    n = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, n, -1))
    return n - last


def _where(text: str, predicate: Callable[[str], bool]) -> Array:
    """The characters for which a predicate is true, as a mask [N]."""
    found = {c: predicate(c) for c in set(text)}
    return np.array([found[c] for c in text], bool)


def _run_position(text: str, predicate: Callable[[str], bool]) -> Array:
    """The position of each character, from 1, in a run for which a predicate is true, and 0 outside of runs [N]."""
    return _since(~_where(text, predicate))


def _line_position(text: str) -> Array:
    return _since(_where(text, "\n".__eq__))


def _after_newline(text: str) -> Array:
    return _where(text, "\n".__eq__)


def _word_position(text: str) -> Array:
    return _run_position(text, str.isalnum)


def _sentence_position(text: str) -> Array:
    marks = _where(text, ".!?…".__contains__)
    return _since(marks) * np.maximum.accumulate(marks)  # 0 before the first full stop


def _quotes(text: str) -> Array:
    """Whether a quotation is open: “ ” and « », „ “, and `"`, which alternates.

    A quotation that is not closed ends with the paragraph, as printers have it if a speech goes on; one that began with
    three `"`, as in Python, does not.
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


def _bracket_depth(text: str) -> Array:
    depth, values = 0, np.zeros(len(text))
    for n, c in enumerate(text):
        depth = max(depth + (c in OPENING) - (c in CLOSING), 0)
        values[n] = depth
    return values


def _indentation(text: str) -> Array:
    """The columns of whitespace at the beginning of the line, up to the character."""
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
    """Whether a number sign precedes in the same line."""
    marks = _where(text, "#".__eq__)
    return (_since(marks) <= _line_position(text)) & np.maximum.accumulate(marks)


BUILT_IN = (
    Feature("position in the line", _line_position),
    Feature("position in the word", _word_position),
    Feature("after a newline", _after_newline),
    Feature("since the last full stop", _sentence_position),
    Feature("inside quotes", _quotes),
    Feature("bracket depth", _bracket_depth),
    Feature("indentation", _indentation),
    Feature("inside a comment", _comment),
    Feature("capital letter", lambda text: _where(text, str.isupper)),
    Feature("run of capitals", lambda text: _run_position(text, str.isupper)),
    Feature("digit", lambda text: _where(text, str.isdigit)),
    Feature("whitespace", lambda text: _where(text, str.isspace)),
)
"""The features that are always looked for."""


def pattern_feature(pattern: str) -> Feature:
    """The feature of being inside a match of a regular expression. Raises `ConfigError` for an invalid one."""
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"`feature` {pattern!r} is not a valid regular expression: {error}") from None

    def values(text: str) -> Array:
        inside = np.zeros(len(text))
        for match in compiled.finditer(text):
            inside[match.start() : match.end()] = 1
        return inside

    return Feature(f"{PATTERN_PREFIX}{pattern}", values)
