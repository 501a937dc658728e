"""The conclusion of a run: what its losses mean, what would lower them, and how to have it again."""

import math
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from lzma import LZMAError
from threading import Thread

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset.split import ValidationStream
from charrnn.training import baselines, diagnosis
from charrnn.training.baselines import MAX_CHARS, MAX_ORDER, Baselines
from charrnn.training.state import Evaluation
from charrnn.training.trainer import Trainer

ALWAYS_STATED = ("optimizer", "lr", "weight_decay", "steps", "seed", "engine", "threads")
"""Settings that a command must state, for what they are where they aren't given may depend on others, or on chance."""
BASELINE_WAIT = 1.0
"""Seconds to wait at the end for what compressors need."""
TRAINING_SAMPLE = 8_000
"""Characters by which it is seen how well a model knows what it has learned from."""


class RunSummary:
    """What is said at the end of a training; what compressors need for the held-out text is found out meanwhile."""

    def __init__(self, training: Trainer):
        self.training = training
        self.others: list[Baselines] = []
        self.measuring = Thread(target=self._measure, daemon=True)

    def start(self) -> None:
        """Begins to compress, in a thread of its own."""
        self.measuring.start()

    def _measure(self) -> None:
        training = self.training
        with suppress(MemoryError, LZMAError):  # it is nothing that a training should fail for
            if training.validation_data.size:
                learned, held_out = training.training_data.text(MAX_CHARS), training.validation_data.text(MAX_CHARS)
                self.others.append(baselines.measure(learned, held_out, training.state.vocabulary))

    def lines(self, row: Evaluation | None, begun_by: list[str] | None, held: bool) -> Iterator[str]:
        """What there is to say, when `start` was called at the beginning.

        `row` is the evaluation of the weights that were kept, and `held` whether the training holds these itself;
        `begun_by` is the command that began it, without its settings, if it was begun.
        """
        training = self.training
        config = training.state.training_config
        self.measuring.join(BASELINE_WAIT)
        if row and row.val_loss is not None:
            compared = [
                f": for the same text xz -9 needs {others.xz:.2f}, "
                f"a table of what follows up to {MAX_ORDER} characters {others.table:.2f}"
                for others in self.others
            ]
            bpc = row.val_loss / math.log(2)
            yield f"validation loss {row.val_loss:.3f} is {bpc:.2f} bits per character{''.join(compared)}"
        if training.deadline is not None and config.steps <= config.warmup:
            yield (
                "the time was over before anything much was learned: give it more --time, "
                "and, where the engine had to be compiled first, try again"
            )
        elif row and self.others and row.rank / math.log(2) > self.others[0].xz > 0:
            yield "it has not come as far as xz yet: more time would help most, or there is nothing to learn"
        elif hint := diagnosis.diagnose(training.history, self._known() if held else None):
            yield hint
        if training.out_of_patience:
            yield f"stopped, as {config.patience} evaluations have brought nothing better"
        if training.deadline is not None and begun_by and not training.state.counters.tries:
            yield f"the same steps again, on any machine: {shlex.join([*begun_by, *self._settings()])}"

    def _known(self) -> float | None:
        """The loss of the best weights on a piece of the running text that they learned from, with nothing dropped."""
        if self.training.known:
            return None
        piece = ValidationStream(self.training.training_data.text(TRAINING_SAMPLE))
        return sum(nats for nats, _ in piece.losses(self.training.best)) / piece.size

    def _settings(self) -> list[str]:
        """Options by which a run is this one, whatever the machine and its speed: all that was chosen is said."""
        s = self.training.state
        usual = asdict(ModelConfig(s.model.vocab_size)) | asdict(TrainingConfig(0))
        words = []
        for name, value in (asdict(s.model) | asdict(s.training)).items():
            if name in ALWAYS_STATED or value != usual[name]:
                words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return words
