"""The corpus: a text as ids in a vocabulary, read from files in one pass."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from charrnn.config import PAIR_LAYOUTS, REWRITING_LAYOUTS
from charrnn.dataset import conll, tables
from charrnn.dataset.encoder import Encoder, renumber
from charrnn.dataset.files import Part, Source, decode, list_files, read_parts
from charrnn.dataset.held_out import MIN_VALIDATION, HeldOutText, check_apart
from charrnn.dataset.id_counts import CharacterCount
from charrnn.dataset.lines import Lines, count_ids, id_of
from charrnn.dataset.pairs import Pairs
from charrnn.dataset.targets import Labelled, Tagged, labelled, tagged
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CorpusError, VocabularyError
from charrnn.types import Ids


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
    held_out: HeldOutText | None = None
    """The text to validate on, if it is one of its own: otherwise a part of the corpus is held out."""
    rare: CharacterCount | None = None
    """The characters that were replaced or left out because they are rare, if any: see `rare.replace_rare`."""

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
        pairs = self.pairs_of(layout)
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
        held_out = self.held_out and replace(self.held_out, ids=renumber(self.held_out.ids, numbers))
        ids = renumber(self.ids, numbers)
        return replace(self, ids=ids, vocabulary=vocabulary, unread=unread, held_out=held_out)

    @cached_property
    def alphabet(self) -> Vocabulary:
        """All characters of the text by their ids: the vocabulary, and the characters that are not read."""
        return Vocabulary((*self.vocabulary.characters, *self.unread)) if self.unread else self.vocabulary

    def split(self, val_fraction: float) -> tuple[Ids, Ids]:
        """The training ids, and the validation ids at the end: none if they would be fewer than `MIN_VALIDATION`."""
        n = int(len(self.ids) * val_fraction)
        border = len(self.ids) - (n if n >= MIN_VALIDATION else 0)
        return self.ids[:border], self.ids[border:]

    @property
    def nbytes(self) -> int:
        """The memory of the ids, in bytes."""
        return self.ids.nbytes + (self.held_out.ids.nbytes if self.held_out else 0)

    def is_learned(self, lines: Lines) -> NDArray[np.bool_]:
        """Which of the lines are not of `held_out`. [R]"""
        return lines.starts < len(self.ids)

    @cached_property
    def all_ids(self) -> Ids:
        """The ids of the text and, on a new line, of the text to validate on, if that is one of its own."""
        newline = id_of("\n", self.alphabet)
        if self.held_out is None or newline == len(self.alphabet):  # without a newline it is a single line
            return self.ids
        return np.concatenate([self.ids, np.array([newline], self.ids.dtype), self.held_out.ids])

    @cached_property
    def lines(self) -> Lines:
        """The lines; raises `CorpusError` for fewer than two to learn from that are not empty."""
        found = Lines.from_ids(self.all_ids, self.alphabet)
        n = np.count_nonzero(self.is_learned(found))
        if not n:
            raise CorpusError(f"{self.name} has no characters except newlines: --lines needs at least two lines")
        if n == 1:
            raise CorpusError(f"{self.name} has only one line: --lines needs at least two; 1,000 or more work best")
        return found

    @cached_property
    def pairs(self) -> Pairs:
        """The lines that are pairs of source and target; `pairs.check` tells whether they are fit for training."""
        return Pairs.from_ids(self.all_ids, self.alphabet, border=len(self.ids))

    @cached_property
    def aligned_pairs(self) -> Pairs:
        """The pairs whose target is as long as the source."""
        return Pairs.from_ids(self.all_ids, self.alphabet, aligned=True, border=len(self.ids))

    @cached_property
    def labelled_pairs(self) -> Pairs:
        """The pairs whose target is a label."""
        return Pairs.from_ids(self.all_ids, self.alphabet, border=len(self.ids), labelled=True)

    def pairs_of(self, layout: str) -> Pairs:
        """The pairs as a layout reads them."""
        if layout == "labels":
            return self.labelled_pairs
        return self.aligned_pairs if layout == "tags" else self.pairs

    @cached_property
    def labelled(self) -> Labelled:
        """The pairs of a text and its label; raises `CorpusError` if the targets are no labels."""
        return labelled(self.labelled_pairs, self.alphabet, self.name)

    @cached_property
    def tagged(self) -> Tagged:
        """The pairs of a text and its tags; raises `CorpusError` for a single tag."""
        return tagged(self.aligned_pairs, self.alphabet, self.name, self.tag_names)


def from_text(text: str | bytes, name: str = "text", val_text: str | bytes | None = None) -> Corpus:
    """A corpus from a string, or bytes for a model of bytes; `val_text`, of the same type, is only validated on.

    Raises `CorpusError` for fewer than two characters, and for something that is not a text.
    """
    if not isinstance(text, str | bytes):
        advice = ": read the file first" if isinstance(text, os.PathLike) else ""
        raise CorpusError(f"the corpus must be a text or bytes, not {type(text).__name__}{advice}")
    if val_text is not None and type(val_text) is not type(text):
        raise CorpusError("the corpus and the text to validate on must both be texts, or both bytes")
    if isinstance(text, bytes):
        vocabulary = Vocabulary(None)
    else:
        vocabulary = Vocabulary.from_text(text + str(val_text or "") or " ")

    def encoded(text: str | bytes) -> tuple[Ids, int, str]:
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return vocabulary.encode(text), len(raw), hashlib.sha256(raw).hexdigest()

    ids, size, digest = encoded(text)
    held_out = None
    if val_text is not None:
        val_ids, val_size, val_digest = encoded(val_text)
        held_out = HeldOutText(val_ids, "the text to validate on", val_size, val_digest)
    return Corpus(ids, vocabulary, name, size, digest, held_out=held_out)


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
    or decoded, and for fewer than two characters; if a `size` in bytes is given, also as soon as there are more. Raises
    `ConfigError` for a text to validate on that is part of the corpus.
    """
    check_apart(source)
    raws = [_Raw(source, size)]
    if source.val_paths:
        raws.append(_Raw(replace(source, paths=source.val_paths), None))
    names: list[str] = []
    if source.as_bytes:
        texts, vocabulary = [_map_bytes(raw) for raw in raws], Vocabulary(None)
    else:
        encoder, borders = Encoder(), [0]
        for raw in raws:
            tabled = _table_texts(raw, source, names) if source.table else None
            for text in tabled or decode(raw, source.encoding, source.errors):
                encoder.add(text)
            borders.append(len(encoder.ids) // encoder.dtype.itemsize)
        ids, vocabulary = encoder.finish()
        texts = [ids[begin:end] for begin, end in pairwise(borders)]
    held_out = None
    if source.val_paths:
        held_out = HeldOutText(texts[1], source.val_name, raws[1].size, raws[1].sha256.hexdigest())
    sha256, tag_names = raws[0].sha256.hexdigest(), tuple(names)
    return Corpus(texts[0], vocabulary, source.name, raws[0].size, sha256, tag_names=tag_names, held_out=held_out)


def _table_texts(raw: Iterable[Part], source: Source, names: list[str]) -> Iterator[str]:
    """The rows of tables, or sentences, as lines of source, tab and target; each file is one of its own.

    The names of the tags of `conll` are added to `names`.
    """
    parts = iter(raw)
    for first in parts:
        texts = decode(_file(first, parts), source.encoding, source.errors)
        if source.table == "conll":
            yield from conll.as_pairs(texts, names, first[0], source.skip_bad)
        else:
            yield from tables.as_pairs(texts, source.table, source.columns, first[0], source.skip_bad)


def _file(part: Part, parts: Iterator[Part]) -> Iterator[Part]:
    """The parts of a file from this one on, up to b"", which ends it."""
    yield part
    while part[1]:
        part = next(parts)
        yield part


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


def _map_bytes(raw: _Raw) -> Ids:
    """The bytes, in an unnamed temporary file that is mapped into memory, so that only the parts in use are loaded.

    The file is a copy: other programs may truncate the originals, and reading a mapped file past its end kills the
    process. Raises `CorpusError` if there is no room for the copy.
    """
    folder = "a temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="charrnn-") as copy:
            for _, part in raw:
                copy.write(part)
            copy.flush()
            return np.asarray(np.memmap(copy, np.uint8, "r")) if raw.size else np.zeros(0, np.uint8)
    except OSError as error:
        text = error.strerror or error
        raise CorpusError(f"can't keep a copy of the bytes in {folder}: {text}; set TMPDIR to another folder") from None
