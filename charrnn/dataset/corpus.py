"""The corpus: a text as ids in a vocabulary, read from files in one pass."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.files import READ_BLOCK, Part, Source, decode, list_files, read_chunks
from charrnn.dataset.lines import Lines
from charrnn.dataset.vocabulary import Vocabulary, code_points, smallest_type
from charrnn.errors import CorpusError, VocabularyError
from charrnn.types import Ids

MIN_VALIDATION = 100
"""A held-out text shorter than this many characters says nothing, so none is held out."""


@dataclass(frozen=True)
class Corpus:
    """A text as ids [N], with its vocabulary, and what identifies it: its size and SHA-256."""

    ids: Ids
    vocabulary: Vocabulary
    name: str
    size: int
    """In bytes, as read."""
    digest: str
    """SHA-256 of its bytes."""

    def __post_init__(self) -> None:
        if len(self.ids) < 2:
            found = "has only one character" if len(self.ids) else "is empty"
            raise CorpusError(f"{self.name} {found}: a corpus needs at least two, and 100,000 or more work best")

    def reencode(self, vocabulary: Vocabulary) -> "Corpus":
        """The same text as ids of another vocabulary; raises `VocabularyError` if that lacks a character."""
        if vocabulary == self.vocabulary:
            return self
        if vocabulary.is_bytes != self.vocabulary.is_bytes:
            kind = "bytes" if vocabulary.is_bytes else "characters"
            raise VocabularyError(f"the model reads {kind}, but the corpus is not read as {kind}: see --bytes")
        numbers = vocabulary.encode("".join(self.vocabulary.characters))
        return replace(self, ids=_renumber(self.ids, numbers), vocabulary=vocabulary)

    def split(self, val_fraction: float) -> tuple[Ids, Ids]:
        """The ids to learn from and the held-out tail, which is empty if it would be shorter than `MIN_VALIDATION`."""
        n = int(len(self.ids) * val_fraction)
        border = len(self.ids) - (n if n >= MIN_VALIDATION else 0)
        return self.ids[:border], self.ids[border:]

    @cached_property
    def lines(self) -> Lines:
        """Its lines; raises `CorpusError` if fewer than two are not empty."""
        found = Lines.from_ids(self.ids, self.vocabulary)
        if not len(found):
            raise CorpusError(f"{self.name} has no characters except newlines: --lines needs at least two lines")
        if len(found) == 1:
            raise CorpusError(f"{self.name} has only one line: --lines needs at least two, and 1,000 or more work best")
        return found


def from_text(text: str | bytes, name: str = "text") -> Corpus:
    """A corpus from a string, or from bytes for a model of bytes. Raises `CorpusError` if it is too short."""
    if isinstance(text, bytes):
        vocabulary, raw = Vocabulary(None), text
    else:
        vocabulary, raw = Vocabulary.from_text(text or " "), text.encode("utf-8", "surrogatepass")
    return Corpus(vocabulary.encode(text), vocabulary, name, len(raw), hashlib.sha256(raw).hexdigest())


def corpus_mismatch_error(name: str) -> CorpusError:
    """The error for a text that is not the one that the training began with."""
    return CorpusError(
        f"the corpus {name} is not the one that this training began with: restore that one, or start a new run on this "
        "one with --init-from"
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
        for text in decode(raw, source.encoding, source.errors):
            numbering.add(text)
        ids, vocabulary = numbering.finish()
    return Corpus(ids, vocabulary, source.name, raw.size, raw.sha256.hexdigest())


class _Raw:
    """The bytes of all the files of a source, in chunks, counted and digested as they pass; b"" ends each file."""

    def __init__(self, source: Source, most: int | None):
        self.name, self.paths, self.most = source.name, list_files(source.paths), most
        self.sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[Part]:
        for path, chunk in read_chunks(self.paths):
            self.sha256.update(chunk)
            self.size += len(chunk)
            if self.most is not None and self.size > self.most:  # who knows how much would come
                raise corpus_mismatch_error(self.name)
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
        in_order = _renumber(ids, rank, out=ids if ids.dtype == rank.dtype else None)
        return in_order, Vocabulary(sorted(map(chr, self.points)) or " ")


def _renumber(ids: Ids, numbers: Ids, out: Ids | None = None) -> Ids:
    """The ids with numbers[id] for every id: chunk by chunk, for NumPy takes eight bytes for an index."""
    found = np.empty_like(ids, numbers.dtype) if out is None else out
    for start in range(0, len(ids), READ_BLOCK):
        found[start : start + READ_BLOCK] = numbers.take(ids[start : start + READ_BLOCK], mode="clip")
    return found
