"""The lines of files and of standard input, as they arrive: each as it came, and as a model reads it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from charrnn.dataset.files import Part
from charrnn.dataset.vocabulary import Vocabulary


class Line(NamedTuple):
    """A line, with its end; the last one of a file may have none."""

    raw: str
    """As it came; bytes that are no UTF-8 are lone surrogates, as `surrogateescape` has them."""
    text: str
    """As a corpus is read; without its end where the vocabulary has no newline."""


def read_lines(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[list[Line]]:
    """The lines of a text: a batch for each of its parts, so that none waits for a later one.

    A line ends with `\\n`, or with its file. In memory is one batch, and what there is of a line that has no end yet.
    """
    begun: list[bytes] = []
    first = True
    for _, chunk in parts:
        lines, end, rest = chunk.rpartition(b"\n")
        if chunk and not end:
            begun.append(chunk)
            continue
        # b"" ends the file, and with it the line that has been begun
        whole = b"".join((*begun, lines, end)).decode("utf-8", "surrogateescape")
        begun = [rest]
        if whole:
            *ended, last = whole.split("\n")
            raws = [line + "\n" for line in ended] + ([last] if last else [])
            texts = raws if vocabulary.is_bytes else _as_read(raws, vocabulary, first)
            yield [*map(Line, raws, texts)]
        first = not chunk


def _as_read(raws: list[str], vocabulary: Vocabulary, first: bool) -> list[str]:
    """The lines as a corpus of characters is read: no byte order mark, and `\\n` for `\\r\\n` and `\\r`."""
    texts = [raw.replace("\r\n", "\n").replace("\r", "\n") for raw in raws]
    if first:
        texts[0] = texts[0].removeprefix("\ufeff")
    return texts if "\n" in vocabulary.characters else [text.replace("\n", "") for text in texts]
