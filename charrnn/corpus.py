"""The corpus: files, folders or standard input, read in chunks, become ids in a vocabulary."""

import codecs
import hashlib
import io
import math
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from charrnn.config import one_of
from charrnn.errors import CorpusError, VocabularyError
from charrnn.notation import Ids
from charrnn.records import Records
from charrnn.vocabulary import Vocabulary, code_points, smallest_type

STDIN = "-"
CHUNK = 1 << 20
MIN_VALIDATION = 100
"""A held-out text shorter than this many characters says nothing, so none is held out."""

Part = tuple[str, bytes]
"""A chunk of a file, with the file's path; b"" where the file ends."""

ERROR_HANDLERS = ("strict", "replace", "ignore", "backslashreplace", "surrogateescape")


@dataclass(frozen=True)
class Source:
    """Where a corpus is read from, and how: enough to read it again."""

    paths: tuple[str, ...]
    as_bytes: bool = False
    encoding: str = "utf-8"
    errors: str = "strict"

    @property
    def name(self) -> str:
        """The corpus's name: that of its first file or folder, without where it lies."""
        first = "stdin" if self.paths[0] == STDIN else os.path.basename(os.path.realpath(self.paths[0]))
        return first + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    def absolute(self) -> "Source":
        """The same source, named so that it can be found from any folder."""
        return replace(self, paths=tuple(p if p == STDIN else os.path.abspath(p) for p in self.paths))


@dataclass(frozen=True)
class Corpus:
    """A text as ids [N], with the vocabulary it is written in, and what tells it from others: its bytes and SHA-256."""

    ids: Ids
    vocabulary: Vocabulary
    name: str
    size: int
    digest: str

    def __post_init__(self) -> None:
        if len(self.ids) < 2:
            held = "has one character only" if len(self.ids) else "is empty"
            raise CorpusError(f"{self.name} {held}: a corpus needs two characters, and wants a hundred thousand")

    def written_in(self, vocabulary: Vocabulary) -> "Corpus":
        """The same text as ids of another vocabulary; raises `VocabularyError` where that lacks a character."""
        if vocabulary == self.vocabulary:
            return self
        if vocabulary.is_bytes != self.vocabulary.is_bytes:
            kind = "bytes" if vocabulary.is_bytes else "characters"
            raise VocabularyError(f"the model is one of {kind}, but the corpus is not read as {kind}: see --bytes")
        numbers = vocabulary.encode("".join(self.vocabulary.characters))
        return replace(self, ids=_renumbered(self.ids, numbers), vocabulary=vocabulary)

    def split(self, val_fraction: float) -> tuple[Ids, Ids]:
        """The ids to learn from and the held-out tail, which is empty where it would be under `MIN_VALIDATION`."""
        held_out = int(len(self.ids) * val_fraction)
        border = len(self.ids) - (held_out if held_out >= MIN_VALIDATION else 0)
        return self.ids[:border], self.ids[border:]

    @cached_property
    def records(self) -> Records:
        """Its lines; raises `CorpusError` where there are less than two that are not empty."""
        found = Records.of(self.ids, self.vocabulary)
        if not len(found):
            raise CorpusError(f"{self.name} has no characters beside its line ends: --lines reads lines")
        if len(found) == 1:
            raise CorpusError(f"{self.name} has one line only: --lines needs two, and wants a thousand")
        return found


def bundled() -> str:
    """The path of the corpus that comes with the package: in the wheel inside it, in a checkout beside it."""
    package = Path(__file__).parent
    folder = next((path for path in (package / "data", package.parent / "data") if path.is_dir()), None)
    if folder is None:
        raise CorpusError("the corpus that comes with charrnn is not installed: name one of your own")
    return str(folder / "saltmarrow.txt")


def from_text(text: str | bytes, name: str = "text") -> Corpus:
    """A corpus from a string, or from bytes for a model of bytes. Raises `CorpusError` where it is too short."""
    if isinstance(text, bytes):
        vocabulary, raw = Vocabulary(None), text
    else:
        vocabulary, raw = Vocabulary.of(text or " "), text.encode("utf-8", "surrogatepass")
    return Corpus(vocabulary.encode(text), vocabulary, name, len(raw), hashlib.sha256(raw).hexdigest())


def changed(name: str) -> CorpusError:
    """The error for a text that is not the one that a training began with."""
    return CorpusError(
        f"the corpus {name} is not the one that this training began with: restore that, or start a new run on this one "
        "with --init-from"
    )


def read(source: Source, size: int | None = None) -> Corpus:
    """Reads a corpus: the texts of all its files one behind the other, as `cat` would join them.

    A byte order mark is dropped and `\\r\\n` and `\\r` become `\\n`; for a model of bytes all stays as it is, and
    lies on disk rather than in memory: see `_bytes`.
    Raises `CorpusError` where something can't be found, read or decoded, or is too short to learn from; and, where it
    is to be a corpus of a `size` in bytes that is known, as soon as there are more.
    """
    raw = _Raw(source, size)
    if source.as_bytes:
        ids, vocabulary = _bytes(raw), Vocabulary(None)
    else:
        numbering = _Numbering()
        for text in _decoded(raw, source.encoding, source.errors):
            numbering.add(text)
        ids, vocabulary = numbering.finish()
    return Corpus(ids, vocabulary, source.name, raw.size, raw.sha256.hexdigest())


def read_prime(path: str, vocabulary: Vocabulary) -> str:
    """The text of one file, or of standard input, read as a corpus of that vocabulary is: see `texts`."""
    return joined(chunks(files((path,))), vocabulary)


def joined(parts: Iterable[Part], vocabulary: Vocabulary) -> str:
    """All parts as one text, read as a corpus of that vocabulary is."""
    if vocabulary.is_bytes:
        return b"".join(chunk for _, chunk in parts).decode("utf-8", "surrogateescape")
    return "".join(_decoded(parts, "utf-8", "surrogateescape"))


def texts(parts: Iterable[Part], vocabulary: Vocabulary) -> Iterator[str | bytes]:
    """The text of all parts, piece by piece, read as a corpus of that vocabulary is: as bytes for one of bytes.

    What is no UTF-8 becomes lone surrogates, as `surrogateescape` does.
    """
    if vocabulary.is_bytes:
        return (chunk for _, chunk in parts)
    return _decoded(parts, "utf-8", "surrogateescape")


def chunks(paths: Iterable[str], arriving: int = 0) -> Iterator[Part]:
    """The bytes of files, in parts of `CHUNK` bytes; or of what has arrived, but at most `arriving` bytes if given.

    Raises `CorpusError` where a file can't be found or read.
    """
    for path in paths:
        try:
            with _stdin() if path == STDIN else open(path, "rb") as file:
                while chunk := file.read1(arriving) if arriving else file.read(CHUNK):
                    yield path, chunk
        except OSError as error:
            raise _unreadable(path, error) from None
        yield path, b""


def size(paths: Iterable[str]) -> float:
    """How many bytes files hold: infinitely many where one is a pipe or a terminal, and so can't be told.

    Raises `CorpusError` where a file can't be found.
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
    return CorpusError(f"can't read {path or repr(path)}: {error.strerror or error}")


def _stdin() -> AbstractContextManager[io.BufferedReader]:
    """Standard input, which stays open."""
    return nullcontext(cast(io.BufferedReader, sys.stdin.buffer))


class _Raw:
    """The bytes of all the files of a source, in chunks, counted and digested as they pass; b"" ends each file."""

    def __init__(self, source: Source, most: int | None):
        self.name, self.paths, self.most = source.name, files(source.paths), most
        self.sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[Part]:
        for path, chunk in chunks(self.paths):
            self.sha256.update(chunk)
            self.size += len(chunk)
            if self.most is not None and self.size > self.most:  # who knows how much would come
                raise changed(self.name)
            yield path, chunk


def _bytes(raw: _Raw) -> Ids:
    """The bytes of `raw`, in a temporary file without a name that is mapped into memory, as much of it as is wanted.

    A copy, as others may cut or change the files themselves, and to read what is gone of one that is mapped ends the
    process. Raises `CorpusError` where there is no room for it.
    """
    where = "a temporary folder"
    try:
        where = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="charrnn-") as copy:
            for _, chunk in raw:
                copy.write(chunk)
            copy.flush()
            return np.asarray(np.memmap(copy, np.uint8, "r")) if raw.size else np.zeros(0, np.uint8)
    except OSError as error:
        text = error.strerror or error
        raise CorpusError(
            f"can't keep a copy of the bytes in {where}: {text}; TMPDIR may name another folder"
        ) from None


def files(paths: Iterable[str]) -> list[str]:
    """The files that paths stand for: a folder's are those below it, sorted, but for hidden ones and checkpoints.

    What is no file in a folder, such as a pipe, is left out too. Raises `CorpusError` for a folder of none, and where
    stdin, which can be read once, is there twice.
    """
    paths = list(paths)
    if paths.count(STDIN) > 1:
        raise CorpusError("stdin is one text: give - once")
    return [file for path in paths for file in (_below(path) if os.path.isdir(path) else [path])]


def _below(path: str) -> list[str]:
    found = []

    def fail(error: OSError) -> None:
        raise _unreadable(error.filename, error)

    for folder, below, names in os.walk(path, onerror=fail):
        below[:] = sorted(name for name in below if not name.startswith("."))
        wanted = (name for name in sorted(names) if not name.startswith(".") and not name.endswith(".safetensors"))
        found += [file for name in wanted if os.path.isfile(file := os.path.join(folder, name))]
    if not found:
        raise CorpusError(f"the folder {path} holds no files")
    return found


def _decoded(raw: Iterable[Part], encoding: str, errors: str) -> Iterator[str]:
    """The text of raw chunks, without byte order marks and with `\\n` for the end of every line."""
    one_of("errors", errors, ERROR_HANDLERS)
    try:
        "".encode(encoding)  # a codec from bytes to bytes, such as zip, is none for text
        decoder_of = codecs.getincrementaldecoder("utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding)
    except (LookupError, ValueError):
        raise CorpusError(f"there is no text encoding {encoding!r}: try utf-8, latin-1, cp1251, utf-16") from None
    decoder, offset = None, 0
    for path, chunk in raw:
        if decoder is None:  # each file is decoded on its own: it may have a mark, or end within a character
            decoder, offset = io.IncrementalNewlineDecoder(decoder_of(errors), translate=True), 0
        offset += len(chunk)
        try:
            yield decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = offset - len(error.object) + error.start
            raise CorpusError(
                f"{path} is not {encoding} at byte {at}: give its --encoding, or --errors replace, or --bytes"
            ) from None
        except UnicodeError as error:  # utf-16 without its mark, for one
            raise CorpusError(f"{path} is not {encoding}: {error}; give its --encoding, or --bytes") from None
        if not chunk:
            decoder = None


class _Numbering:
    """Gives each character a number when it first comes, so that a text of any length is encoded in one pass.

    Only at the end, when all characters are known, are the numbers put in the order of the code points. Beside the ids,
    kept in the smallest type that holds them, there is never more than a chunk of text in memory.
    """

    def __init__(self) -> None:
        self.points: list[int] = []  # number → code point
        self.ids = bytearray()
        self.dtype = smallest_type(0)
        self._tabulate()

    def _tabulate(self) -> None:
        self.unknown = np.iinfo(self.dtype).max
        self.table = np.full(0x110000, self.unknown, self.dtype)  # code point → number
        self.table[self.points] = np.arange(len(self.points))
        self.ascii = self.table[:256].tobytes() if self.dtype == np.uint8 else b""
        self.known = bytes(point for point in self.points if point < 128)

    def add(self, text: str) -> None:
        if self.ascii and text.isascii():  # bytes know a faster way than arrays
            raw = text.encode("ascii")
            if strange := raw.translate(None, self.known):
                self._learn(np.frombuffer(strange, np.uint8))
            if self.ascii:
                self.ids += raw.translate(self.ascii)
                return
        points = code_points(text)
        ids = self.table.take(points, mode="clip")  # none is out of bounds, and so none is looked for
        if ids.size and ids.max() == self.unknown:
            self._learn(points[ids == self.unknown])
            ids = self.table.take(points, mode="clip")
        self.ids += ids.data

    def _learn(self, points: NDArray[np.unsignedinteger[Any]]) -> None:
        """Numbers new characters, and widens the ids where the numbers, with one for the unknown, need that."""
        self.points += np.unique(points).tolist()
        if (wider := smallest_type(len(self.points) + 1)) != self.dtype:
            self.ids = bytearray(np.frombuffer(self.ids, self.dtype).astype(wider).data.cast("B"))
            self.dtype = wider
        self._tabulate()

    def finish(self) -> tuple[Ids, Vocabulary]:
        ids = np.frombuffer(self.ids, self.dtype)
        order = np.argsort(self.points)
        rank = np.empty(len(order), smallest_type(len(order)))
        rank[order] = np.arange(len(order))
        in_order = _renumbered(ids, rank, out=ids if ids.dtype == rank.dtype else None)
        return in_order, Vocabulary(sorted(map(chr, self.points)) or " ")


def _renumbered(ids: Ids, numbers: Ids, out: Ids | None = None) -> Ids:
    """The ids with numbers[id] for every id: chunk by chunk, for NumPy takes eight bytes for an index."""
    found = np.empty_like(ids, numbers.dtype) if out is None else out
    for start in range(0, len(ids), CHUNK):
        found[start : start + CHUNK] = numbers.take(ids[start : start + CHUNK], mode="clip")
    return found
