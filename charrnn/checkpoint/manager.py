"""The checkpoint manager: saves a run along the way, protects a better model, and writes the log and the events."""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from charrnn.checkpoint.event_file import EventFile
from charrnn.checkpoint.file_pair import begin_pair, check_same_run, save_pair
from charrnn.checkpoint.kept_model import update_ngrams
from charrnn.checkpoint.lock import Lock
from charrnn.checkpoint.log import Log
from charrnn.checkpoint.model_file import Checkpoint, load
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import save_state
from charrnn.errors import CheckpointError, DivergenceError
from charrnn.model.model import Model
from charrnn.training import evaluation
from charrnn.training.progress import Progress
from charrnn.training.state import Evaluation
from charrnn.training.trainer import Trainer

SAVE_EVERY = 120.0
"""Seconds between saves if evaluations are further apart."""
MAX_LOG_LINES = 1000
"""The most lines of a log, not counting those of the evaluations."""


class CheckpointManager:
    """Runs a trainer and keeps its two files: the best model and, beside it, the state to resume from.

        with CheckpointManager(trainer, path, lock) as manager:
            for progress in manager:
                …
            manager.save_if_changed()

    Entering the block makes the first save, so that a path that can't be written fails before anything is learned.
    Leaving the block closes the logs and releases the lock, and so does an error on entering. If a save fails along the
    way, the files of the last one stay, and there is a warning; if it fails in `save_if_changed`, that raises
    `CheckpointError`.
    """

    def __init__(
        self,
        trainer: Trainer,
        path: Path,
        lock: Lock,
        *,
        log: Path | None = None,
        tensorboard: Path | None = None,
        resumed: bool = False,
        force: bool = False,
        warn: Callable[[str], None] = warnings.warn,
    ):
        """`lock` is the lock of the path; `log` is a file, and `tensorboard` a folder for events.

        `force` overwrites both; `warn` gets the problems that don't end the run.
        """
        self.trainer = trainer
        self.path = path
        self.lock = lock
        self.warn = warn
        self.tensorboard = tensorboard
        self.resumed = resumed
        self.chars = 0
        self.began = self.saved = time.monotonic()
        self.log_every = max(1, trainer.state.training_config.steps // MAX_LOG_LINES)
        self.previous_best = self._find_previous_best() if resumed else None
        """The evaluation of the model in the file, as long as the trainer has no weights that it would rather keep."""
        self._last_saved: tuple[object, ...] = ()
        self._log_options = (log, trainer.state, resumed, force)
        self.events = EventFile(None, trainer.state, resumed, force)

    def __enter__(self) -> Self:
        with self.lock.discarded_on_error():
            self._begin()
        return self

    def _begin(self) -> None:
        """Opens the log and the events, and makes the first save."""
        self.log = Log(*self._log_options)
        try:
            self.events = EventFile(self.tensorboard, *self._log_options[1:])
            try:
                self.save()
                if self.previous_best:
                    update_ngrams(self.path, self.trainer)
            except BaseException:
                self.events.discard()
                raise
        except BaseException:
            self.log.discard()
            raise
        self.log.begin()
        self.events.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.close()
        self.events.close()
        self.lock.release()

    def __iter__(self) -> Iterator[Progress]:
        """Runs the trainer, and saves after each evaluation and every `SAVE_EVERY` seconds.

        It saves before it yields, so that a loop that is left after a save has nothing more to save. If training
        diverges for good, its last good state is saved before the error is raised.
        """
        self.began = time.monotonic()
        try:
            for progress in self.trainer:
                self.chars += progress.chars
                self._log_progress(progress)
                is_due = time.monotonic() - self.saved > SAVE_EVERY
                if progress.evaluation or (is_due and self.trainer.is_complete):
                    self._save_or_warn()
                yield progress
        except DivergenceError:
            self.save()
            raise

    # Results

    @property
    def has_begun(self) -> bool:
        """Whether the first save was made."""
        return bool(self._last_saved)

    @property
    def seconds(self) -> float:
        """The time since training began."""
        return time.monotonic() - self.began

    @property
    def chars_per_second(self) -> float:
        """The mean speed of training so far."""
        return self.chars / max(self.seconds, 1e-9)

    @property
    def kept(self) -> Evaluation | None:
        """The evaluation of the weights in the model's file, if there was one."""
        return self.previous_best or self._best()

    def _best(self) -> Evaluation | None:
        """The evaluation of the trainer's best weights, if there was one."""
        return next((row for row in self.trainer.history if row.step == self.trainer.best_step), None)

    def kept_model(self) -> Model | None:
        """The model in the file, as the trainer has it or, if only the file has, as it is there; None if it is gone."""
        if not self.previous_best:
            return self.trainer.best
        try:
            return load(self.path, self.trainer.state.training_config.engine).model
        except CheckpointError:
            return None

    # Saving

    def save(self) -> None:
        """Saves the state and, unless the file holds a better model of this run, the best model.

        Never overwrites a file of another run. Raises `CheckpointError` if a file can't be written.
        """
        self.trainer.complete()
        trainer, s, began = self.trainer, self.trainer.state, time.monotonic()
        self.log.flush_to_disk()
        with self._event_errors():
            self.events.flush_to_disk()
        best = self._best()
        previous = None if self._is_surpassed(best) else self.previous_best
        first = not self.resumed and not self.has_begun
        untrained = not s.counters.step and not s.history and s.training_config.steps > 0
        if self.has_begun:
            check_same_run(self.path, s.run_id)
        if first:
            begin_pair(self.path, s)
        if not (untrained or previous):
            save_pair(self.path, Checkpoint.from_trainer(trainer), s)
        elif not first:
            save_state(resume_path(self.path), s)
        self.saved, self.previous_best = time.monotonic(), previous
        if trainer.deadline is not None:  # the first save may have waited for the writes of other programs
            trainer.deadline.saving = min(trainer.deadline.saving or math.inf, self.saved - began)
        self._last_saved = self._fingerprint()

    def _is_surpassed(self, best: Evaluation | None) -> bool:
        """Whether the trainer would keep its best weights rather than those of `previous_best`."""
        previous = self.previous_best
        if not previous or not best:
            return False
        in_order = sorted((previous, best), key=lambda row: row.step)
        return evaluation.best(in_order, self.trainer.tolerance) is best

    def save_if_changed(self) -> None:
        """Saves if there is anything new since the last save."""
        if self._last_saved != self._fingerprint():
            self.save()

    def leave(self) -> None:
        """Saves what is new in a run that may be left before its end, and then what can be measured of it."""
        self.save_if_changed()
        self.trainer.measure()  # who can't wait for it has everything else
        self.save_if_changed()

    def _fingerprint(self) -> tuple[object, ...]:
        """Differs from the last one if there is anything new to save.

        A deadline may change only the configuration, and what is measured of the model may come after the last
        evaluation.
        """
        trainer, s = self.trainer, self.trainer.state
        return s.counters.step, len(trainer.history), s.training_config, trainer.line_scores, trainer.ngrams

    def _save_or_warn(self) -> None:
        """Saves along the way; if that fails, the files of the last save stay, and training continues."""
        try:
            self.save()
        except (CheckpointError, MemoryError) as error:
            why = error if isinstance(error, CheckpointError) else f"there is not enough memory to save {self.path}"
            self.warn(f"{why}: training continues, and will be saved as soon as possible")
            self.saved = time.monotonic()

    def _find_previous_best(self) -> Evaluation | None:
        """The evaluation of the model in the file, if it belongs to this run but is not in its state.

        If it is in its state, the weights are the trainer's best, and so are the scores that they give held-out lines.

        The last evaluation of a run may not be a regular one; a longer run would not have made it, so the state does
        not have it. If it was the best, its weights must not be replaced by worse ones.
        """
        try:
            checkpoint = load(self.path)
        except CheckpointError:
            return None
        if checkpoint.run_id != self.trainer.state.run_id:
            return None
        if checkpoint.step == self.trainer.best_step:
            self._take_measures(checkpoint.model)
        row = next((row for row in checkpoint.history if row.step == checkpoint.step), None)
        return row if row and row.val_loss is not None and row not in self.trainer.history else None

    def _take_measures(self, model: Model) -> None:
        """Takes over what was measured of the model in the file, if it has all that the trainer would measure."""
        trainer, table = self.trainer, model.ngrams
        if (table and table.order) != (trainer.ngrams and trainer.ngrams.order) or (table and table.loss is None):
            return
        trainer.line_scores, trainer.ngrams = model.line_scores, table
        if model.line_scores:  # a run that was left has measured n-grams alone
            trainer.measured_step = trainer.best_step

    # The log

    def _log_progress(self, progress: Progress) -> None:
        if progress.diverged is not None:
            rollbacks = self.trainer.state.counters.rollbacks
            self._write_log(step=progress.step, diverged=progress.diverged + 1, rollbacks=rollbacks, lr=progress.lr)
        elif progress.evaluation:
            row = progress.evaluation
            line = asdict(row) | {"epoch": progress.epoch}
            if report := self.trainer.rank_report:
                line["waiting"] = [round(share, 4) for share in report.waiting]
            self._write_log(**line, val_bpc=None if row.val_loss is None else row.val_loss / math.log(2))
        elif progress.chars and progress.step % self.log_every == 0:
            self._write_log(
                step=progress.step,
                epoch=progress.epoch,
                loss=progress.loss,
                lr=progress.lr,
                grad_norm=progress.grad_norm,
            )

    def _write_log(self, **line: Any) -> None:
        line |= {"seconds": round(self.seconds, 3), "chars_per_second": round(self.chars_per_second, 1)}
        try:
            self.log.write(line)
        except OSError as error:  # a run is worth more than its log
            self.warn(f"can't write the log any more ({error.strerror or error}): training continues without it")
        with self._event_errors():
            self.events.write(line)

    def write_sample(self, text: str) -> None:
        """Adds a sample of the model as it is now to the events for TensorBoard, if there are any."""
        with self._event_errors():
            self.events.write_sample(self.trainer.state.counters.step, text)

    @contextmanager
    def _event_errors(self) -> Iterator[None]:
        """Turns an error of writing the events into a warning."""
        try:
            yield
        except OSError as error:
            why = error.strerror or error
            self.warn(f"can't write the events for TensorBoard any more ({why}): training continues without them")
