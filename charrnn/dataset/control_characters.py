"""The control characters: what a terminal may obey instead of showing it, in a form that can be seen."""

import re

CONTROL = "\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""The ranges of C0 without tab and newline, DEL, C1, what overrides or isolates the direction of a text, and lone
surrogates, which are the bytes of a text that are not UTF-8. Other invisible characters are part of a text: spaces of
all kinds, soft hyphens, and the joiners in emoji and Persian words."""
IN_A_TEXT = re.compile(f"[{CONTROL}]")
IN_A_LINE = re.compile(f"[{CONTROL}\n\u2028\u2029]")


def visible(text: str) -> str:
    """A text with its control characters shown as escapes, except newlines and tabs."""
    return IN_A_TEXT.sub(_escape, text)


def one_line(text: str) -> str:
    """A text with its control characters, newlines too, shown as escapes: a file's name may contain any of them."""
    return IN_A_LINE.sub(_escape, text)


def _escape(control: re.Match[str]) -> str:
    return ascii(control[0])[1:-1]
