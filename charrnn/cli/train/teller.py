"""The teller: how far a run is, in a line every ten seconds, where there is no terminal for a progress bar."""

import math
import time

from charrnn.checkpoint.manager import CheckpointManager
from charrnn.cli.terminal.progress_bar import tqdm
from charrnn.training.progress import Progress

TELL_EVERY = 10.0
"""The most seconds between two lines, unless a single step takes longer."""


class Teller:
    """Decides after each progress of a run whether a line is due, and says what is in it."""

    def __init__(self, manager: CheckpointManager):
        self.manager = manager
        self.first = manager.trainer.state.counters.step
        self.told = self.latest = time.monotonic()

    def line(self, progress: Progress, loss: float) -> str:
        """The line that is due, with the smoothed loss of the training; empty if none is.

        It is due if the next progress, which will take as long as this one did, would be too late for it.
        """
        now = time.monotonic()
        took, self.latest = now - self.latest, now
        if now + took < self.told + TELL_EVERY:
            return ""
        self.told = now
        return self._line(progress, loss)

    def _line(self, progress: Progress, loss: float) -> str:
        trainer, manager, steps = self.manager.trainer, self.manager, self.manager.trainer.state.training_config.steps
        is_step = progress.chars > 0 or progress.evaluation is not None or progress.diverged is not None
        if math.isnan(loss):  # nothing is learned yet: another model's weights are evaluated first
            return f"step {progress.step:,}/{steps:,}{'' if is_step else ', evaluating'}"
        if trainer.deadline is not None:
            left = trainer.deadline.remaining()
        else:
            left = (steps - progress.step) * manager.seconds / max(1, progress.step - self.first)
        return (
            f"step {progress.step:,}/{steps:,}, epoch {progress.epoch:,}, "
            f"loss {loss:.3f} ({loss / math.log(2):.3f} bits), {manager.chars_per_second:,.0f} chars/s, "
            f"{tqdm.format_interval(max(0.0, left))!s} left{'' if is_step else ', evaluating'}"
        )
