"""The bad bytes: those that can't be decoded, counted where they are left out or replaced."""

import codecs
from threading import local

from charrnn.dataset.encoding_detection import GUESS_SIZE, encoding_advice

DONE = {
    "ignore": "left out",
    "replace": "replaced by U+FFFD",
    "backslashreplace": "replaced by escapes",
}
"""What the error handlers do with them whose bytes are counted."""


class BadBytes:
    """The bytes of texts that could not be decoded, as they are found by the handlers that `counting` names."""

    def __init__(self) -> None:
        self.n = 0
        self.size = 0
        """All bytes that were read."""
        self.encoding = ""
        """The encoding that the first of them is not in."""
        self.sample = b""
        """The bytes around it."""

    def add(self, error: UnicodeDecodeError) -> None:
        """Adds some of them."""
        if not self.n:
            start = max(0, error.start - GUESS_SIZE) // 4 * 4
            self.sample = error.object[start : error.start + GUESS_SIZE]
        self.n += error.end - error.start

    def told(self, errors: str) -> str:
        """What a handler did with them, how many they are, and what to do instead; empty if there were none."""
        if not self.n:
            return ""
        share = f"{self.n:,}, {100 * self.n / self.size:.2g}% of the text"
        return f"bytes that are not {self.encoding} were {DONE[errors]}: {share}; {encoding_advice(self.sample)}"


class Counting(local):
    """Where the handlers of a thread count what they find."""

    found: BadBytes | None = None


counting = Counting()
"""The place for the text that is being decoded."""


def counting_handler(errors: str) -> str:
    """The name of an error handler that does the same, and counts; one that counts nothing is itself."""
    if errors not in DONE:
        return errors
    name, handle = f"charrnn-{errors}", codecs.lookup_error(errors)

    def count(error: UnicodeError) -> tuple[str | bytes, int]:
        if counting.found is not None and isinstance(error, UnicodeDecodeError):
            counting.found.add(error)
        return handle(error)

    codecs.register_error(name, count)
    return name
