"""The line reader: the lines of files and of standard input as they arrive, raw and as a model reads them."""

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import NamedTuple

from charrnn.dataset.file_decoder import FileDecoder
from charrnn.dataset.files import Part
from charrnn.dataset.text_form import TextForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

MAX_LINE = 1 << 26
"""The most bytes of a line: a stream without newlines would fill the memory."""

LINE_END = re.compile("\r\n?")
LINE = re.compile("[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


class Line(NamedTuple):
    """A line with its line end; the last one of a file may have none."""

    raw: str
    """As it was read, neither its line end changed nor normalised; bytes that can't be decoded are lone surrogates."""
    text: str
    """As a corpus is read; without its newline if the vocabulary has none."""
    file: str = ""
    """The path of its file, or `stdin`."""
    number: int = 0
    """Which line of that file it is, from 1."""


def read_lines(
    parts: Iterable[Part], vocabulary: Vocabulary, form: TextForm, whole: bool = False
) -> Iterator[list[Line]]:
    """The lines of files: one list for each part, so that no line waits for later parts.

    A line ends with `\\n`, `\\r\\n` or `\\r`, or with its file; for a model of bytes only with `\\n`. A `\\r` at the
    end of a part may be half of `\\r\\n`: its line does not wait, and its raw form then lacks the `\\n`, unless it has
    to be `whole`. Memory holds at most one list, and the beginning of a line whose end has not arrived yet. Raises
    `CorpusError` for bytes that can't be decoded, and for a line of more than `MAX_LINE` bytes, after the lines before
    these.
    """
    parts = _with_line_ends(parts)
    if vocabulary.is_bytes:
        for raws, path, first in _lines_of_bytes(parts):
            yield [*map(Line, raws, raws, repeat(path), count(first))]
        return
    for raws, mark, path, first in _raw_lines(parts, form, whole):
        lines = [*map(Line, raws, _as_read(raws, vocabulary, form), repeat(path), count(first))]
        lines[0] = lines[0]._replace(raw=mark + lines[0].raw)
        yield lines


def _with_line_ends(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts; raises `CorpusError` if too many bytes come without a line end."""
    length = 0
    for path, part in parts:
        length = 0 if not part or b"\n" in part or b"\r" in part else length + len(part)
        if length > MAX_LINE:
            raise CorpusError(f"{path} has a line of more than {MAX_LINE:,} bytes: break it into shorter lines")
        yield path, part


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, each with its newline; the last one may have none."""
    unfinished: list[str] = []
    for piece in pieces:
        *lines, rest = piece.split("\n")
        for line in lines:
            yield "".join((*unfinished, line, "\n"))
            unfinished.clear()
        unfinished.append(rest)
    if last := "".join(unfinished):
        yield last


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


def _lines_of_bytes(parts: Iterable[Part]) -> Iterator[tuple[list[str], str, int]]:
    """The lines that each part ends, their file, and the number of the first; bytes that are not UTF-8 are lone
    surrogates.
    """
    unfinished: list[bytes] = []
    number = 1
    for path, part in parts:
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
            yield raws, path, number
            number += len(raws)
        if not part:
            number = 1


def _raw_lines(parts: Iterable[Part], form: TextForm, whole: bool) -> Iterator[tuple[list[str], str, str, int]]:
    """The lines that each part ends, with the line ends of the file, but without its mark; that mark, if it is to be
    written before them: a text that is written in UTF-8 keeps it, if it has that of UTF-8; their file; and the number
    of the first.
    """
    decoder = None
    for path, part in parts:
        if decoder is None:
            decoder, unfinished = FileDecoder(path, form.encoding, "surrogateescape"), list[str]()
            is_first, is_half, number = True, False, 1
        for text in decoder.decode(part):
            if is_half and text:  # the line of the \r is out already
                text, is_half = text.removeprefix("\n"), False
            is_open = not unfinished or unfinished[-1][-1:] != "\r"
            if part and is_open and "\n" not in text and "\r" not in text:
                unfinished.append(text)
                continue
            lines, unfinished = _split("".join((*unfinished, text))), []
            if part and lines and (last := lines[-1][-1]) != "\n" and (whole or last != "\r"):
                unfinished = [lines.pop()]
            if lines:
                is_half = text[-1:] == "\r" and not unfinished
                yield lines, "\ufeff" if is_first and decoder.mark == codecs.BOM_UTF8 else "", path, number
                is_first, number = False, number + len(lines)
        if not part:
            decoder = None


def _split(text: str) -> list[str]:
    """The lines of a text, each with its line end."""
    if "\r" in text:
        return LINE.findall(text)
    *ended, last = text.split("\n")
    return [line + "\n" for line in ended] + ([last] if last else [])


def _as_read(raws: list[str], vocabulary: Vocabulary, form: TextForm) -> list[str]:
    """The lines as in a corpus of characters: in the normal form, each line end a newline if the vocabulary has one."""
    texts, whole = raws, "".join(raws)
    if "\r" in whole:
        texts = [LINE_END.sub("\n", raw) for raw in raws]
    if form.normalization != "none" and not whole.isascii():
        texts = _split(form.normalize("".join(texts)))  # a newline combines with nothing
    return texts if "\n" in vocabulary.characters else [text.removesuffix("\n") for text in texts]
