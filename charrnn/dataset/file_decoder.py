"""The file decoder: the characters of a file whose bytes come in parts; a byte order mark decides how they are read."""

import codecs
from collections.abc import Iterator
from typing import Any

from charrnn.config import one_of
from charrnn.dataset.bad_bytes import BadBytes, counting, counting_handler
from charrnn.dataset.encoding_detection import GUESS_SIZE, encoding_advice, is_utf8, wide_encoding
from charrnn.errors import CorpusError

ERROR_HANDLERS = ("strict", "replace", "ignore", "backslashreplace", "surrogateescape")
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, with whose mark it begins
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""The encodings by their byte order marks."""
SAMPLE_SIZE = 1 << 12
"""The bytes at the start of a file in which NULs are looked for."""


def check_encoding(encoding: str) -> str:
    """The name of an encoding, which is `utf-8` for all names of that. Raises `CorpusError` if it is no text encoding.

    Marks are dropped in any case, so `utf-8-sig` is the same.
    """
    try:
        "".encode(encoding)  # raises LookupError for codecs from bytes to bytes, such as zip
        codecs.getincrementaldecoder(encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError, TypeError):
        raise CorpusError(f"there is no text encoding {encoding!r}: try utf-8, latin-1, cp1251, utf-16") from None
    return "utf-8" if name in ("utf-8", "utf-8-sig") else encoding


class FileDecoder:
    """Decodes a file part by part, without its byte order mark."""

    def __init__(self, path: str, encoding: str, errors: str, bad: BadBytes | None = None) -> None:
        """`encoding` is that of a file without a mark. Raises `ConfigError` for an unknown error handler.

        Bytes that a handler leaves out or replaces are counted in `bad`.
        """
        one_of("errors", errors, ERROR_HANDLERS)
        self.path, self.encoding, self.errors, self.bad = path, encoding, errors, bad
        self.mark: bytes | None = None
        """The mark, which may be empty; None as long as more bytes could make it one."""
        self.size = 0
        self.undecoded = b""
        self.head = b""
        """The start of a file without a mark, up to `SAMPLE_SIZE`."""
        self.has_begun = False
        """Whether the first character is known."""

    def decode(self, part: bytes) -> Iterator[str]:
        """The text of the next part in one piece, up to a character that is not complete; b"" ends the file.

        Raises `CorpusError` for bytes that can't be decoded, after the text before them; and for a file that is in
        another encoding although they can: UTF-16 without a mark would be a text with a NUL after every letter.
        """
        final = not part
        self.size += len(part)
        if self.bad is not None:
            self.bad.size += len(part)
        if self.mark is None:
            self.undecoded += part
            self.mark = find_mark(self.undecoded[:4], final)
            if self.mark is None:
                yield ""
                return
            self.encoding = MARKS.get(self.mark, self.encoding)
            handler = self.errors if self.bad is None else counting_handler(self.errors)
            self.decoder: Any = codecs.getincrementaldecoder(self.encoding)(handler)
            part, self.undecoded = self.undecoded[len(self.mark) :], b""
        if not self.mark and len(self.head) < SAMPLE_SIZE:
            self.head += part[: SAMPLE_SIZE - len(self.head)]
            self._refuse_other()
        for text in self._decode(part, final):
            if text and not self.has_begun:
                self.has_begun = True
                if not self.mark:  # encodings of their own, such as gb18030, have a mark too
                    text = text.removeprefix("\ufeff")
            yield text

    def _refuse_other(self) -> None:
        """Raises `CorpusError` if the start of the file is in another encoding, in which it would be no error."""
        found = None
        if 0 in self.head and 0 not in "a".encode(self.encoding):
            found = wide_encoding(self.head)
        if self.encoding != "utf-8" and not self.head.isascii() and is_utf8(self.head):
            found = "utf-8"
        if found is not None:
            looks = "utf-8" if found == "utf-8" else f"{found} without a byte order mark"
            others = ", or --bytes" * (self.errors == "strict")
            raise CorpusError(f"{self.path} looks like {looks}, not {self.encoding}: give --encoding {found}{others}")

    def _decode(self, part: bytes, final: bool) -> Iterator[str]:
        state, counting.found = self.decoder.getstate(), self.bad
        if self.bad is not None and not self.bad.n:
            self.bad.encoding = self.encoding
        try:
            yield self.decoder.decode(part, final)
        except UnicodeDecodeError as error:
            at = self.size - len(error.object) + error.start
            good = len(part) - len(error.object) + error.start  # the bytes of the part that come before it
            if good > 0 and not final:
                self.decoder.setstate(state)
                yield self.decoder.decode(part[:good])
            start = max(0, error.start - GUESS_SIZE) // 4 * 4  # a character of UTF-16 or UTF-32 is not cut
            what = f"is not {self.encoding} at byte {at}"
            raise self._error(what, error.object[start : error.start + GUESS_SIZE]) from None
        except UnicodeError as error:  # for instance utf-16 without its mark
            raise self._error(f"is not {self.encoding}: {error}", self.head) from None

    def _error(self, what: str, sample: bytes) -> CorpusError:
        """The error for a file that is not what it should be; a sample of it says what it may be."""
        advice = "its byte order mark says that it is, so mend it" if self.mark else encoding_advice(sample)
        others = ", or --errors replace, or --bytes" if self.errors == "strict" else ""
        return CorpusError(f"{self.path} {what}: {advice}{others}")


def find_mark(head: bytes, final: bool) -> bytes | None:
    """The byte order mark at the start of a file; b"" if there is none, None if more bytes could make it one.

    `final` says that no more will come.
    """
    if not final and any(len(head) < len(mark) and mark.startswith(head) for mark in MARKS):
        return None
    return next((mark for mark in MARKS if head.startswith(mark)), b"")
