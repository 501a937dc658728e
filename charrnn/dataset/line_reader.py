"""The line reader: the lines of files and of standard input as they arrive, raw and as a model reads them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from charrnn.dataset.files import Part
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

MAX_LINE = 1 << 26
"""The most bytes of a line: a stream without newlines would fill the memory."""


class Line(NamedTuple):
    """A line with its newline; the last one of a file may have none."""

    raw: str
    """As it was read; bytes that are not UTF-8 are lone surrogates, as with `surrogateescape`."""
    text: str
    """Decoded as a corpus is; without its newline if the vocabulary has none."""


def read_lines(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[list[Line]]:
    """The lines of files: one list for each part, so that no line waits for later parts.

    A line ends with `\\n`, or with its file. Memory holds at most one list, and the beginning of a line whose end has
    not arrived yet. Raises `CorpusError` for a line of more than `MAX_LINE` bytes.
    """
    length = 0
    unfinished: list[bytes] = []
    first = True
    for path, part in parts:
        lines, end, rest = part.rpartition(b"\n")
        if part and not end:
            unfinished.append(part)
            if (length := length + len(part)) > MAX_LINE:
                raise CorpusError(f"{path} has a line of more than {MAX_LINE:,} bytes: break it into shorter lines")
            continue
        length = len(rest)
        # b"" ends the file, and with it the unfinished line
        whole = b"".join((*unfinished, lines, end)).decode("utf-8", "surrogateescape")
        unfinished = [rest]
        if whole:
            *ended, last = whole.split("\n")
            raws = [line + "\n" for line in ended] + ([last] if last else [])
            texts = raws if vocabulary.is_bytes else _as_read(raws, vocabulary, first)
            yield [*map(Line, raws, texts)]
        first = not part


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, each with its newline; the last one may have none."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            yield line + "\n"
    if rest:
        yield rest


def _as_read(raws: list[str], vocabulary: Vocabulary, first: bool) -> list[str]:
    """The lines as in a corpus of characters: no byte order mark, and `\\n` for `\\r\\n` and `\\r`."""
    texts = [raw.replace("\r\n", "\n").replace("\r", "\n") for raw in raws]
    if first:
        texts[0] = texts[0].removeprefix("\ufeff")
    return texts if "\n" in vocabulary.characters else [text.replace("\n", "") for text in texts]
