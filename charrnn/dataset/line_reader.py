"""The line reader: the lines of files and of standard input as they arrive, raw and as a model reads them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from charrnn.dataset.files import Part
from charrnn.dataset.vocabulary import Vocabulary


class Line(NamedTuple):
    """A line with its newline; the last one of a file may have none."""

    raw: str
    """As it was read; bytes that are not UTF-8 are lone surrogates, as with `surrogateescape`."""
    text: str
    """Decoded as a corpus is; without its newline if the vocabulary has none."""


def read_lines(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[list[Line]]:
    """The lines of files: one list for each part, so that no line waits for later parts.

    A line ends with `\\n`, or with its file. Memory holds at most one list, and the beginning of a line whose end has
    not arrived yet.
    """
    unfinished: list[bytes] = []
    first = True
    for _, part in parts:
        lines, end, rest = part.rpartition(b"\n")
        if part and not end:
            unfinished.append(part)
            continue
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


def texts_between(pieces: Iterable[str], border: str) -> Iterator[list[str]]:
    """The texts between borders, for each piece of a text those that it completes; at the end the rest."""
    before: list[str] = []
    rest = ""
    for piece in pieces:
        *ended, rest = (rest + piece).split(border)
        if ended:
            ended[0] = "".join((*before, ended[0]))
            before.clear()
        cut = max(0, len(rest) + 1 - len(border))  # what follows may be the beginning of a border
        before.append(rest[:cut])
        rest = rest[cut:]
        yield ended
    yield ["".join((*before, rest))]


def _as_read(raws: list[str], vocabulary: Vocabulary, first: bool) -> list[str]:
    """The lines as in a corpus of characters: no byte order mark, and `\\n` for `\\r\\n` and `\\r`."""
    texts = [raw.replace("\r\n", "\n").replace("\r", "\n") for raw in raws]
    if first:
        texts[0] = texts[0].removeprefix("\ufeff")
    return texts if "\n" in vocabulary.characters else [text.replace("\n", "") for text in texts]
