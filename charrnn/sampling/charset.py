"""The character set: which characters `allow` and `ban` permit."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from charrnn.config import SamplingConfig
from charrnn.dataset import escapes
from charrnn.dataset.vocabulary import describe
from charrnn.errors import ConfigError
from charrnn.types import Mask

CLASSES: dict[str, Callable[[str], bool]] = {
    r"\d": str.isdecimal,
    r"\w": lambda c: c.isalnum() or c == "_",
    r"\s": str.isspace,
}
"""The classes, which contain what they contain in Python's regular expressions."""
ONE = rf"{escapes.ESCAPE}|[^\\]"
RANGE = rf"({ONE})(?:-({ONE}))?"
KNOWN = rf"\d, \w, \s, {escapes.LIST}"
"""The escapes, for messages."""


def charset_mask(
    config: SamplingConfig, characters: Sequence[str], stops: Sequence[str] = (), is_bytes: bool = False
) -> Mask | None:
    """The characters [V] that `allow` and `ban` permit; None if they permit all.

    A character that stops the text need not be allowed, since it is not part of the text. If the characters are bytes,
    neither classes nor such a character are bytes above ASCII, which are parts of characters, and other characters
    above ASCII can't be given. Raises `ConfigError` for an invalid expression, and if no character is permitted.
    """
    if not config.allow and not config.ban:
        return None
    everything = np.ones(len(characters), bool)
    mask = parse_charset(config.allow, characters, "`allow`", is_bytes) if config.allow else everything
    mask |= [c in stops and (c.isascii() or not is_bytes) for c in characters]
    mask &= ~parse_charset(config.ban, characters, "`ban`", is_bytes)
    if not mask.any():
        raise ConfigError("`allow` and `ban` leave no character of the model's vocabulary")
    return mask


def parse_charset(expression: str, characters: Sequence[str], name: str, is_bytes: bool = False) -> Mask:
    r"""The characters [V] that an expression such as `abc`, `a-z`, `\d`, `\n` or `\-` contains.

    A hyphen at either end or after a backslash is itself, and so is other punctuation after a backslash; further
    escapes are those of `escapes.unescape`. Raises `ConfigError` for a reversed range and for an unknown escape; `name`
    says what the expression is.
    """
    mask = np.zeros(len(characters), bool)
    for first, last in re.findall(RANGE, expression, re.DOTALL):
        contains = _part(first, last, name, is_bytes)
        mask |= [contains(c) for c in characters]
    return mask


def _part(first: str, last: str, name: str, is_bytes: bool) -> Callable[[str], bool]:
    """Whether a character is in a part of an expression: a class, a range or, if `last` is empty, a character."""
    if first in CLASSES and not last:
        contains = CLASSES[first]
        return lambda c: contains(c) and (c.isascii() or not is_bytes)
    if first in CLASSES or last in CLASSES:
        raise ConfigError(rf"{name} has the range {first}-{last}, but a class has no ends: write \- for a hyphen")
    low, high = (_character(text, name) for text in (first, last or first))
    if low > high:
        raise ConfigError(
            rf"{name} has the reversed range {first}-{last}: give its lower end first, or \- for a hyphen"
        )
    if is_bytes and not high.isascii():
        raise ConfigError(
            f"{name} has {describe(high)}, which is no single byte, and this model writes bytes: give only characters "
            "of ASCII"
        )
    return lambda c: low <= c <= high


def _character(text: str, name: str) -> str:
    """A single character, or that of an escape."""
    if text[0] != "\\":
        return text
    if len(text) == 2 and text[1].isascii() and not text[1].isalnum():
        return text[1]
    return escapes.character(text, name, KNOWN)
