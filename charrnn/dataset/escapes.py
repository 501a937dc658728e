r"""The escapes in options: `\n` for a newline and so on, for shells that can't write these characters otherwise."""

import re

from charrnn.errors import ConfigError

CHARACTERS = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}
r"""The character after a backslash, and what both stand for; `\0` is not before a digit, which would be octal in C."""
HEX = "[0-9a-fA-F]"
PAIR = rf"u[dD][89abAB]{HEX}{{2}}\\u[dD][c-fC-F]{HEX}{{2}}"
"""A character above U+FFFF in the form of JSON."""
ESCAPE = rf"\\(?:{PAIR}|u{HEX}{{0,4}}|U{HEX}{{0,8}}|0[0-9]?|.|\Z)"
"""A backslash with what belongs to it; needs `re.DOTALL`."""
DIGITS = {"u": (4, "four"), "U": (8, "eight")}
"""The hexadecimal digits that the escape of a code has."""
LIST = r"\n, \t, \r, \0, \uXXXX and \UXXXXXXXX"
"""The escapes, for messages."""


def unescape(text: str, name: str) -> str:
    r"""A text with the characters that its escapes stand for: `\n \t \r \0 \\ \uXXXX \UXXXXXXXX`.

    Two escapes that are a surrogate pair, as in JSON, are one character. Raises `ConfigError` for any other backslash;
    `name` says what the text is.
    """
    return re.sub(ESCAPE, lambda escape: character(escape[0], name), text, flags=re.DOTALL)


def escape(text: str) -> str:
    """The text that `unescape` makes this one of, without newlines and other characters that don't print."""
    named = {CHARACTERS[name]: rf"\{name}" for name in "nt\\"}

    def escaped(c: str) -> str:
        if c in named:
            return named[c]
        units = c.encode("utf-16-be", "surrogatepass")
        return c if c.isprintable() else "".join(rf"\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))

    return "".join(map(escaped, text))


def character(escape: str, name: str, known: str = LIST) -> str:
    """The character that an escape of the form `ESCAPE` stands for. Raises `ConfigError` if it stands for none.

    `known` lists the escapes for the message.
    """
    code = escape[1:]
    if code in CHARACTERS:
        return CHARACTERS[code]
    n, named = DIGITS.get(code[:1], (0, ""))
    if n and len(code) <= n:
        example = rf"\{code[0]}{(code[1:] or 'e9').zfill(n)}"
        raise ConfigError(
            rf"{name} has {escape}, and \{code[0]} needs {named} digits from 0 to 9 and a to f, as in {example}; "
            r"write \\ for a backslash"
        )
    points = [int(digits, 16) for digits in re.findall(f"{HEX}{{4,8}}", code)]
    if points and points[0] <= 0x10FFFF:
        return "".join(map(chr, points)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if points:
        raise ConfigError(f"{name} has {escape}, and there is no such character: the last one is \\U0010ffff")
    if not code:
        raise ConfigError(rf"{name} ends with a backslash: write \\ for a backslash")
    raise ConfigError(rf"{name} has the unknown escape {escape}: there are {known}; write \\ for a backslash")
