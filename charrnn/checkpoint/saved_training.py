"""The saved training run: a trainer in Python with the files and the crash safety of the command line."""

import os
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack, overload

from charrnn.checkpoint.event_file import check_events
from charrnn.checkpoint.file_pair import check_same_run
from charrnn.checkpoint.lock import acquire, lock_path
from charrnn.checkpoint.log import check_log
from charrnn.checkpoint.manager import CheckpointManager
from charrnn.checkpoint.naming import check_model_path, reserve
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state
from charrnn.dataset import corpus as corpora
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import STDIN, Source, list_files
from charrnn.dataset.record_form import LINES
from charrnn.errors import CharRNNError, ConfigError, CorpusError
from charrnn.model.display import Displayed
from charrnn.model.model import Model
from charrnn.training import start as trainers
from charrnn.training.options import TrainOptions
from charrnn.training.progress import Progress
from charrnn.training.state import Evaluation
from charrnn.training.trainer import Trainer


class SavedTraining(Displayed):
    """A training run that is saved along the way: iterate over it once to run it.

    Its path is locked until the loop ends, or until `close`, which the end of a `with` block calls too.
    """

    def __init__(self, manager: CheckpointManager):
        self.manager = manager
        self.trainer = manager.trainer
        self.path = manager.path
        self._has_run = False
        self._loop: weakref.ref[Generator[Progress]] | None = None
        """The loop, weakly: one that is left ends, and so is saved, when nothing refers to it."""

    def __iter__(self) -> Iterator[Progress]:
        """Like `Trainer`, with saves; leaving the loop early saves too, and so does an error.

        An interrupted step can't be saved: then the files are those of the last save. Raises `CharRNNError` the second
        time, since the path is no longer locked.
        """
        if self._has_run:
            raise CharRNNError(
                f"a run can be iterated over only once: charrnn.resume({str(self.path)!r}) continues it from its file"
            )
        self._has_run, loop = True, self._run()
        self._loop = weakref.ref(loop)
        return loop

    def _run(self) -> Generator[Progress]:
        with self.manager:
            try:
                yield from self.manager
            finally:
                if self.trainer.is_between_steps:
                    self.manager.leave()

    def close(self) -> None:
        """Ends the run where it is, saves what is new, and unlocks the path."""
        self._has_run = True
        if self._loop is not None and (loop := self._loop()) is not None:
            loop.close()
        if self.manager.has_begun:
            self.manager.lock.release()
        else:
            self.manager.lock.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def best(self) -> Model:
        """The best model so far: see `Trainer.best`."""
        return self.trainer.best

    @property
    def latest(self) -> Model:
        """The model as it is now."""
        return self.trainer.latest

    @property
    def history(self) -> list[Evaluation]:
        """All evaluations so far."""
        return self.trainer.history


@overload
def train(
    text: str | bytes | Corpus,
    *,
    checkpoint: None = None,
    source: Source | None = None,
    init_from: Model | None = None,
    normalization: str | None = None,
    unknown: str = "new",
    **options: Unpack[TrainOptions],
) -> Trainer: ...


@overload
def train(
    text: str | bytes | Corpus,
    *,
    checkpoint: str | Path,
    log: str | Path | None = None,
    tensorboard: str | Path | None = None,
    force: bool = False,
    source: Source | None = None,
    init_from: Model | None = None,
    normalization: str | None = None,
    unknown: str = "new",
    **options: Unpack[TrainOptions],
) -> SavedTraining: ...


def train(
    text: str | bytes | Corpus,
    *,
    checkpoint: str | Path | None = None,
    log: str | Path | None = None,
    tensorboard: str | Path | None = None,
    force: bool = False,
    source: Source | None = None,
    init_from: Model | None = None,
    normalization: str | None = None,
    unknown: str = "new",
    **options: Unpack[TrainOptions],
) -> Trainer | SavedTraining:
    """A new training run on a text, or on bytes for a model of bytes; iterate over it to run it.

        run = charrnn.train(text, hidden_size=64, steps=1000, seed=1, checkpoint="model.safetensors")
        for progress in run:
            print(progress.step, progress.loss)
        model = run.best

    With `checkpoint` the best model is kept in that file and the state to resume from beside it, as on the command
    line: locked, saved after each evaluation, replaced in one step; `log` is a file of JSON lines, `tensorboard` a
    folder for TensorBoard's events, and `force` overwrites files that exist. `normalization` is the normal form of
    Unicode in which the model reads this text and later ones, by default that of `init_from`: one of
    `config.NORMALIZATIONS`. The options and the errors are those of `training.start.start`; with `checkpoint` it also
    raises `CheckpointError` for files that exist, are locked, or can't be written, and `ConfigError` for a log that is
    one of the other files, or without the library that TensorBoard needs.
    """
    corpus = _corpus(text, normalization, init_from)
    if checkpoint is None:
        if log is not None or tensorboard is not None or force:
            raise ConfigError(
                "log, tensorboard and force are only for a run with a checkpoint", "log", "tensorboard", "force"
            )
        return trainers.start(corpus, source=source, init_from=init_from, unknown=unknown, **options)
    path = _absolute(checkpoint, "checkpoint")
    lock = reserve(path, force)
    with lock.discarded_on_error():
        log_path, events = _log_path(log, source, path), _events_path(tensorboard, source, force, path)
        trainer = trainers.start(corpus, source=source, init_from=init_from, unknown=unknown, **options)
        return SavedTraining(CheckpointManager(trainer, path, lock, log=log_path, tensorboard=events, force=force))


def resume(
    checkpoint: str | Path,
    text: str | bytes | Corpus | None = None,
    *,
    log: str | Path | None = None,
    tensorboard: str | Path | None = None,
    **options: Unpack[TrainOptions],
) -> SavedTraining:
    """Continues the run that was saved with a checkpoint, with some options changed: more `steps`, for instance.

    If no text is given, it is read from where it was. The options and the errors are those of `training.start.resume`;
    also raises `CheckpointError` if there is no such run, and `CorpusError` if the text is missing.
    """
    path = check_model_path(_absolute(checkpoint, "checkpoint"))
    lock = acquire(path)
    with lock.discarded_on_error():
        state = load_state(resume_path(path))
        check_same_run(path, state.run_id)
        log_path, events = _log_path(log, state.source, path), _events_path(tensorboard, state.source, True, path)
        if text is not None:
            records = state.source.record_form if state.source is not None else LINES
            normalization = state.text_form.normalization
            if not isinstance(text, Corpus):
                text = corpora.from_text(text, normalization=normalization, record_form=records)
            corpus = text
        elif state.source is None or STDIN in state.source.paths:
            raise CorpusError("this run did not begin with a file: give its text")
        elif missing := (source := state.source.with_compressed()).missing():
            raise CorpusError(f"can't read {missing[0]}, which is no longer a file: give the text")
        else:
            corpus = corpora.read(source, state.corpus.size, digest=state.corpus.digest)
        trainer = trainers.resume(corpus, state, **options)
        return SavedTraining(CheckpointManager(trainer, path, lock, log=log_path, tensorboard=events, resumed=True))


def _corpus(text: str | bytes | Corpus, normalization: str | None, init_from: Model | None) -> Corpus:
    """The corpus of a text in a normal form. Raises `ConfigError` for one that has been read in another form."""
    if isinstance(text, Corpus):
        if normalization not in (None, text.text_form.normalization):
            raise ConfigError("the corpus has been read already: give the normalization to its Source")
        return text
    default = "none" if init_from is None or isinstance(text, bytes) else init_from.text_form.normalization
    return corpora.from_text(text, normalization=default if normalization is None else normalization)


def _absolute(path: str | Path, name: str) -> Path:
    """The path as it is in any folder, so that it still leads to the locked file when the program changes folders.

    Raises `ConfigError` for an empty one, which would be the current folder.
    """
    if path == "":
        raise ConfigError(f"{name} can't be empty: give the name of a file or a folder", name)
    return Path(os.path.abspath(path))


def _log_path(log: str | Path | None, source: Source | None, path: Path) -> Path | None:
    """The path of the log; raises `ConfigError` if it is one of the other files of the run."""
    if log is None:
        return None
    absolute = _absolute(log, "log")
    texts = () if source is None else (*source.paths, *source.val_paths)
    files = [] if source is None else list_files(texts, source.file_filter)
    check_log(Path(log), texts, (path, resume_path(path), lock_path(path), *files))
    return absolute


def _events_path(
    folder: str | Path | None, source: Source | None, continues: bool, *others: Path | None
) -> Path | None:
    """The path of the folder for events; raises what `check_events` does."""
    if folder is None:
        return None
    absolute = _absolute(folder, "tensorboard")
    check_events(Path(folder), () if source is None else (*source.paths, *source.val_paths), continues, others)
    return absolute
