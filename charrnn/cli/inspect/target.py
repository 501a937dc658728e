"""The target: a checkpoint to inspect, and the texts that its views read."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from charrnn.checkpoint import model_file, training_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.paths import SUFFIX, resume_path
from charrnn.cli.terminal.console import notice
from charrnn.cli.terminal.undecoded import notify_undecoded
from charrnn.dataset import corpus as corpora
from charrnn.dataset import files
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import STDIN, Part, Source
from charrnn.dataset.records import read_records
from charrnn.dataset.split import split_corpus
from charrnn.dataset.tables import TABLES
from charrnn.errors import CharRNNError, CorpusError
from charrnn.model.model import Model

MAX_TEXT = 1_000_000
"""The most characters of a given text that are read."""
MAX_BYTES = 4 * MAX_TEXT
"""The most bytes of a continuous text: a character has at most four."""
MAX_VALIDATION_TEXT = 20_000
"""The most characters of the validation text that are read."""
TEXT_SUFFIXES = (".txt", ".text", ".md", ".py")
"""A single word with one of these is the name of a file, not a text."""
Item = TypeVar("Item")


@dataclass
class Target:
    """A checkpoint, its name in charts and tables, the corpus that was given for it, if any, and their encoding."""

    path: Path
    name: str
    corpus: Path | None
    encoding: str | None = None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint. Raises `CheckpointError`."""
        found = model_file.load(self.path)
        return replace(found, model=found.model.with_encoding(self.encoding))

    @property
    def model(self) -> Model:
        """Its model."""
        return self.checkpoint.model

    def text(self, given: str) -> str:
        """The first `MAX_TEXT` characters of a file, of stdin for `-`, or else of what is given itself.

        A notice says if they are in another encoding. Raises `CorpusError` for the name of a file that does not exist.
        """
        text = self._read(given)
        notify_undecoded(self.model, text, notice)
        return text

    def _read(self, given: str) -> str:
        try:
            is_file = given == STDIN or (given != "" and Path(given).exists() and not Path(given).is_dir())
        except (OSError, ValueError):  # it is too long for a name, or has characters that no name has
            is_file = False
        if is_file:
            model = self.model
            as_is = model.vocabulary.is_bytes and given != STDIN  # which is read once for all models
            parts = _parts_of(given, as_is)
            beginning = _up_to(MAX_BYTES, parts, lambda part: len(part[1]))
            if not model.reads_records:
                return files.read_text(beginning, model.vocabulary, model.text_form)[:MAX_TEXT]
            is_table = model.record_form.kind in TABLES  # which ends with a row: so it is read on, row by row
            read = parts if is_table else itertools.chain(beginning, [(given, b"")])
            records = read_records(read, model.record_form, model.vocabulary, model.text_form)
            return "".join(_up_to(MAX_TEXT, (record.text for some in records for record in some), len))[:MAX_TEXT]
        if Path(given).suffix in TEXT_SUFFIXES and not any(map(str.isspace, given)):
            raise CorpusError(f"there is no file {given}: name one that exists, or give the text itself")
        return self.model.text_form.normalize(given)[:MAX_TEXT]

    @cached_property
    def validation_text(self) -> str:
        """Text that the model has not learned from, if possible: an excerpt of the validation data of the training.

        It is from the corpus that was given or, without one, from that of the training, if it is where it was or is
        the one that comes with the package. Of another corpus it is the beginning; of one that was trained on without
        validation data, an excerpt of the training data. Raises `CorpusError` if no corpus is found.
        """
        corpus = self._corpus()
        ids = corpus.ids[:MAX_VALIDATION_TEXT]
        training = self.checkpoint.training
        if training is not None and self._was_trained_on(corpus):
            with suppress(CorpusError):  # a table that is given anew is read as a text
                split = split_corpus(corpus, training)
                ids = (split.validation if split.validation.size else split.training).excerpt(MAX_VALIDATION_TEXT)
        if corpus.vocabulary.is_bytes:
            return bytes(ids).decode("utf-8", "surrogateescape")
        return corpus.vocabulary.decode(ids)

    def _corpus(self) -> Corpus:
        if self.corpus is not None:
            return corpora.read(replace(self._source(self.corpus), errors="replace"))
        info = self.checkpoint.corpus
        for source in self._sources():
            try:
                corpus = corpora.read(source, 0 if info is None else info.size, digest=info.digest if info else "")
            except CorpusError:
                continue
            if self._was_trained_on(corpus):
                return corpus
        raise CorpusError(f"the text that {self.path} was trained on is not where it was: give one with --corpus FILE")

    def _sources(self) -> list[Source]:
        """Where the corpus of the training may be."""
        found = []
        try:
            source = training_file.load_state(resume_path(self.path)).source
            source = source and source.with_compressed()
            if source is not None and all(Path(path).is_file() or Path(path).is_dir() for path in source.paths):
                found.append(source)
        except CharRNNError:
            pass  # the model was shared without its training state
        return [*found, self._source(files.bundled_corpus())]

    def _source(self, path: str | Path) -> Source:
        """A file, to be read as the training text was."""
        model, form = self.model, self.model.text_form
        source = Source((str(path),), model.vocabulary.is_bytes, form.encoding)
        return replace(source, normalization=form.normalization, record_form=model.record_form)

    def _was_trained_on(self, corpus: Corpus) -> bool:
        info = self.checkpoint.corpus
        return info is not None and info.digest == corpus.digest


class _Parts:
    """The parts of a file or of stdin, each read when it is first needed, and once for all models."""

    def __init__(self, path: str, as_is: bool):
        self.read: list[Part] = []
        self.unread = files.read_parts(files.list_files((path,)), as_is=as_is)

    def __iter__(self) -> Iterator[Part]:
        yield from self.read
        for part in self.unread:
            self.read.append(part)
            yield part


_parts_of = cache(_Parts)


def _up_to(limit: int, items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[Item]:
    """The first items that together reach a size."""
    total = 0
    for item in items:
        yield item
        total += size(item)
        if total >= limit:
            return


def targets(paths: list[Path], corpus: Path | None, encoding: str | None) -> list[Target]:
    """The checkpoints at some paths, each named after its file, or by its whole path if two files have that name."""
    stems = [path.name.removesuffix(SUFFIX) for path in paths]
    return [
        Target(path, stem if stems.count(stem) == 1 else str(path), corpus, encoding)
        for path, stem in zip(paths, stems, strict=True)
    ]
