"""The corpus: a text as ids in a vocabulary, read from files in one pass."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import PAIR_LAYOUTS, REWRITING_LAYOUTS
from charrnn.dataset import conll, tables
from charrnn.dataset.files import READ_BLOCK, Part, Source, by_file, decode, list_files, read_parts
from charrnn.dataset.lines import Lines, count_ids
from charrnn.dataset.pairs import Pairs
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.records import bytes_with_ends, with_ends
from charrnn.dataset.targets import Labelled, Tagged, labelled, tagged
from charrnn.dataset.vocabulary import TAB, Vocabulary, code_points, smallest_type
from charrnn.errors import CorpusError, VocabularyError
from charrnn.types import Ids

MIN_VALIDATION = 100
"""The fewest characters of validation text: the loss on fewer says nothing, so then nothing is held out."""


@dataclass(frozen=True)
class Corpus:
    """A text as ids [N] in a vocabulary, with the size and the SHA-256 that identify it.

    Raises `CorpusError` for fewer than two characters.
    """

    ids: Ids
    vocabulary: Vocabulary
    name: str
    size: int
    """In bytes, as read."""
    digest: str
    """SHA-256 of its bytes."""
    unread: tuple[str, ...] = ()
    """The characters that no network reads, whose ids are those after the vocabulary's: see `read_as`."""

    tag_names: tuple[str, ...] = ()
    """The tags that the letters of `conll` stand for, if the text was read from that form."""
    record_form: RecordForm = LINES
    """What a text of its own is, in the layout `lines`; the ids have its end after each."""

    def __post_init__(self) -> None:
        if len(self.ids) < 2:
            found = "has only one character" if len(self.ids) else "is empty"
            raise CorpusError(f"{self.name} {found}: a corpus needs at least two characters; 100,000 or more work best")

    def reencode(self, vocabulary: Vocabulary) -> "Corpus":
        """The same text as ids in another vocabulary; raises `VocabularyError` if that lacks a character."""
        if vocabulary == self.vocabulary:
            return self
        if vocabulary.is_bytes != self.vocabulary.is_bytes:
            if vocabulary.is_bytes:
                raise VocabularyError("the model reads bytes, but the corpus was read as characters: add --bytes")
            raise VocabularyError("the model reads characters, but the corpus was read as bytes: leave out --bytes")
        return self._renumbered(vocabulary, ())

    def read_as(self, layout: str, skip_bad: bool, vocabulary: Vocabulary | None = None) -> "Corpus":
        """The same text for a network that reads it in a layout, as ids in a vocabulary; by default, in its own.

        A classifier or a tagger reads the sources of pairs, but no labels or tags, and lines that are skipped are read
        by none: a character that occurs only there is `unread`. Raises `VocabularyError` if the vocabulary lacks a
        character that is read.
        """
        whole = layout not in PAIR_LAYOUTS or (layout in REWRITING_LAYOUTS and not skip_bad)
        if whole or self.vocabulary.is_bytes or (vocabulary is not None and vocabulary.is_bytes):
            return self if vocabulary is None else self.reencode(vocabulary)
        pairs = self.aligned_pairs if layout == "tags" else self.pairs
        lines = pairs.lines
        assert lines.firsts is not None
        lengths = lines.lengths if layout in REWRITING_LAYOUTS else lines.firsts - 1
        counts = count_ids(lines.ids, lines.starts, lengths, len(self.alphabet))
        read = {"\n", TAB, *(self.alphabet.characters[v] for v in np.flatnonzero(counts))}
        chosen = vocabulary or Vocabulary(sorted(read))
        chosen.encode("".join(sorted(read)))
        unread = tuple(sorted({*self.alphabet.characters} - {*chosen.characters}))
        is_same = (chosen, unread) == (self.vocabulary, self.unread)
        return self if is_same else self._renumbered(chosen, unread)

    def _renumbered(self, vocabulary: Vocabulary, unread: tuple[str, ...]) -> "Corpus":
        """The same text with the ids of a vocabulary and, after these, of characters that are not read."""
        numbers = Vocabulary((*vocabulary.characters, *unread)).encode("".join(self.alphabet.characters))
        return replace(self, ids=_renumber(self.ids, numbers), vocabulary=vocabulary, unread=unread)

    @cached_property
    def alphabet(self) -> Vocabulary:
        """All characters of the text by their ids: the vocabulary, and the characters that are not read."""
        return Vocabulary((*self.vocabulary.characters, *self.unread)) if self.unread else self.vocabulary

    def split(self, val_fraction: float) -> tuple[Ids, Ids]:
        """The training ids, and the validation ids at the end: none if they would be fewer than `MIN_VALIDATION`."""
        n = int(len(self.ids) * val_fraction)
        border = len(self.ids) - (n if n >= MIN_VALIDATION else 0)
        return self.ids[:border], self.ids[border:]

    @cached_property
    def lines(self) -> Lines:
        """The lines, or other records; raises `CorpusError` for fewer than two that are not empty."""
        form = self.record_form
        found = Lines.from_ids(self.ids, self.alphabet, form.end)
        option, unit = f"--{form.option}", form.unit
        if not len(found):
            raise CorpusError(f"{self.name} has no characters except newlines: {option} needs at least two {unit}")
        if len(found) == 1:
            raise CorpusError(
                f"{self.name} has only one {unit[:-1]}: {option} needs at least two; 1,000 or more work best"
            )
        return found

    @cached_property
    def pairs(self) -> Pairs:
        """The lines that are pairs of source and target; `pairs.check` tells whether they are fit for training."""
        return Pairs.from_ids(self.ids, self.alphabet)

    @cached_property
    def aligned_pairs(self) -> Pairs:
        """The pairs whose target is as long as the source."""
        return Pairs.from_ids(self.ids, self.alphabet, aligned=True)

    @cached_property
    def labelled(self) -> Labelled:
        """The pairs of a text and its label; raises `CorpusError` if the targets are no labels."""
        return labelled(self.pairs, self.alphabet, self.name)

    @cached_property
    def tagged(self) -> Tagged:
        """The pairs of a text and its tags; raises `CorpusError` for a single tag."""
        return tagged(self.aligned_pairs, self.alphabet, self.name, self.tag_names)


def from_text(text: str | bytes, name: str = "text", record_form: RecordForm = LINES) -> Corpus:
    """A corpus from a string, or bytes for a model of bytes; `record_form` is for the layout `lines`.

    Raises `CorpusError` for fewer than two characters, and for something that is not a text.
    """
    if not isinstance(text, str | bytes):
        advice = ": read the file first" if isinstance(text, os.PathLike) else ""
        raise CorpusError(f"the corpus must be a text or bytes, not {type(text).__name__}{advice}")
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if not record_form.is_lines:
        is_bytes = isinstance(text, bytes)
        piece = text.decode("latin-1") if isinstance(text, bytes) else text
        joined = "".join(with_ends(record_form, [piece], name, is_bytes))
        text = joined.encode("latin-1") if is_bytes else joined
    vocabulary = Vocabulary(None) if isinstance(text, bytes) else Vocabulary.from_text(text or " ")
    digest = hashlib.sha256(raw).hexdigest()
    return Corpus(vocabulary.encode(text), vocabulary, name, len(raw), digest, record_form=record_form)


def corpus_mismatch_error(name: str) -> CorpusError:
    """The error for a text that is not the one that the run began with."""
    return CorpusError(
        f"the corpus {name} is not the one that this run began with: restore that one, or start a new run on this one "
        "with --init-from"
    )


def read(source: Source, size: int | None = None) -> Corpus:
    """Reads a corpus: the texts of all its files one after the other, as `cat` joins them.

    Byte order marks are dropped, and `\\r\\n` and `\\r` become `\\n`. For a model of bytes nothing is changed, and the
    bytes are on disk rather than in memory: see `_map_bytes`. Raises `CorpusError` for files that can't be found, read
    or decoded, and for fewer than two characters; if a `size` in bytes is given, also as soon as there are more.
    """
    raw = _Raw(source, size)
    names: list[str] = []
    form = source.record_form
    if source.as_bytes:
        ids, vocabulary = _map_bytes(raw if form.is_lines else bytes_with_ends(form, raw)), Vocabulary(None)
    else:
        encoder = _Encoder()
        in_records = source.table or not form.is_lines
        for text in _texts_by_file(raw, source, names) if in_records else decode(raw, source.encoding, source.errors):
            encoder.add(text)
        ids, vocabulary = encoder.finish()
    digest = raw.sha256.hexdigest()
    return Corpus(ids, vocabulary, source.name, raw.size, digest, tag_names=tuple(names), record_form=form)


def _texts_by_file(raw: Iterable[Part], source: Source, names: list[str]) -> Iterator[str]:
    """The rows of tables, or sentences, as lines of source, tab and target; or records, each with its end.

    Each file is one of its own. The names of the tags of `conll` are added to `names`.
    """
    for path, parts in by_file(raw):
        texts = decode(parts, source.encoding, source.errors)
        if source.table == "conll":
            yield from conll.as_pairs(texts, names, path, source.skip_bad)
        elif source.table:
            yield from tables.as_pairs(texts, source.table, source.columns, path, source.skip_bad)
        else:
            yield from with_ends(source.record_form, texts, path)


class _Raw:
    """The bytes of all files of a source, counted and digested as they are read; b"" ends each file."""

    def __init__(self, source: Source, limit: int | None):
        self.name, self.paths, self.limit = source.name, list_files(source.paths), limit
        self.sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[Part]:
        for path, part in read_parts(self.paths):
            self.sha256.update(part)
            self.size += len(part)
            if self.limit is not None and self.size > self.limit:  # a pipe may never end
                raise corpus_mismatch_error(self.name)
            yield path, part


def _map_bytes(parts: Iterable[Part]) -> Ids:
    """The bytes, in an unnamed temporary file that is mapped into memory, so that only the parts in use are loaded.

    The file is a copy: other programs may truncate the originals, and reading a mapped file past its end kills the
    process. `parts` are those of the copy. Raises `CorpusError` if there is no room for it.
    """
    folder = "a temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="charrnn-") as copy:
            for _, part in parts:
                copy.write(part)
            copy.flush()
            return np.asarray(np.memmap(copy, np.uint8, "r")) if copy.tell() else np.zeros(0, np.uint8)
    except OSError as error:
        text = error.strerror or error
        raise CorpusError(f"can't keep a copy of the bytes in {folder}: {text}; set TMPDIR to another folder") from None


class _Encoder:
    """Encodes a text of any length in one pass: a character gets the next id when it first occurs.

    Once all characters are known, `finish` puts the ids in the order of the code points. Memory holds the ids, in the
    smallest type that fits, and only one part of the text at a time.
    """

    def __init__(self) -> None:
        self.points: list[int] = []  # id → code point
        self.ids = bytearray()
        self.dtype = smallest_type(0)
        self._build_tables()

    def _build_tables(self) -> None:
        self.unknown = np.iinfo(self.dtype).max
        self.table = np.full(0x110000, self.unknown, self.dtype)  # code point → id
        self.table[self.points] = np.arange(len(self.points))
        self.ascii = self.table[:256].tobytes() if self.dtype == np.uint8 else b""
        self.known = bytes(point for point in self.points if point < 128)

    def add(self, text: str) -> None:
        """Encodes the next part of the text."""
        if self.ascii and text.isascii():  # `translate` of bytes is faster than arrays
            raw = text.encode("ascii")
            if new := raw.translate(None, self.known):
                self._add_characters(np.frombuffer(new, np.uint8))
            if self.ascii:
                self.ids += raw.translate(self.ascii)
                return
        points = code_points(text)
        ids = self.table.take(points, mode="clip")  # none is out of bounds: "clip" only saves the check
        if ids.size and ids.max() == self.unknown:
            self._add_characters(points[ids == self.unknown])
            ids = self.table.take(points, mode="clip")
        self.ids += ids.data

    def _add_characters(self, points: NDArray[np.unsignedinteger[Any]]) -> None:
        """Gives new characters their ids; widens the type of the ids if these and the unknown marker need it."""
        self.points += np.unique(points).tolist()
        if (wider := smallest_type(len(self.points) + 1)) != self.dtype:
            self.ids = bytearray(np.frombuffer(self.ids, self.dtype).astype(wider).data.cast("B"))
            self.dtype = wider
        self._build_tables()

    def finish(self) -> tuple[Ids, Vocabulary]:
        """The ids [N] of the whole text, and its vocabulary."""
        ids = np.frombuffer(self.ids, self.dtype)
        order = np.argsort(self.points)
        rank = np.empty(len(order), smallest_type(len(order)))
        rank[order] = np.arange(len(order))
        sorted_ids = _renumber(ids, rank, out=ids if ids.dtype == rank.dtype else None)
        return sorted_ids, Vocabulary(sorted(map(chr, self.points)) or " ")


def _renumber(ids: Ids, numbers: Ids, out: Ids | None = None) -> Ids:
    """numbers[ids], block by block: NumPy makes an index of eight bytes from each id."""
    found = np.empty_like(ids, numbers.dtype) if out is None else out
    for start in range(0, len(ids), READ_BLOCK):
        found[start : start + READ_BLOCK] = numbers.take(ids[start : start + READ_BLOCK], mode="clip")
    return found
