"""The words of a shell: command lines in messages that can be pasted, whatever the names of files hold."""

import os
import shlex
from collections.abc import Iterable

from charrnn.dataset.control_characters import one_line

ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}


def quote(word: str) -> str:
    """A word of a command, quoted where a shell needs it; with control characters as in bash, ksh and zsh: $'a\\nb'.

    A notice shows control characters as escapes, which between plain quotes would be characters of their own.
    """
    if word == one_line(word) and "\t" not in word:
        return shlex.quote(word)
    return f"$'{''.join(map(_escape, word))}'"


def join(words: Iterable[str]) -> str:
    """A command line."""
    return " ".join(map(quote, words))


def _escape(character: str) -> str:
    """A character as it is written in $'…': as octal bytes if it can't be shown."""
    if character in ESCAPES:
        return ESCAPES[character]
    if character == one_line(character):
        return character
    try:
        raw = os.fsencode(character)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        raw = character.encode("utf-8", "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in raw)
