"""The training bar: how far a run is, on a terminal or in a notebook."""

import math
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from charrnn.checkpoint.saved_training import SavedTraining
from charrnn.cli.terminal.progress_bar import complete, progress_bar
from charrnn.training.progress import Progress
from charrnn.training.trainer import Trainer


class TrainingBar:
    """A progress bar over the steps of a run, or over the seconds if it has a deadline; it is closed by its block."""

    def __init__(self, trainer: Trainer, quiet: bool = False):
        """Shows the bar, unless `quiet`, where there is a terminal or a notebook."""
        self.trainer = trainer
        self.loss = math.nan
        """The smoothed loss of the training."""
        deadline, s = trainer.deadline, trainer.state
        count = "{postfix}" if deadline else "step {n_fmt}/{total_fmt} {postfix}"
        total = max(0.1, deadline.remaining()) if deadline else s.training_config.steps
        self.bar = progress_bar(total, 0 if deadline else s.counters.step, count, quiet)

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to see."""
        return not self.bar.disable

    def show(self, progress: Progress, chars_per_second: float) -> None:
        """Shows the progress of the run, with the smoothed loss and the mean speed so far."""
        deadline = self.trainer.deadline
        if progress.diverged is not None:
            if not deadline:
                self.bar.update(progress.step - self.bar.n)
        elif not progress.chars:
            self.bar.set_postfix_str("evaluating" if not progress.evaluation else "", refresh=True)
        else:
            self.loss = progress.loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * progress.loss
            loss = f"loss {self.loss:.3f} bpc {self.loss / math.log(2):.3f}"
            self.bar.set_postfix_str(f"epoch {progress.epoch:,} {loss} {chars_per_second:,.0f} chars/s", refresh=False)
            self.bar.update((self.bar.total or 0.0) - deadline.remaining() - self.bar.n if deadline else 1)

    def complete(self) -> None:
        """Shows that all is done."""
        complete(self.bar)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def watch(run: Trainer | SavedTraining) -> Iterator[Progress]:
    """Runs a training as a loop over it does, with a progress bar in a notebook or on a terminal.

        for progress in charrnn.watch(run):
            pass

    Where there is neither, nothing is printed.
    """
    chars, began = 0, time.monotonic()
    with TrainingBar(run if isinstance(run, Trainer) else run.trainer) as bar:
        for progress in run:
            chars += progress.chars
            bar.show(progress, chars / max(time.monotonic() - began, 1e-9))
            yield progress
        bar.complete()
