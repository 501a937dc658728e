"""A run of `charrnn train`: a training with its progress on stderr and its results on disk."""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from charrnn.checkpoint import file_pair, model_file, naming, training_file
from charrnn.checkpoint.log import Log
from charrnn.cli.terminal.console import default_interrupt, notifier, stop_signals, tell_of_compilation
from charrnn.cli.train.files import resume_command
from charrnn.cli.train.run_summary import RunSummary
from charrnn.config import MAX_SEED, ModelConfig, SamplingConfig
from charrnn.errors import CharRNNError, CheckpointError, DivergenceError
from charrnn.sampling import generate, lines
from charrnn.training.options import DEFAULT_TIME
from charrnn.training.state import CorpusInfo, Evaluation
from charrnn.training.trainer import MAX_ROLLBACKS, Progress, Trainer

SAVE_AFTER = 120.0
"""Seconds between saves, where evaluations are further apart."""
LOGGED = 1000
"""Lines of the log, at most, beside those of the evaluations."""
SAMPLE_LENGTH = 200
SAMPLE_RECORDS = 5


class Run:
    """One process's share of a training: shows it, saves it, and knows how to be interrupted."""

    def __init__(
        self,
        training: Trainer,
        path: Path,
        quiet: bool,
        sample_every: int,
        log: Path | None,
        force: bool,
        begun_by: list[str] | None,
        unasked: bool,
    ):
        """`begun_by` is the command that began the run, without its settings; None where the run is resumed.

        `unasked` says that nobody has asked for the time that the run takes.
        """
        self.training = training
        self.path = path
        self.say = notifier(quiet)
        self.quiet = quiet
        self.sample_every = sample_every
        self.open_log = partial(Log, log, training.state, begun_by is None, force)
        self.begun_by = begun_by
        self.unasked = unasked
        self.conclusion = RunSummary(training)
        self.rival = self._rival() if begun_by is None else None
        """What the model's file holds, while that is better than anything this run has come to."""
        self.log_every = max(1, training.state.training_config.steps // LOGGED)
        self.last_saved: tuple[object, ...] = ()
        """What was saved last: see `_state`."""
        self.chars = 0
        self.began = self.saved = time.monotonic()
        self.loss = math.nan

    def go(self) -> int:
        """Trains to the end, or until a signal asks to stop; returns the exit code."""
        self.log = self.open_log()
        try:
            return self._go()
        finally:
            self.log.close()

    def _go(self) -> int:
        self._announce()
        self._begin()
        if self.training.deadline is None:
            tell_of_compilation(self.training.state.training_config.engine, self.quiet)
        self._rehearse()
        if not self.quiet:
            self.conclusion.start()
        self.began = time.monotonic()
        with self._bar() as bar, stop_signals() as signals:
            for progress in self._followed():
                self._show(bar, progress)
                if progress.evaluation:
                    self._report(progress.evaluation)
                if progress.evaluation or time.monotonic() - self.saved > SAVE_AFTER:
                    self._save_if_possible()
                if signals:
                    break
            if self.last_saved != self._state():
                self._save()
            if signals:
                command = resume_command(self.training.state.source, self.path)
                step = self.training.state.counters.step
                self.say(f"interrupted at step {step:,}, and saved: go on with {command}")
                return 128 + next(iter(signals))
        row = self._kept()
        step = row.step if row else self.training.best_step
        epoch = f" in epoch {row.epoch + 1}" if row else ""
        following = "charrnn sample --count 20" if self.training.known else "charrnn sample --temp 0.8"
        if not self.quiet:
            for line in self.conclusion.lines(row, self.begun_by, held=not self.rival):
                self.say(line)
        self.say(f"done: {self.path} holds the weights of step {step:,}{epoch}; try {following}")
        return 0

    def _rehearse(self) -> None:
        """Has compiled what the run needs, while it may still be ended at once: there is nothing to save yet."""
        config = self.training.state.training_config
        if config.engine != "numba":
            return
        with default_interrupt():
            if self.training.deadline is None:  # else it has been done, to measure the machine
                self.training.rehearse()
            if 0 < self.sample_every <= config.steps and not self.quiet:
                self._drawn(length=1, count=1)

    def _followed(self) -> Iterator[Progress]:
        """The training, of which the last sound state is saved where it gives up."""
        try:
            yield from self.training
        except DivergenceError:
            self._save()
            raise

    def result(self) -> dict[str, Any]:
        """What the run has come to; the losses are those of the weights in the checkpoint, where they are known."""
        training, s = self.training, self.training.state
        row = self._kept()
        seconds = time.monotonic() - self.began
        return {
            "checkpoint": str(self.path),
            "steps": s.at.step,
            "epochs": round(s.at.epoch + s.at.chunk / training.training_data.chunks, 3),
            "seconds": round(seconds, 3),
            "chars_per_second": round(self.chars / max(seconds, 1e-9), 1),
            "train_loss": row.train_loss if row else None,
            **_validation(row),
            "parameters": training.latest.size,
            "engine": s.training.engine,
            "threads": len(training.shards),
            "seed": s.training.seed,
        }

    def _bar(self) -> "tqdm[Any]":
        """A bar over the steps, or over the seconds where only these are given."""
        pace, steps = self.training.deadline, self.training.state.training_config.steps
        count = "{postfix}" if pace else "step {n_fmt}/{total_fmt} {postfix}"
        return tqdm(
            total=pace.end - self.began if pace else steps,
            initial=0 if pace else self.training.state.counters.step,
            disable=self.quiet or not sys.stderr.isatty(),
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% {bar} " + count + " {elapsed}, {remaining} left",
        )

    def _announce(self) -> None:
        training, s = self.training, self.training.state
        model, config, corpus, at = s.model, s.training, s.corpus, s.at
        n = len(training.shards)
        threads = f"{n} threads" if n > 1 else "1 thread"
        if self.unasked:
            self.say(f"takes {DEFAULT_TIME / 60:g} minutes: --time says another time, --steps or --epochs another end")
        self._tell_of_corpus(corpus)
        self.say(
            f"{model.cell}, {model.layers} × {model.hidden_size}: {training.latest.size:,} parameters; "
            f"{config.engine} engine, {threads}"
        )
        B, epochs = training.training_data.rows, config.steps / training.training_data.chunks
        each = f"{B} lines" if config.lines else f"{B} × {training.training_data.per_step / B:.0f} characters"
        if training.deadline is not None:
            what = "goes on for" if at.step else "chosen for"
            self.say(f"{what} {training.deadline.seconds:.0f} seconds of this machine, and about so many steps:")
        self.say(
            f"{config.steps:,} steps of {each}, {epochs:.3g} epochs, "
            f"{config.optimizer} at {config.lr:g}, {config.schedule}, {_dropped(model)}; seed {config.seed}"
        )
        self.say(f"{'goes on at step ' + format(at.step, ',') + ', ' if at.step else ''}writes {self.path}")

    def _tell_of_corpus(self, corpus: CorpusInfo) -> None:
        vocabulary, lines = self.training.state.vocabulary, corpus.training_lines + corpus.validation_lines
        characters = f"{corpus.training + corpus.validation:,} {'bytes' if vocabulary.is_bytes else 'characters'}"
        self.say(f"{corpus.name}: {f'{lines:,} lines, ' * bool(lines)}{characters}, {len(vocabulary)} distinct")
        if corpus.validation and lines:
            learned, held_out = corpus.training_lines, corpus.validation_lines
            self.say(f"learns from {learned:,} of the lines, validates on the other {held_out:,}, drawn at random")
        elif corpus.validation:
            self.say(f"learns from the first {corpus.training:,}, validates on the last {corpus.validation:,}")
        elif self.training.state.training_config.val_fraction:
            self.say("too short to hold any out for validation: learns from all, and keeps the last weights")

    def _show(self, bar: "tqdm[Any]", progress: Progress) -> None:
        if progress.diverged is not None:
            tries = self.training.state.counters.tries
            self.say(
                f"the training diverged at step {progress.diverged + 1:,}: back to step {progress.step:,}, and on at "
                f"half the rate, {progress.lr:g} (try {tries} of {MAX_ROLLBACKS})"
            )
            self._log(step=progress.step, diverged=progress.diverged + 1, tries=tries, lr=progress.lr)
            if not self.training.deadline:
                bar.update(progress.step - bar.n)
            return
        if not progress.chars:
            bar.set_postfix_str("evaluating" if not progress.evaluation else "", refresh=True)
            return
        self.chars += progress.chars
        self.loss = progress.loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * progress.loss
        speed = self.chars / max(time.monotonic() - self.began, 1e-9)
        bar.set_postfix_str(
            f"epoch {progress.epoch + 1} loss {self.loss:.3f} bpc {self.loss / math.log(2):.3f} {speed:,.0f} chars/s",
            refresh=False,
        )
        bar.update(time.monotonic() - self.began - bar.n if self.training.deadline else 1)
        if progress.step % self.log_every == 0:
            self._log(
                step=progress.step,
                epoch=progress.epoch,
                loss=progress.loss,
                lr=progress.lr,
                grad_norm=progress.grad_norm,
            )
        if self.sample_every and progress.step % self.sample_every == 0 and not self.quiet:
            self._sample()

    def _report(self, row: Evaluation) -> None:
        validation = _validation(row)
        self._log(**(asdict(row) | validation))
        parts = [f"step {row.step:,}/{self.training.state.training_config.steps:,}", f"epoch {row.epoch}"]
        if row.train_loss is not None:
            parts.append(f"training loss {row.train_loss:.3f}")
        if row.val_loss is not None:
            parts.append(f"validation loss {row.val_loss:.3f} ({validation['val_bpc']:.3f} bits per character)")
        self.say(", ".join(parts))

    def _log(self, **line: Any) -> None:
        seconds = time.monotonic() - self.began
        line |= {"seconds": round(seconds, 3), "chars_per_second": round(self.chars / max(seconds, 1e-9), 1)}
        try:
            self.log.write(line)
        except OSError as error:  # the training is worth more than its log
            self.say(f"can't write the log any more ({error.strerror or error}): the training goes on without it")

    def _sample(self) -> None:
        began = time.monotonic()
        try:
            for line in self._drawn(SAMPLE_LENGTH, SAMPLE_RECORDS).strip().split("\n"):
                self.say(f"    {line}")
        except (CharRNNError, MemoryError) as error:  # the training is worth more than a sample
            self.say(f"no sample: {error}")
        if self.training.deadline is not None:  # the first sample may have to be compiled
            self.training.deadline.pause(time.monotonic() - began)

    def _drawn(self, length: int, count: int) -> str:
        """A text of the model as it is now, or so many of its records, so long at the most."""
        model, s = self.training.latest, self.training.state
        asked: dict[str, Any] = {"seed": (s.training.seed + s.at.step) % MAX_SEED, "config": SamplingConfig(temp=0.8)}
        if model.line_set is None:
            return "".join(generate.generate(model, length=length, **asked))
        length = min(length, model.line_set.default_length)
        return "\n".join(record.text for record in lines.sample_lines(model, count=count, length=length, **asked))

    def _state(self) -> tuple[object, ...]:
        """What changes where there is something new to save. A pace may move the end to a step that has passed."""
        s = self.training.state
        return s.at.step, len(self.training.history), s.training

    def _save(self) -> None:
        training, s, began = self.training, self.training.state, time.monotonic()
        self.log.settle()
        row = self._best()
        rival = None if self.rival and row and row.rank < self.rival.rank else self.rival
        begins = self.begun_by is not None and not self.last_saved
        untrained = not s.at.step and s.training.steps > 0
        if self.last_saved:
            file_pair.check_same_run(self.path, s.run)
        if begins:
            file_pair.begin_pair(self.path, s)
        if not (untrained or rival):
            checkpoint = model_file.Checkpoint(
                training.best, training.best_step, s.training, s.corpus, training.history, run=s.run
            )
            file_pair.save_pair(self.path, checkpoint, s)
        elif not begins:
            training_file.save_state(naming.resume_path(self.path), s)
        self.saved, self.rival = time.monotonic(), rival
        if training.deadline is not None:  # the first save may wait for what others have written
            training.deadline.saving = min(training.deadline.saving or math.inf, self.saved - began)
        self.last_saved = self._state()

    def _save_if_possible(self) -> None:
        """Saves on the way; where that can't be done the last files stay, and the training is worth going on."""
        try:
            self._save()
        except (CheckpointError, MemoryError) as error:
            why = error if isinstance(error, CheckpointError) else f"there is not enough memory to save {self.path}"
            self.say(f"{why}: the training goes on, and is saved as soon as that can be done")
            self.saved = time.monotonic()

    def _begin(self) -> None:
        """The first save: what can't be written is known before anything is learned."""
        try:
            self._save()
        except BaseException:
            self.log.discard()
            raise
        self.log.begin()

    def _kept(self) -> Evaluation | None:
        """The evaluation of the weights that the model's file has, if there was one."""
        return self.rival or self._best()

    def _best(self) -> Evaluation | None:
        """The evaluation of the weights that `training.best` has, if there was one."""
        return next((row for row in self.training.history if row.step == self.training.best_step), None)

    def _rival(self) -> Evaluation | None:
        """The evaluation that the model's file holds, if it is of this training and not in its snapshot.

        The last evaluation of a run may lie off the grid of the regular ones; a longer run would not have made it, and
        so a snapshot knows nothing of it. Yet if it was the best, its weights are not given up for worse ones.
        """
        try:
            kept = model_file.load(self.path)
        except CheckpointError:
            return None
        now = self.training.state
        if kept.run != now.run:
            return None
        row = next((row for row in kept.history if row.step == kept.step), None)
        return row if row and row.val_loss is not None and row not in self.training.history else None


def _dropped(model: ModelConfig) -> str:
    found = f"dropout {model.dropout:g}{' (locked)' * (model.locked and model.dropout > 0)}"
    return found + f" and {model.drop_connect:g} of the recurrent weights" * (model.drop_connect > 0)


def _validation(row: Evaluation | None) -> dict[str, float | None]:
    loss = row.val_loss if row else None
    return {"val_loss": loss, "val_bpc": None if loss is None else loss / math.log(2)}
