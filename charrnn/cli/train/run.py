"""A run of `charrnn train`: training, with its progress on stderr."""

import math
from typing import Any

from charrnn.checkpoint.manager import CheckpointManager
from charrnn.checkpoint.paths import FOLDER
from charrnn.cli.terminal.console import default_interrupt, notifier, show, stop_signals
from charrnn.cli.terminal.engine import notify_compilation
from charrnn.cli.train import announcement
from charrnn.cli.train.files import resume_command
from charrnn.cli.train.rank_lines import of_averages, of_slow_rank
from charrnn.cli.train.run_summary import RunSummary
from charrnn.cli.train.teller import Teller
from charrnn.cli.train.training_bar import TrainingBar
from charrnn.config import LINE_LAYOUTS
from charrnn.dataset import shell_words
from charrnn.engine import compile_time
from charrnn.errors import CharRNNError
from charrnn.inspection.run_samples import run_sample
from charrnn.training import divergence
from charrnn.training.progress import Progress
from charrnn.training.state import Evaluation

COMMANDS = {"translations": "translate", "labels": "classify", "tags": "tag"}
"""The command that uses a model of each form other than a language model, by its layout."""


class Run:
    """Trains with a progress bar, notices and samples, and handles signals."""

    def __init__(
        self,
        manager: CheckpointManager,
        *,
        quiet: bool,
        sample_every: int,
        command: list[str] | None,
        default_time: bool,
        default_min_count: bool,
    ):
        """`command` is the command that began the run, without its settings; None for a resumed run.

        `default_time` says that the training time was not given, and `default_min_count` the same of the `min_count`.
        """
        self.manager, self.trainer = manager, manager.trainer
        self.notice = notifier(quiet)
        self.quiet = quiet
        self.sample_every = sample_every
        """The steps between samples; 0 if there are none."""
        self.command = command
        self.defaults = default_time, default_min_count
        self.summary = RunSummary(self.trainer)
        self.first = self.trainer.state.counters.step
        """The steps before this run."""
        self.sync_every = self.trainer.state.training_config.sync_every
        """The steps between averages of several ranks, as far as notices have said so."""
        self.gaps = 0.0
        """The seconds in which the process could not run, as far as notices have said so."""
        self.has_explained = False
        """Whether a notice has said why the training loss is higher than the validation loss."""

    def go(self) -> int:
        """Trains to the end, or until a signal asks to stop; returns the exit code."""
        with self.manager:
            for line in announcement.lines(self.trainer, self.manager.path, *self.defaults):
                self.notice(line)
            if self.trainer.deadline is None:
                model, config = self.trainer.state.model_config, self.trainer.state.training_config
                samples = 0 < self.sample_every <= config.steps
                kernels = compile_time.training(model.cell, model.form, samples, config.precision)
                notify_compilation(config.engine, kernels, self.quiet)
            if not self._is_over():
                self._warm_up()
                if not self.quiet:
                    self.summary.start()
            signals = self._train()
            if signals:
                return self._interrupted(signals)
            self._finish()
        return 0

    def _is_over(self) -> bool:
        """Whether a resumed run has no step left."""
        return self.command is None and (self.summary.is_at_end or self.trainer.out_of_patience)

    def _train(self) -> dict[int, float]:
        """Trains; returns the signals that stopped it."""
        with TrainingBar(self.trainer, self.quiet) as bar, stop_signals() as signals:
            teller = Teller(self.manager)
            for progress in self.manager:
                self._tell_gap()
                if progress.diverged is not None:
                    self._report_rollback(progress)
                bar.show(progress, self.manager.chars_per_second)
                if progress.chars and self.sample_every and progress.step % self.sample_every == 0:
                    self._sample()
                if not bar.is_shown and (line := teller.line(progress, bar.loss)):
                    self.notice(line)
                if progress.evaluation:
                    self._report(progress.evaluation)
                signals |= self.trainer.signals
                if signals:
                    break
            else:
                bar.complete()
            self.manager.leave()
        return signals

    def _interrupted(self, signals: dict[int, float]) -> int:
        manager, trainer = self.manager, self.trainer
        command = resume_command(
            trainer.state.source, manager.path, manager.log.path, manager.tensorboard, trainer.n_ranks
        )
        then = "this was the last; see how good it is" if self.summary.is_at_end else "continue"
        self.notice(f"interrupted at step {trainer.state.counters.step:,} and saved: {then} with {command}")
        return 128 + next(iter(signals))

    def _finish(self) -> None:
        row, trainer = self.manager.kept, self.trainer
        step = row.step if row else trainer.best_step
        epoch = f" in epoch {trainer.epoch_of(step):,}" if row and step else ""
        path = self.manager.path  # `sample` finds the newest in the folder of checkpoints by itself
        words = [] if path.parent == FOLDER else [str(path)]
        command = shell_words.join(["charrnn", *self._use(words)])
        if self.command is None and trainer.state.counters.step == self.first:
            self.notice(self.summary.nothing_trained())
        elif not self.quiet:
            for line in self.summary.lines(row, self.command, self.manager.kept_model()):
                self.notice(line)
        self.notice(f"done: {path} holds the weights of step {step:,}{epoch}; try {command}")

    def _use(self, model: list[str]) -> list[str]:
        """The words of a command that tries the model."""
        layout = self.trainer.state.training_config.layout
        if layout in COMMANDS:
            return [COMMANDS[layout], *model]
        if layout == "pairs" and self.trainer.labels is None:
            return ["translate", *model]
        return ["sample", *model, *(("--count", "20") if layout in LINE_LAYOUTS else ("--temp", "0.8"))]

    def _warm_up(self) -> None:
        """Compiles what the run needs; Ctrl-C ends the process at once, since there is nothing to save yet."""
        config = self.trainer.state.training_config
        if config.engine != "numba":
            return
        with default_interrupt():
            if self.trainer.deadline is None:  # otherwise measuring the machine has compiled it
                self.trainer.warm_up()
            if 0 < self.sample_every <= config.steps:
                run_sample(self.trainer, length=1, count=1)

    def result(self) -> dict[str, Any]:
        """The results; the losses are those of the weights in the model's file, if known."""
        trainer, s, row = self.trainer, self.trainer.state, self.manager.kept
        more = {} if trainer.rank_report is None else trainer.rank_report.to_json()
        more |= {"sync_every": s.training_config.sync_every} if s.training_config.sync_every else {}
        if s.init_from is not None and trainer.history and not (first := trainer.history[0]).step:
            more["start_val_loss"] = first.val_loss
        return {
            "checkpoint": str(self.manager.path),
            "steps": s.counters.step,
            "epochs": round(s.counters.epoch + s.counters.batch / trainer.training_data.steps_per_epoch, 3),
            "seconds": round(self.manager.seconds, 3),
            "chars_per_second": round(self.manager.chars_per_second, 1),
            **self.summary.losses(row, self.manager.kept_model()),
            "parameters": s.n_params,
            "engine": s.training_config.engine,
            "precision": s.training_config.precision,
            "threads": len(trainer.shards),
            "seed": s.training_config.seed,
            **more,
        }

    def _tell_gap(self) -> None:
        """Says that the process could not run for a while, if the training time was planned anew because of that."""
        gaps = self.trainer.deadline.clock.gaps if self.trainer.deadline is not None else 0.0
        if gaps > self.gaps:
            self.notice(
                f"paused for {gaps - self.gaps:.0f} s, in which the process was stopped or the machine slept: they do "
                "not count as training time"
            )
        self.gaps = gaps

    def _report_rollback(self, progress: Progress) -> None:
        assert progress.diverged is not None
        rollbacks = self.trainer.state.counters.rollbacks
        self.notice(
            f"training diverged at step {progress.diverged + 1:,}: rolled back to step {progress.step:,}; it continues "
            f"at half the learning rate, {progress.lr:g} (rollback {rollbacks} of {divergence.MAX_ROLLBACKS})"
        )

    def _report(self, row: Evaluation) -> None:
        parts = [
            f"step {row.step:,}/{self.trainer.state.training_config.steps:,}",
            f"epoch {self.trainer.epoch_of(row.step):,}",
        ]
        if row.train_loss is not None:
            parts.append(f"training loss {row.train_loss:.3f}{self._explanation(row, row.train_loss)}")
        if row.val_loss is not None:
            bpc = row.val_loss / math.log(2)
            parts.append(f"validation loss {row.val_loss:.3f} ({bpc:.3f} bits per {self.summary.unit})")
        sync_every = self.trainer.state.training_config.sync_every
        averages = of_averages(sync_every, self.sync_every)
        for line in (", ".join(parts), *of_slow_rank(self.trainer.rank_report), *averages):
            self.notice(line)
        self.sync_every = max(self.sync_every, sync_every)

    def _explanation(self, row: Evaluation, train_loss: float) -> str:
        """Why the training loss is higher than the validation loss, where it first is and dropout is a reason."""
        model = self.trainer.state.model_config
        has_dropout = model.dropout or model.drop_connect
        if self.has_explained or row.val_loss is None or train_loss <= row.val_loss or not has_dropout:
            return ""
        self.has_explained = True
        n = row.step - max((each.step for each in self.trainer.history if each.step < row.step), default=0)
        return f" (the mean of {n:,} steps, with dropout, which is off in validation)"

    def _sample(self) -> None:
        deadline = self.trainer.deadline
        began = deadline.clock.now() if deadline is not None else 0.0
        try:
            text = run_sample(self.trainer).strip()
            self.notice(f"sample at step {self.trainer.state.counters.step:,}:")
            for line in text.split("\n") if not self.quiet else ():
                show(f"    {line}")
            self.manager.write_sample(text)
        except (CharRNNError, MemoryError) as error:  # a run is worth more than a sample
            self.notice(f"no sample: {error}")
        if deadline is not None:  # the first sample may have to compile
            deadline.pause(deadline.clock.now() - began)
