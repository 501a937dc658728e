"""The corpus: a text as ids in a vocabulary, read from files in one pass."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from charrnn.config import PAIR_LAYOUTS, REWRITING_LAYOUTS
from charrnn.dataset.bad_bytes import BadBytes
from charrnn.dataset.bad_lines import NO_TAB, NORMALISED, BadLines, Fault, recounting, row_advice, told
from charrnn.dataset.encoder import Encoder, renumber
from charrnn.dataset.files import Source
from charrnn.dataset.held_out import MIN_VALIDATION, HeldOutText, check_apart
from charrnn.dataset.id_counts import CharacterCount, count_ids
from charrnn.dataset.line_place import FileStart
from charrnn.dataset.lines import Lines, id_of
from charrnn.dataset.pairs import Pairs
from charrnn.dataset.raw_text import RawText, map_bytes, texts_by_file
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.records import bytes_with_ends, with_ends
from charrnn.dataset.targets import Labelled, Tagged, labelled, tagged
from charrnn.dataset.text_form import DEFAULT_FORM, TextForm
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import ConfigError, CorpusError, VocabularyError
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
    """In bytes, as read, after decompression."""
    digest: str
    """SHA-256 of its bytes."""
    unread: tuple[str, ...] = ()
    """The characters that no network reads, whose ids are those after the vocabulary's: see `read_as`."""
    tag_names: tuple[str, ...] = ()
    """The tags that the letters of `conll` stand for, if the text was read from that form."""
    bad_rows: tuple[Fault, ...] = ()
    """What is wrong with the rows of a table, or the sentences, that were skipped: a line without a tab is in the place
    of each."""
    held_out: HeldOutText | None = None
    """The text to validate on, if it is one of its own: otherwise a part of the corpus is held out."""
    rare: CharacterCount | None = None
    """The characters that were replaced or left out because they are rare, if any: see `rare.replace_rare`."""
    text_form: TextForm = DEFAULT_FORM
    """How its bytes became text, and so how the model has to read others."""
    record_form: RecordForm = LINES
    """What a text of its own is, in the layout `lines`; the ids have its end after each."""
    files: tuple[FileStart, ...] = ()
    """Where each file begins, if there are several."""

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
                raise VocabularyError("the model reads bytes, but the corpus was read as characters: add `as_bytes`")
            raise VocabularyError("the model reads characters, but the corpus was read as bytes: leave out `as_bytes`")
        return self._renumbered(vocabulary, ())

    def read_as(self, layout: str, skip_bad: bool, vocabulary: Vocabulary | None = None) -> "Corpus":
        """The same text for a network that reads it in a layout, as ids in a vocabulary; by default, in its own.

        A classifier or a tagger reads the sources of pairs, but no labels or tags, and lines that are skipped are read
        by none: a character that occurs only there is `unread`. Raises `VocabularyError` if the vocabulary lacks a
        character that is read.
        """
        if self._is_read_whole(layout, skip_bad) or (vocabulary is not None and vocabulary.is_bytes):
            return self if vocabulary is None else self.reencode(vocabulary)
        read = self.characters_read(layout, skip_bad)
        chosen = vocabulary or Vocabulary(sorted(read))
        chosen.encode("".join(sorted(read)))
        unread = tuple(sorted({*self.alphabet.characters} - {*chosen.characters}))
        return self if (chosen, unread) == (self.vocabulary, self.unread) else self._renumbered(chosen, unread)

    def _is_read_whole(self, layout: str, skip_bad: bool) -> bool:
        """Whether a network reads all of the text in a layout."""
        whole = layout not in PAIR_LAYOUTS or (layout in REWRITING_LAYOUTS and not skip_bad)
        return whole or self.vocabulary.is_bytes

    def characters_read(self, layout: str, skip_bad: bool) -> set[str]:
        """The characters that a network reads in a layout: see `read_as`."""
        if self._is_read_whole(layout, skip_bad):
            return {*self.vocabulary.characters}
        lines = self.pairs_of(layout).lines
        assert lines.firsts is not None
        lengths = lines.lengths if layout in REWRITING_LAYOUTS else lines.firsts - 1
        counts = count_ids(lines.ids, lines.starts, lengths, len(self.alphabet))
        return {"\n", TAB, *(self.alphabet.characters[v] for v in np.flatnonzero(counts))}

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
        newline = id_of(self.record_form.end, self.alphabet)
        if self.held_out is None or newline == len(self.alphabet):  # without one it is a single line
            return self.ids
        return np.concatenate([self.ids, np.array([newline], self.ids.dtype), self.held_out.ids])

    @cached_property
    def lines(self) -> Lines:
        """The lines, or other records; raises `CorpusError` for fewer than two to learn from that are not empty."""
        form = self.record_form
        found = Lines.from_ids(self.all_ids, self.alphabet, form.end)
        n, option, unit = np.count_nonzero(self.is_learned(found)), f"--{form.option}", form.unit
        if not n:
            raise CorpusError(f"{self.name} has no characters except newlines: {option} needs at least two {unit}")
        if n == 1:
            raise CorpusError(
                f"{self.name} has only one {unit[:-1]}: {option} needs at least two; 1,000 or more work best"
            )
        return found

    @cached_property
    def pairs(self) -> Pairs:
        """The lines that are pairs of source and target; `pairs.check` tells whether they are fit for training."""
        return self._pairs("pairs")

    @cached_property
    def aligned_pairs(self) -> Pairs:
        """The pairs whose target is as long as the source."""
        return self._pairs("tags")

    @cached_property
    def labelled_pairs(self) -> Pairs:
        """The pairs whose target is a label."""
        return self._pairs("labels")

    def _pairs(self, layout: str) -> Pairs:
        names = self.name, self.held_out.name if self.held_out else ""
        files = self.files, self.held_out.files if self.held_out else ()
        found = Pairs.from_ids(self.all_ids, self.alphabet, layout, len(self.ids), names, files)
        if not self.bad_rows:
            return found
        others = (fault for fault in found.faults if fault.problem != NO_TAB)
        return replace(found, faults=(*self.bad_rows, *others))

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


def from_text(
    text: str | bytes,
    name: str = "text",
    normalization: str = "none",
    val_text: str | bytes | None = None,
    record_form: RecordForm = LINES,
) -> Corpus:
    """A corpus from a string, or bytes for a model of bytes; `val_text`, of the same type, is only validated on.

    `record_form` is for the layout `lines`.

    Raises `CorpusError` for fewer than two characters, and for something that is not a text; `ConfigError` for an
    unknown normal form, and for bytes that should be in one.
    """
    if not isinstance(text, str | bytes):
        advice = ": read the file first" if isinstance(text, os.PathLike) else ""
        raise CorpusError(f"the corpus must be a text or bytes, not {type(text).__name__}{advice}")
    if val_text is not None and type(val_text) is not type(text):
        raise CorpusError("the corpus and the text to validate on must both be texts, or both bytes")
    form = TextForm(normalization=normalization)
    if isinstance(text, bytes) and form != DEFAULT_FORM:
        raise ConfigError("a model of bytes does not normalise its text: leave out the normalization")

    def as_read(text: str | bytes) -> str | bytes:
        """The text in its normal form, as records with their ends if it is to be divided into these."""
        if isinstance(text, str):
            text = form.normalize(text)
        if record_form.is_lines:
            return text
        piece = text if isinstance(text, str) else text.decode("latin-1")  # a character for each byte
        joined = "".join(with_ends(record_form, [piece], name, isinstance(text, bytes)))
        return joined if isinstance(text, str) else joined.encode("latin-1")

    def identity(text: str | bytes) -> tuple[int, str]:
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return len(raw), hashlib.sha256(raw).hexdigest()

    read = [as_read(each) for each in (text, val_text) if each is not None]
    whole = "".join(each for each in read if isinstance(each, str))
    vocabulary = Vocabulary(None) if isinstance(text, bytes) else Vocabulary.from_text(whole or " ")
    held_out = None
    if val_text is not None:
        held_out = HeldOutText(vocabulary.encode(read[1]), "the text to validate on", *identity(val_text))
    ids = vocabulary.encode(read[0])
    return Corpus(ids, vocabulary, name, *identity(text), held_out=held_out, text_form=form, record_form=record_form)


def read(
    source: Source,
    size: int | None = None,
    notice: Callable[[str], None] = lambda text: None,
    layout: str = "pairs",
    digest: str = "",
) -> Corpus:
    """Reads a corpus: the texts of all its files one after the other, with a newline after one that lacks it.

    `Source.text_form` says how bytes become text. For a model of bytes nothing is changed, and the bytes are on disk
    rather than in memory: see `map_bytes`. Raises `CorpusError` for files that can't be found, read or decoded, and
    for fewer than two characters; if a `size` in bytes is given, also as soon as there are more. Raises `ConfigError`
    for a text to validate on that is part of the corpus. What is skipped in folders is told to `notice`. `layout` is
    the one in which the rows of a table will be read, and so says which of them are bad. `digest` is that of a corpus
    which this one may be: it gets one of the same kind.
    """
    check_apart(source)
    raws, form, names = [RawText(source, size, notice, digest)], source.text_form, list[str]()
    if source.val_paths:
        raws.append(RawText(replace(source, paths=source.val_paths), None, notice))
    bad = BadLines()
    records = source.record_form
    if source.as_bytes:
        texts = [map_bytes(raw if records.is_lines else bytes_with_ends(records, raw)) for raw in raws]
        vocabulary = Vocabulary(None)
    else:
        encoder, borders, undecoded = Encoder(), [0], BadBytes()
        for raw in raws:
            for text in raw.count_lines(texts_by_file(raw, source, names, bad, layout, undecoded)):
                encoder.add(text)
            borders.append(len(encoder.ids) // encoder.dtype.itemsize)
        undecoded.tell(source.errors, notice)
        if bad.faults and not source.skip_bad:
            why = recounting([f for f in bad.faults if NORMALISED in f.problem], source.normalization, source.as_bytes)
            raise CorpusError(f"{told(bad.faults)}: {why or row_advice(source.table, source.columns, layout)}")
        ids, vocabulary = encoder.finish()
        texts = [ids[begin:end] for begin, end in pairwise(borders)]
    held_out = None
    if source.val_paths:
        raw = raws[1]
        held_out = HeldOutText(texts[1], source.val_name, raw.size, raw.digest.hexdigest(), (*raw.files,))
    return Corpus(
        texts[0],
        vocabulary,
        source.name,
        raws[0].size,
        raws[0].digest.hexdigest(),
        tag_names=tuple(names),
        bad_rows=bad.faults,
        held_out=held_out,
        text_form=form.of_later_texts,
        record_form=records,
        files=(*raws[0].files,),
    )
