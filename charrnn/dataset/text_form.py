"""The text form: how the bytes of files become the characters that a model reads, in which normal form."""

import codecs
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from charrnn.config import NORMALIZATIONS, one_of
from charrnn.dataset.bad_bytes import BadBytes
from charrnn.dataset.file_decoder import FileDecoder, check_encoding

BORDER = re.compile("[\0-\u02ff\u0370-\u0482\u048a-\u0590\u3000-\u3029\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]")
"""Characters before which a text can be cut: what comes before them has no effect on their normal form, nor they on it.

There are others; but a text without any of these has neither a space nor a newline.
"""


@dataclass(frozen=True)
class TextForm:
    """How a text is read. Raises `CorpusError` for an unknown encoding, `ConfigError` for an unknown normal form.

    For a model of bytes it has no meaning.
    """

    encoding: str = "utf-8"
    """The encoding of files that do not begin with a byte order mark."""
    normalization: str = "none"
    """One of `config.NORMALIZATIONS`."""

    def __post_init__(self) -> None:
        one_of("normalization", self.normalization, NORMALIZATIONS)
        object.__setattr__(self, "encoding", check_encoding(self.encoding))

    @property
    def of_later_texts(self) -> "TextForm":
        """The form of the texts that a model reads after one in this form.

        UTF-16 and UTF-32 without an order are only for files with a mark, which says it anyway: others are in UTF-8.
        """
        needs_mark = codecs.lookup(self.encoding).name in ("utf-16", "utf-32")
        return replace(self, encoding="utf-8") if needs_mark else self

    def decode(
        self, parts: Iterable[tuple[str, bytes]], errors: str = "surrogateescape", bad: BadBytes | None = None
    ) -> Iterator[str]:
        """The text of some parts of files, as `files.read_parts` yields them, with `\\n` for each `\\r\\n` and `\\r`.

        A mark at the start of a file decides how that file is decoded, and is dropped. A text is yielded for each part;
        it lacks what the next part may change, and one more may come at the end. Raises `CorpusError` for bytes that
        can't be decoded, after the text before them, and `ConfigError` for an unknown error handler. Those that it
        leaves out or replaces are counted in `bad`.
        """
        decoder, normalizer = None, Normalizer(self)
        for path, part in parts:
            if decoder is None:  # each file is decoded on its own: it may have a mark, or end within a character
                decoder = FileDecoder(path, self.encoding, errors, bad)
                newlines = io.IncrementalNewlineDecoder(None, translate=True)
            for text in decoder.decode(part):
                yield normalizer.add(newlines.decode(text, final=not part))
            if not part:
                decoder = None
        if rest := normalizer.finish():
            yield rest

    def normalize(self, text: str) -> str:
        """A whole text in the normal form."""
        if self.normalization == "none" or text.isascii():
            return text
        return unicodedata.normalize(self.normalization.upper(), text)  # type: ignore[arg-type]

    def normalize_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces of a text in the normal form; each lacks what the next may change, and one more may come."""
        normalizer = Normalizer(self)
        for piece in pieces:
            yield normalizer.add(piece)
        if rest := normalizer.finish():
            yield rest


DEFAULT_FORM = TextForm()
"""UTF-8, as it is: the form of most texts."""


class Normalizer:
    """Normalises a text that comes in pieces: it keeps back the end of each, which the next one may change."""

    def __init__(self, form: TextForm) -> None:
        self.form = form
        self.kept: list[str] = []

    def add(self, text: str) -> str:
        """The text up to the last place where it can be cut."""
        if self.form.normalization == "none":
            return text
        last = next((n for n in range(len(text) - 1, -1, -1) if BORDER.match(text[n])), None)
        if last is None:
            self.kept.append(text)
            return ""
        cut = last + (text[last] == "\n")  # which combines with nothing, so that no line waits
        whole, self.kept = "".join((*self.kept, text[:cut])), [text[cut:]]
        return self.form.normalize(whole)

    def finish(self) -> str:
        """What is kept back: no more comes."""
        whole, self.kept = "".join(self.kept), []
        return self.form.normalize(whole)


def clusters(text: str) -> list[str]:
    """A text in pieces whose normal forms are independent of each other: about as many as it has characters."""
    starts = [match.start() for match in BORDER.finditer(text)]
    return [text[start:stop] for start, stop in zip([0, *starts], [*starts, len(text)], strict=True) if start < stop]
