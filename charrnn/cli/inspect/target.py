"""The subject: a checkpoint that is inspected, and the text that it is inspected on."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from charrnn.checkpoint import model_file, naming, training_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset import corpus as corpora
from charrnn.dataset import files, split
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import STDIN, Part, Source
from charrnn.dataset.split import Split
from charrnn.errors import CharRNNError, CorpusError
from charrnn.model.model import Model

MAX_TEXT, MAX_VALIDATION = 1_000_000, 20_000
"""Characters of a text that is given, and of what was held out, that are read, at the most."""


@dataclass
class Target:
    """A checkpoint by the name that it has among others, and the corpus that was given for it, if one was."""

    path: Path
    name: str
    corpus: Path | None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint. Raises `CheckpointError`."""
        return model_file.load(self.path)

    @property
    def model(self) -> Model:
        """Its model."""
        return self.checkpoint.model

    def text(self, given: str) -> str:
        """The text of a file, of stdin where `-` is given, or else what is given itself: its first `MAX_TEXT` characters.

        Raises `CorpusError` for what looks like a file, and is none.
        """
        try:
            named = given == STDIN or (given != "" and Path(given).exists() and not Path(given).is_dir())
        except (OSError, ValueError):  # too long for a name, or with what no name has
            named = False
        if named:
            return files.read_text(_parts(given), self.model.vocabulary)[:MAX_TEXT]
        if Path(given).suffix in (".txt", ".text", ".md", ".py") and not any(map(str.isspace, given)):
            raise CorpusError(f"there is no file {given}")
        return given[:MAX_TEXT]

    @cached_property
    def held_out(self) -> str:
        """Text that the model has not learned from, where it can be had: the first characters of what was held out.

        It is taken from the corpus that was given; or else from that of the training, if it lies where it lay or is
        the one that comes with the package. A corpus that is another one is read from its beginning. Raises
        `CorpusError` where there is none.
        """
        corpus = self._corpus()
        training = self.checkpoint.training
        if training is not None and self._is_known(corpus):
            found: Split = split.split_corpus(corpus, training)
            part = found.held_out if found.held_out.size else found.learned
            ids = part.text(MAX_VALIDATION)
        else:
            ids = corpus.ids[:MAX_VALIDATION]
        if corpus.vocabulary.is_bytes:
            return bytes(ids).decode("utf-8", "surrogateescape")
        return corpus.vocabulary.decode(ids)

    def _corpus(self) -> Corpus:
        as_bytes = self.model.vocabulary.is_bytes
        if self.corpus is not None:
            return corpora.read(Source((str(self.corpus),), as_bytes, errors="replace"))
        record = self.checkpoint.corpus
        for source in self._sources():
            try:
                corpus = corpora.read(source, record.size if record is not None else 0)
            except CorpusError:
                continue
            if self._is_known(corpus):
                return corpus
        raise CorpusError(f"the text that {self.path} was trained on isn't where it was: give one with --corpus FILE")

    def _sources(self) -> list[Source]:
        """Where the corpus of the training may lie."""
        found = []
        try:
            kept = training_file.load_state(naming.resume_path(self.path)).source
            if kept is not None and all(Path(path).is_file() or Path(path).is_dir() for path in kept.paths):
                found.append(kept)
        except CharRNNError:
            pass  # the model alone was passed on
        return [*found, Source((files.bundled_corpus(),), self.model.vocabulary.is_bytes)]

    def _is_known(self, corpus: Corpus) -> bool:
        """Whether it is the corpus of the training."""
        record = self.checkpoint.corpus
        return record is not None and record.digest == corpus.digest


@cache
def _parts(path: str) -> list[Part]:
    """What a file or stdin holds, as far as it is read; it is read once, however many models it is for."""
    found, size = [], 0
    for part in files.read_chunks(files.list_files((path,))):
        found.append(part)
        size += len(part[1])
        if size > 4 * MAX_TEXT:  # no character has more bytes
            break
    return found


def targets(paths: list[Path], corpus: Path | None) -> list[Target]:
    """The checkpoints at some paths, each by its file's name, or by the whole path where others have that name too."""
    stems = [path.name.removesuffix(naming.SUFFIX) for path in paths]
    return [
        Target(path, stem if stems.count(stem) == 1 else str(path), corpus)
        for path, stem in zip(paths, stems, strict=True)
    ]
