"""The file decoder: the characters of a file whose bytes come in parts; a byte order mark decides how they are read."""

import codecs
from collections.abc import Iterator
from typing import Any

from charrnn.config import one_of
from charrnn.dataset.bad_bytes import BadBytes, counting, counting_handler
from charrnn.dataset.encoding_detection import FEW_UTF8, GUESS_SIZE, MIN_UTF8, encoding_advice, wide_encoding
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


class Utf8Check:
    """Counts the characters beyond ASCII of bytes, as long as they are UTF-8."""

    def __init__(self) -> None:
        self.n = 0
        """The characters so far; -1 if the bytes are not UTF-8."""
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, part: bytes, final: bool) -> int:
        """Counts the next part; returns `n`."""
        if self.n >= 0 and (final or not part.isascii() or self.decoder.getstate()[0]):
            try:
                self.n += sum(not c.isascii() for c in self.decoder.decode(part, final))
            except UnicodeDecodeError:
                self.n = -1
        return self.n


def is_single_byte(encoding: str) -> bool:
    """Whether each byte is a character in an encoding, so that UTF-8 is no text in it but hardly by intent."""
    try:
        return len(bytes(range(256)).decode(encoding, "replace")) == 256
    except UnicodeError:
        return False


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
        self.utf8 = Utf8Check()
        self.has_begun = False
        """Whether the first character is known."""

    def decode(self, part: bytes) -> Iterator[str]:
        """The text of the next part in one piece, up to a character that is not complete; b"" ends the file.

        Raises `CorpusError` for bytes that can't be decoded, after the text before them; and for a file that is in
        another encoding although they can: UTF-16 without a mark would be a text with a NUL after every letter. UTF-8
        is told as soon as it is certain; if few characters are beyond ASCII, only after the text.
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
            self._refuse_wide()
        is_expected = bool(self.mark) or self.encoding == "utf-8"
        if not is_expected and self.utf8.add(part, final) >= MIN_UTF8:
            raise self._other("utf-8", "utf-8")
        for text in self._decode(part, final):
            if text and not self.has_begun:
                self.has_begun = True
                if not self.mark:  # encodings of their own, such as gb18030, have a mark too
                    text = text.removeprefix("\ufeff")
            yield text
        if final and not is_expected and self.utf8.n >= (FEW_UTF8 if is_single_byte(self.encoding) else MIN_UTF8):
            raise self._other("utf-8", "utf-8")

    def _refuse_wide(self) -> None:
        """Raises `CorpusError` if the start of the file is in another encoding with NULs, which would be no error."""
        if 0 not in self.head or (found := wide_encoding(self.head)) is None:
            return
        name = codecs.lookup(self.encoding).name
        is_wide = 0 in "a".encode(self.encoding)  # short texts in one look like others, except for their order
        if name not in (found, found[:6]) and (not is_wide or name[:6] == found[:6]):
            raise self._other(found, f"{found} without a byte order mark")

    def _other(self, found: str, looks: str) -> CorpusError:
        """The error for a file in another encoding."""
        others = ", or `as_bytes=True`" * (self.errors == "strict")
        return CorpusError(f'{self.path} looks like {looks}, not {self.encoding}: give `encoding="{found}"`{others}')

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
        others = ', or `errors="replace"`, or `as_bytes=True`' if self.errors == "strict" else ""
        return CorpusError(f"{self.path} {what}: {advice}{others}")


def find_mark(head: bytes, final: bool) -> bytes | None:
    """The byte order mark at the start of a file; b"" if there is none, None if more bytes could make it one.

    `final` says that no more will come.
    """
    if not final and any(len(head) < len(mark) and mark.startswith(head) for mark in MARKS):
        return None
    return next((mark for mark in MARKS if head.startswith(mark)), b"")
