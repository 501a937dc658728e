"""The marks that stand for each other: quotation marks, dashes, spaces and dots of every kind."""

import unicodedata
from collections.abc import Set
from typing import NamedTuple


class Quotes(NamedTuple):
    """Quotation marks of one level."""

    straight: str
    """They open and close."""
    pairs: tuple[str, ...]
    """A mark that opens, and one that closes."""
    alike: str
    """Other marks that look like them: primes, accents, an apostrophe that is a letter."""


DOUBLE = Quotes('"＂', ("“”", "„“", "„”", "«»", "»«", "””", "‟”", "〝〞", "〝〟", "「」", "❝❞"), "″ʺ‶")
SINGLE = Quotes("'＇", ("‘’", "‚‘", "‚’", "‹›", "›‹", "’’", "‛’", "『』", "❛❜"), "ʼ′ʹ‵´`")
ALL_QUOTES = {level: {*level.straight, *"".join(level.pairs), *level.alike} for level in (DOUBLE, SINGLE)}
QUOTES = frozenset().union(*ALL_QUOTES.values())
ONLY_CLOSE = frozenset("”»〞〟」❞’›』❜ʼ″ʺ‶′ʹ‵´")
"""The marks that don't open, wherever they stand."""
MAX_NESTED = 8
"""The most quotation marks side by side before which one looks for what stands there."""
DASHES = ("-‐‑﹣－⁃", "−", "‒", "–", "—﹘", "―", "⸺", "⸻")
"""From short to long; those of the same length together."""
SPACES = " \u00a0\u3000\u202f\u2009\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u200a\u205f\u1680"
"""What stands for white space. Newlines and tabs do not: they say where lines and the parts of pairs end."""
ELLIPSES = "…⋯‥"
DOTS = "..."


def nearest(character: str, known: Set[str], before: str | None = None) -> str:
    """The known mark that is most similar to a mark; empty if there is none, or the character is no mark.

    `before` is the text before a quotation mark, which says whether it opens or closes. Without it the mark itself says
    so; of the straight ones, `"` opens and `'` closes, as an apostrophe does.
    """
    if character in QUOTES:
        return _nearest_quote(character, known, before)
    if character.isspace():
        candidates = SPACES
    elif character in ELLIPSES:
        candidates = ELLIPSES
        if "." in known and (character != "⋯" or "…" not in known):
            return DOTS[: 2 if character == "‥" else 3]
    elif unicodedata.category(character) == "Pd" or character in "".join(DASHES):
        length = next((n for n, dashes in enumerate(DASHES) if character in dashes), 0)
        candidates = "".join(dashes for _, dashes in sorted(enumerate(DASHES), key=lambda d: abs(d[0] - length)))
    else:
        candidates = ""
    return next((mark for mark in candidates if mark in known), "")


def depends_on_place(character: str, known: Set[str]) -> bool:
    """Whether what is nearest to a character depends on the text before it."""
    return nearest(character, known, "") != nearest(character, known, "x")


def opens_after(before: str) -> bool:
    """Whether a quotation mark opens after a text: at its beginning, after white space, and after opening brackets.

    After other quotation marks it opens if they do.
    """
    last = before.rstrip("".join(QUOTES))[-1:]
    return not last or last.isspace() or unicodedata.category(last) == "Ps"


def joins_dots(known: Set[str]) -> bool:
    """Whether an ellipsis has to stand for three dots."""
    return "." not in known and "…" in known


def _nearest_quote(character: str, known: Set[str], before: str | None) -> str:
    """`nearest` for a quotation mark: of its own level if there are any, in a pair of which both marks are known."""
    levels = (DOUBLE, SINGLE) if character in ALL_QUOTES[DOUBLE] else (SINGLE, DOUBLE)
    opens = character not in ONLY_CLOSE and (
        character not in SINGLE.straight if before is None else opens_after(before)
    )
    for level in levels:
        whole = [pair for pair in level.pairs if known >= {*pair}]
        sided = "".join(pair[0 if opens else 1] for pair in (*whole, *level.pairs))
        for mark in level.straight + sided + level.alike:
            if mark in known:
                return mark
    return next((mark for level in levels for mark in "".join(level.pairs) if mark in known), "")
