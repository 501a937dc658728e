"""The training state: everything that a run needs to continue as if it had never stopped."""

import hashlib
import json
import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from charrnn.config import OMIT_DEFAULT, Config, ModelConfig, TrainingConfig, between, one_of
from charrnn.dataset.files import Source
from charrnn.dataset.text_form import DEFAULT_FORM, TextForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model.losses import Losses
from charrnn.types import Array, Params

UNKNOWN = ("new", "skip", "nearest")
"""What a run that starts from a model does with characters that this model does not know: they get rows of their own,
or they are left out or replaced as in `Vocabulary.replace_unknown`."""
MAX_LOSS = 1e300
"""The largest loss that is valid in a file."""


@dataclass(frozen=True)
class CorpusInfo(Config):
    """The facts to store about a corpus: enough to recognise it; no paths."""

    name: str
    size: int
    """In bytes, as read."""
    digest: str
    """SHA-256 of those bytes."""
    training_chars: int
    """The characters to learn from."""
    validation_chars: int
    """The held-out characters: of a continuous text, its end or blocks of it, or a text of its own."""
    training_lines: int = 0
    """The lines to learn from; 0 for a continuous text."""
    validation_lines: int = 0
    """The held-out lines."""
    val_name: str = field(default="", metadata=OMIT_DEFAULT)
    """The name of the text of its own that is validated on; empty: a part of the corpus is."""
    val_size: int = field(default=0, metadata=OMIT_DEFAULT)
    """The size of that text in bytes, as read."""
    val_digest: str = field(default="", metadata=OMIT_DEFAULT)
    """SHA-256 of those bytes."""

    def check(self) -> None:
        between("length of the name", len(self.name), 0, 10_000)
        between("size", self.size, 0, 2**53)
        between("training_chars", self.training_chars, 2, 2**53)
        between("validation_chars", self.validation_chars, 0, 2**53)
        between("training_lines", self.training_lines, 0, 2**53)
        between("validation_lines", self.validation_lines, 0, 2**53)
        between("length of val_name", len(self.val_name), 0, 10_000)
        between("val_size", self.val_size, 0, 2**53)


@dataclass(frozen=True)
class Evaluation(Config):
    """A row of the history. Losses are means in nats per character."""

    step: int
    epoch: int
    """The epochs that were completed."""
    lr: float
    train_loss: float | None
    """Over the steps since the previous row; None if there were none."""
    val_loss: float | None
    """Over the whole validation data; None if nothing is held out."""
    ema: bool = False
    """The validation loss is that of the averaged weights, which did better than the weights themselves."""

    @property
    def rank(self) -> float:
        """The validation loss, or infinity without one: the lower, the better."""
        return math.inf if self.val_loss is None else self.val_loss

    def check(self) -> None:
        between("step", self.step, 0, 2**53)
        between("epoch", self.epoch, 0, 2**53)
        between("lr", self.lr, 0, 1e6)
        for name in ("train_loss", "val_loss"):
            between(name, getattr(self, name) or 0.0, 0, MAX_LOSS)


@dataclass(frozen=True)
class InitFrom(Config):
    """How a run took over another model's weights, and the characters that this model did not know."""

    unknown: str = "new"
    """What became of those: one of `UNKNOWN`."""
    n_new: int = 0
    """The characters that got rows of their own."""
    n_replaced: int = 0
    """The characters of the text, each as often as it occurs, that were left out or replaced."""

    def check(self) -> None:
        one_of("unknown", self.unknown, UNKNOWN)
        between("n_new", self.n_new, 0, 0x110000)
        between("n_replaced", self.n_replaced, 0, 2**53)


def loss_curve(history: Sequence[Evaluation]) -> tuple[Losses, ...]:
    """The losses at each evaluation."""
    return tuple(Losses(row.step, row.train_loss, row.val_loss) for row in history)


@dataclass
class Counters(Config):
    """Where a run is, between two steps."""

    step: int = 0
    """Steps taken."""
    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches of this epoch that were read."""
    order: int = 0
    """The order of this epoch: the offset at which it began, or the seed that shuffled its lines."""
    best_step: int = 0
    """The step of the best weights."""
    loss_sum: float = 0.0
    """The sum of the losses of the steps since the last evaluation, each times its batch's weight."""
    loss_steps: float = 0.0
    """The sum of those weights."""
    rollbacks: int = 0
    """How often training diverged and was rolled back."""

    def check(self) -> None:
        for name in ("step", "epoch", "batch", "order", "best_step", "loss_steps", "rollbacks"):
            between(name, getattr(self, name), 0, 2**53)
        between("loss_sum", self.loss_sum, 0, MAX_LOSS)

    def is_valid_for(self, steps_per_epoch: int, n_orders: int) -> bool:
        """Whether a run with such epochs can have these counters."""
        expected = self.epoch * steps_per_epoch + self.batch
        return self.step == expected and self.batch < steps_per_epoch and self.order < n_orders


@dataclass
class TrainingState:
    """The state of a run between two steps; the trainer changes it in place."""

    model_config: ModelConfig
    training_config: TrainingConfig
    vocabulary: Vocabulary
    corpus: CorpusInfo
    source: Source | None
    """Where the corpus was read from; None for a text from memory."""
    params: Params
    moments: Params
    ema: Params
    """The exponential moving average of the weights; empty if none is kept."""
    rnn_state: Array
    """The network's state [L, S, B, H] at the start of the next batch."""
    rng: np.random.Generator
    history: list[Evaluation]
    best: Params
    """The weights of the best evaluation so far (`evaluation.best`), calibrated; empty before the first one."""
    counters: Counters
    run_id: str = ""
    """Identifies the run to which the files belong: see the function `run_id`."""
    text_form: TextForm = DEFAULT_FORM
    """How the corpus was read."""
    init_from: InitFrom | None = None
    """How it began, if it began from another model's weights: then these are evaluated before the first step."""
    outer: Params = field(default_factory=Params)
    """The momentum of the averages of a distributed run: see `averaging`; empty if there is none."""

    @property
    def n_params(self) -> int:
        """The number of parameters."""
        return sum(p.size for p in self.params.values())

    def copy(self) -> "TrainingState":
        """A copy that does not change when training continues. The best weights are never changed in place."""
        return replace(
            self,
            params=copy_params(self.params),
            moments=copy_params(self.moments),
            ema=copy_params(self.ema),
            outer=copy_params(self.outer),
            rnn_state=self.rnn_state.copy(),
            rng=deepcopy(self.rng),
            history=[*self.history],
            counters=replace(self.counters),
        )

    def restore(self, other: "TrainingState") -> None:
        """Becomes a copy of the other state, in place."""
        vars(self).update(vars(other.copy()))


def run_id(
    model: ModelConfig,
    config: TrainingConfig,
    vocabulary: Vocabulary,
    corpus: CorpusInfo,
    params: Params,
    init_from: InitFrom | None = None,
) -> str:
    """A digest (SHA-256) of everything that a run begins with, except its length: equal for equal runs.

    It has no random part, so that the same command writes the same bytes.
    """
    start = {name: value for name, value in config.to_dict().items() if name not in ("steps", "hold", "cooldown")}
    parts: list[Any] = [model.to_dict(), start, vocabulary.characters, corpus.to_dict()]
    parts += [init_from.to_dict()] if init_from is not None else []
    sha256 = hashlib.sha256(json.dumps(parts).encode())
    for name in sorted(params):
        sha256.update(np.ascontiguousarray(params[name]).data)
    return sha256.hexdigest()


def copy_params(params: Params) -> Params:
    """A copy of all arrays."""
    return {name: p.copy() for name, p in params.items()}
