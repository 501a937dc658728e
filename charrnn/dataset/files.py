"""The files of a corpus: paths, folders and standard input, read as bytes and decoded to text."""

import codecs
import io
import math
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from charrnn.config import one_of
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

STDIN = "-"
"""The path of standard input."""
READ_BLOCK = 1 << 20
"""Bytes to read at once."""
Part = tuple[str, bytes]
"""Some bytes of a file, with the file's path; b"" at the end of the file."""
ERROR_HANDLERS = ("strict", "replace", "ignore", "backslashreplace", "surrogateescape")


@dataclass(frozen=True)
class Source:
    """Where a corpus is read from, and how: enough to read it again."""

    paths: tuple[str, ...]
    as_bytes: bool = False
    encoding: str = "utf-8"
    errors: str = "strict"
    table: str = ""
    """One of `tables.TABLES`, to read two `columns` as the sources and targets of pairs; `conll`, to read sentences of
    words and tags as texts and tags; empty: it is a text."""
    columns: tuple[str, ...] = ()
    skip_bad: bool = False
    """Whether rows without the two columns are bad lines to skip, instead of an error."""
    record_form: RecordForm = LINES
    """What a text of its own is, in the layout `lines`."""

    @property
    def name(self) -> str:
        """The corpus's name: the name of its first file or folder, without the folders above it."""
        first = "stdin" if self.paths[0] == STDIN else os.path.basename(os.path.realpath(self.paths[0]))
        return first + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    def absolute(self) -> "Source":
        """The same source with absolute paths, so that it can be found from any folder."""
        return replace(self, paths=tuple(p if p == STDIN else os.path.abspath(p) for p in self.paths))

    def missing(self) -> list[str]:
        """The paths that are neither stdin nor a file or folder; a pipe counts too, since reading it would wait."""
        return [p for p in self.paths if p != STDIN and not (os.path.isfile(p) or os.path.isdir(p))]


def bundled_corpus() -> str:
    """The path of the corpus that comes with the package: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    folder = next((path for path in (package / "data", package.parent / "data") if path.is_dir()), None)
    if folder is None:
        raise CorpusError("the corpus that comes with charrnn is not installed: give the path of your own")
    return str(folder / "saltmarrow.txt")


def read_prime(path: str, vocabulary: Vocabulary) -> str:
    """The text of a file, or of standard input, read as a corpus of that vocabulary is: see `decoded_texts`."""
    return read_text(read_parts(list_files((path,))), vocabulary)


def read_text(parts: Iterable[Part], vocabulary: Vocabulary) -> str:
    """All parts as one text, read as a corpus of that vocabulary is."""
    if vocabulary.is_bytes:
        return b"".join(part for _, part in parts).decode("utf-8", "surrogateescape")
    return "".join(decode(parts, "utf-8", "surrogateescape"))


def decoded_texts(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[str | bytes]:
    """The text of each part, read as a corpus of that vocabulary is: as bytes for a vocabulary of bytes.

    Bytes that are not UTF-8 become lone surrogates, as with `surrogateescape`.
    """
    if vocabulary.is_bytes:
        return (part for _, part in parts)
    return decode(parts, "utf-8", "surrogateescape")


def read_parts(paths: Iterable[str], arriving: int = 0) -> Iterator[Part]:
    """The bytes of files, in parts of `READ_BLOCK` bytes.

    If `arriving` is given, a part is whatever has arrived, at most that many bytes, so that nothing waits for more
    input. Raises `CorpusError` for a file that can't be found or read.
    """
    for path in paths:
        try:
            with _stdin() if path == STDIN else open(path, "rb") as file:
                while part := file.read1(arriving) if arriving else file.read(READ_BLOCK):
                    yield path, part
        except OSError as error:
            raise _unreadable(path, error) from None
        yield path, b""


def by_file(parts: Iterable[Part]) -> Iterator[tuple[str, Iterator[Part]]]:
    """The path of each file, and its parts up to b"", which ends it; all of them are taken before the next file."""
    rest = iter(parts)

    def file(part: Part) -> Iterator[Part]:
        yield part
        while part[1]:
            part = next(rest)
            yield part

    for first in rest:
        yield first[0], file(first)


def total_size(paths: Iterable[str]) -> float:
    """The bytes of all files together; infinite if one is a pipe or a terminal, whose size is unknown.

    Raises `CorpusError` for a file that can't be found.
    """
    total = 0.0
    for path in paths:
        try:
            found = os.fstat(sys.stdin.fileno()) if path == STDIN else os.stat(path)
        except OSError as error:
            raise _unreadable(path, error) from None
        total += found.st_size if stat.S_ISREG(found.st_mode) else math.inf
    return total


def _unreadable(path: str, error: OSError) -> CorpusError:
    """The error for a file that can't be read."""
    return CorpusError(f"can't read {path or repr(path)}: {error.strerror or error}")


def _stdin() -> AbstractContextManager[io.BufferedReader]:
    """Standard input, which stays open."""
    return nullcontext(cast(io.BufferedReader, sys.stdin.buffer))


def list_files(paths: Iterable[str]) -> list[str]:
    """The paths, with each folder replaced by the files below it, sorted, without hidden files and checkpoints.

    A folder contributes only its regular files: no pipes, for instance. Raises `CorpusError` for a folder without
    files, and if standard input, which can be read only once, occurs twice.
    """
    paths = list(paths)
    if paths.count(STDIN) > 1:
        raise CorpusError("stdin can be read only once: give - once")
    return [file for path in paths for file in (_below(path) if os.path.isdir(path) else [path])]


def _below(path: str) -> list[str]:
    """The files below a folder."""
    found = []

    def fail(error: OSError) -> None:
        raise _unreadable(error.filename, error)

    for folder, below, names in os.walk(path, onerror=fail):
        below[:] = sorted(name for name in below if not name.startswith("."))
        wanted = (name for name in sorted(names) if not name.startswith(".") and not name.endswith(".safetensors"))
        found += [file for name in wanted if os.path.isfile(file := os.path.join(folder, name))]
    if not found:
        raise CorpusError(f"the folder {path} holds no files: give one with text files")
    return found


def decode(parts: Iterable[Part], encoding: str, errors: str) -> Iterator[str]:
    """The text of each part, without byte order marks and with `\\n` for each `\\r\\n` and `\\r`.

    Raises `CorpusError` for an unknown encoding and for bytes that it can't decode, `ConfigError` for an unknown error
    handler.
    """
    one_of("errors", errors, ERROR_HANDLERS)
    try:
        "".encode(encoding)  # raises LookupError for codecs from bytes to bytes, such as zip
        decoder_of = codecs.getincrementaldecoder("utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding)
    except (LookupError, ValueError):
        raise CorpusError(f"there is no text encoding {encoding!r}: try utf-8, latin-1, cp1251, utf-16") from None
    decoder, offset = None, 0
    for path, part in parts:
        if decoder is None:  # each file is decoded on its own: it may have a mark, or end within a character
            decoder, offset = io.IncrementalNewlineDecoder(decoder_of(errors), translate=True), 0
        offset += len(part)
        try:
            yield decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            position = offset - len(error.object) + error.start
            raise CorpusError(
                f"{path} is not {encoding} at byte {position}: give its --encoding, or --errors replace, or --bytes"
            ) from None
        except UnicodeError as error:  # for instance utf-16 without its mark
            raise CorpusError(f"{path} is not {encoding}: {error}; give its --encoding, or --bytes") from None
        if not part:
            decoder = None
