"""Markdown and YAML in which what comes from a model is text and never markup."""

import re
from collections.abc import Iterable, Sequence

from charrnn.dataset.control_characters import one_line, visible

MARKUP = re.compile(r"[\\`*_{}\[\]<>()#~&|!$@]")
"""What may begin or end markup in a line, of Markdown as CommonMark and GitHub have it, mathematics and mentions."""


def escaped(text: str) -> str:
    """A text as a part of a line."""
    return MARKUP.sub(r"\\\g<0>", one_line(text))


def code(text: str) -> str:
    """A text as code in a line, outside of tables."""
    text = one_line(text)
    ticks = "`" * (_longest_ticks(text) + 1)
    pad = " " * (text.startswith("`") or text.endswith("`") or (text[:1] == text[-1:] == " " and text.strip() != ""))
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """A text as a block of code, whatever backticks it has."""
    fence = "`" * max(3, _longest_ticks(text) + 1)
    return f"{fence}{language}\n{visible(text).removesuffix(chr(10))}\n{fence}"


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def table(rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Rows of Markdown as a table, of which the first is the title; with `numbers` its columns are aligned right."""
    first, *rest = rows
    line = ["---:" if numbers else "---"] * len(first)
    return "\n".join(f"| {' | '.join(row)} |" for row in (first, line, *rest))


def quoted(text: str) -> str:
    """A text as a double-quoted scalar of YAML."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _yaml_escape(c) for c in text) + '"'


def _yaml_escape(character: str) -> str:
    """YAML's escape of a character; a lone surrogate, which YAML lacks, becomes the replacement character."""
    return "\\uFFFD" if "\ud800" <= character <= "\udfff" else f"\\U{ord(character):08X}"
