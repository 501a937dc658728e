"""The files of a corpus: paths, folders and standard input, read as bytes."""

import io
import math
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

from charrnn.dataset.bundled import bundled_file
from charrnn.dataset.compression import COMPRESSED_SUFFIXES, HEAD, decompressed_name, is_compressed, text_blocks
from charrnn.dataset.file_decoder import MARKS
from charrnn.dataset.folders import ALL_TEXTS, FileFilter, FileList, newline, unreadable
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.text_form import DEFAULT_FORM, TextForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

STDIN = "-"
"""The path of standard input."""
STDIN_FILE = "/dev/stdin"
READ_BLOCK = 1 << 20
"""Bytes to read at once."""
Part = tuple[str, bytes]
"""Some bytes of a file, with the file's path, or `stdin`; b"" at the end of the file."""


def as_stdin(paths: Iterable[str]) -> list[str]:
    """The paths, with `-` for the file in which systems show standard input."""
    return [STDIN if path == STDIN_FILE else path for path in paths]


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
    val_paths: tuple[str, ...] = ()
    """The text to validate on, if it is one of its own, read in the same way; it can't be stdin."""
    include: tuple[str, ...] = ()
    """Patterns of the files to read below folders: see `FileFilter`."""
    exclude: tuple[str, ...] = ()
    """Patterns of the files to leave out there."""
    separate_files: bool = True
    """Whether a file without a final newline is separate from the next; it was not in runs of earlier versions."""
    normalization: str = "none"
    """The normal form of Unicode in which the text is read: one of `config.NORMALIZATIONS`."""
    record_form: RecordForm = LINES
    """What a text of its own is, in the layout `lines`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", (*as_stdin(self.paths),))
        object.__setattr__(self, "val_paths", (*as_stdin(self.val_paths),))

    @property
    def text_form(self) -> TextForm:
        """How its bytes become text. Raises `CorpusError` for an unknown encoding."""
        return DEFAULT_FORM if self.as_bytes else TextForm(self.encoding, self.normalization)

    @property
    def file_filter(self) -> FileFilter:
        """Which files below folders are read."""
        return FileFilter(self.include, self.exclude, self.encoding, self.as_bytes, self.separate_files)

    def is_one_file(self) -> bool:
        """Whether it can be neither several files nor a folder, so that none of the rules for these matter.

        What is gone may have been a folder.
        """
        return all(len(paths) < 2 and all(map(_is_no_folder, paths)) for paths in (self.paths, self.val_paths))

    @property
    def name(self) -> str:
        """The corpus's name: the name of its first file or folder, without the folders above it."""
        return _name(self.paths)

    @property
    def val_name(self) -> str:
        """The name of the text to validate on."""
        return _name(self.val_paths)

    def absolute(self) -> "Source":
        """The same source with absolute paths, so that it can be found from any folder."""
        return replace(self, paths=_absolute(self.paths), val_paths=_absolute(self.val_paths))

    def with_compressed(self) -> "Source":
        """The same source, with the paths of the files that were compressed in the meantime, to `corpus.txt.gz`, or
        decompressed.
        """

        def find(path: str) -> str:
            plain = decompressed_name(path)
            others = (plain + suffix for suffix in ("", *COMPRESSED_SUFFIXES))
            return path if path == STDIN or os.path.exists(path) else next(filter(os.path.isfile, others), path)

        if self.as_bytes:
            return self
        return replace(self, paths=tuple(map(find, self.paths)), val_paths=tuple(map(find, self.val_paths)))

    def missing(self) -> list[str]:
        """The paths that are neither stdin nor a file or folder; a pipe counts too, since reading it would wait."""
        paths = (*self.paths, *self.val_paths)
        return [p for p in paths if p != STDIN and not (os.path.isfile(p) or os.path.isdir(p))]

    def to_json(self) -> dict[str, Any]:
        """The source as JSON data; as older versions wrote it, where what they lack has no meaning."""
        data = {name: v for name, v in asdict(self).items() if v or name not in ("val_paths", "include", "exclude")}
        if self.normalization == "none":
            del data["normalization"]
        if self.record_form.is_lines:
            del data["record_form"]
        if self.is_one_file() or not self.separate_files:
            del data["separate_files"]
        return data


def _name(paths: tuple[str, ...]) -> str:
    """The name of the first path, without the folders above it, and the number of the others."""
    first = "stdin" if paths[0] == STDIN else os.path.basename(os.path.realpath(paths[0]))
    return first + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _is_no_folder(path: str) -> bool:
    return path == STDIN or (os.path.exists(path) and not os.path.isdir(path))


def _absolute(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths from the root; stdin has none."""
    return tuple(path if path == STDIN else os.path.abspath(path) for path in paths)


def bundled_corpus() -> str:
    """The path of the corpus that comes with the package. Raises `CorpusError` if it is not installed."""
    path = bundled_file("saltmarrow.txt")
    if path is None:
        raise CorpusError("the corpus that comes with charrnn is not installed: give the path of your own")
    return str(path)


def read_prime(path: str, vocabulary: Vocabulary, form: TextForm) -> str:
    """The text of a file, or of standard input, read as a corpus of that vocabulary is: see `decoded_texts`."""
    return read_text(
        read_parts(list_files((path,)), as_is=vocabulary.is_bytes, encoding=form.encoding), vocabulary, form
    )


def read_text(parts: Iterable[Part], vocabulary: Vocabulary, form: TextForm) -> str:
    """All parts as one text, read as a corpus of that vocabulary is."""
    if vocabulary.is_bytes:
        return b"".join(part for _, part in parts).decode("utf-8", "surrogateescape")
    return "".join(form.decode(parts))


def decoded_texts(parts: Iterable[Part], vocabulary: Vocabulary, form: TextForm) -> Iterator[str | bytes]:
    """The text of each part, read as a corpus of that vocabulary is: as bytes for a vocabulary of bytes.

    Bytes that can't be decoded become lone surrogates, as with `surrogateescape`.
    """
    if vocabulary.is_bytes:
        return (part for _, part in parts)
    return form.decode(parts)


def read_parts(
    paths: Iterable[str], arriving: int = 0, *, as_is: bool = False, encoding: str = "utf-8", separate: bool = True
) -> Iterator[Part]:
    """The bytes of files, in parts of `READ_BLOCK` bytes.

    Compressed files are decompressed, unless they are read `as_is`, for a model of bytes. A file without a final
    newline gets one in its `encoding`, unless it is the last or empty, so that its last line is separate from the next
    file; without `separate` none do. If `arriving` is given, a part is whatever has arrived, at most that many bytes,
    so that nothing waits for more input. Raises `CorpusError` for a file that can't be found, read or decompressed,
    and for one whose type is known not to be text.
    """
    paths = list(paths)
    for number, path in enumerate(paths, 1):
        head = tail = b""
        name = "stdin" if path == STDIN else path
        try:
            with _stdin() if path == STDIN else open(path, "rb") as file:
                for part in _blocks(file, path, arriving, as_is):
                    yield name, part
                    # not `part` itself, whose memory the next one takes; a mark has at most four bytes
                    head = head if len(head) > 4 else head + part[:5]
                    tail = part[-4:] if len(part) >= 4 else (tail + part)[-4:]
        except OSError as error:
            raise unreadable(path, error) from None
        if separate and number < len(paths) and (end := _missing_newline(head, tail, as_is, encoding)):
            yield name, end
        yield name, b""


def _blocks(file: io.BufferedReader, path: str, arriving: int, as_is: bool) -> Iterator[bytes]:
    """The blocks of a file as they are, or of its text."""
    blocks = iter(partial(file.read1, arriving) if arriving else partial(file.read, READ_BLOCK), b"")
    return blocks if as_is else text_blocks(path, blocks, arriving or READ_BLOCK)


def _missing_newline(head: bytes, tail: bytes, as_is: bool, encoding: str) -> bytes:
    """The newline that a file with these first and last bytes lacks, if any."""
    if as_is:
        return b"\n" if tail and not tail.endswith(b"\n") else b""
    mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
    name = MARKS.get(mark, encoding)
    ends = newline(name), newline(name, "\r")
    return b"" if head == mark or tail.endswith(ends) else ends[0]  # an empty text has no line


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


def total_size(paths: Iterable[str], *, decompressed: bool = False) -> float:
    """The bytes of all files together or, `decompressed`, of their texts.

    Infinite if that is not known before they are read: for a pipe or a terminal, and for the text of a compressed file.
    Raises `CorpusError` for a file that can't be found.
    """
    total = 0.0
    for path in paths:
        try:
            found = os.fstat(sys.stdin.fileno()) if path == STDIN else os.stat(path)
            is_known = stat.S_ISREG(found.st_mode) and not (decompressed and is_compressed(_head(path)))
        except OSError as error:
            raise unreadable(path, error) from None
        total += found.st_size if is_known else math.inf
    return total


def _head(path: str) -> bytes:
    """The first bytes of a file, which is read from its beginning afterwards."""
    with _stdin() if path == STDIN else open(path, "rb") as file:
        return file.peek(HEAD)[:HEAD]


def _stdin() -> AbstractContextManager[io.BufferedReader]:
    """Standard input, which stays open."""
    return nullcontext(cast(io.BufferedReader, sys.stdin.buffer))


def list_files(
    paths: Iterable[str], chosen: FileFilter = ALL_TEXTS, notice: Callable[[str], None] = lambda text: None
) -> list[str]:
    """The paths, with each folder replaced by the files below it, sorted, that the filter chooses; each file once.

    A folder contributes only its regular files: no pipes, for instance. What is skipped is told to `notice`. Raises
    `CorpusError` for a folder without files, if no files match the patterns, and if standard input, which can be read
    only once, occurs twice.
    """
    paths = as_stdin(paths)
    if paths.count(STDIN) > 1:
        raise CorpusError("stdin can be read only once: give - once")
    found = FileList(chosen, notice)
    for path in paths:
        if path == STDIN:
            found.files.append(path)
        elif os.path.isdir(path):
            found.add_folder(path)
        else:
            found.add(path)
    if paths and not found.files:
        raise CorpusError(f"no text files in {' and '.join(paths)} match {chosen.described()}: change the patterns")
    return found.files
