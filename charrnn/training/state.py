"""The snapshot: everything that training needs to go on as if it had never stopped."""

import hashlib
import json
import math
from copy import deepcopy
from dataclasses import asdict, dataclass, replace

import numpy as np

from charrnn.config import Config, ModelConfig, TrainingConfig, between
from charrnn.dataset.files import Source
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.types import Array, Params

MAX_LOSS = 1e300
"""Losses above it are not numbers."""


@dataclass(frozen=True)
class CorpusInfo(Config):
    """What is remembered of a corpus: enough to tell it again, nothing of where it lay."""

    name: str
    size: int
    """In bytes, as read."""
    digest: str
    """SHA-256 of those bytes."""
    training: int
    """Characters learned from."""
    validation: int
    """Characters held out: of a running text those that follow."""
    training_lines: int = 0
    """Records learned from; 0 for running text."""
    validation_lines: int = 0
    """Records held out."""

    def check(self) -> None:
        between("length of the name", len(self.name), 0, 10_000)
        between("size", self.size, 0, 2**53)
        between("training", self.training, 2, 2**53)
        between("validation", self.validation, 0, 2**53)
        between("training_lines", self.training_lines, 0, 2**53)
        between("validation_lines", self.validation_lines, 0, 2**53)


@dataclass(frozen=True)
class Evaluation(Config):
    """A row of the history. Losses are means in nats per character."""

    step: int
    epoch: int
    lr: float
    train_loss: float | None
    """Over the steps since the row before; None where there were none."""
    val_loss: float | None
    """Over the whole held-out text; None where nothing is held out."""
    averaged: bool = False
    """It is that of the average of the weights, which was lower than that of the weights themselves."""

    @property
    def rank(self) -> float:
        """The lower, the better: the validation loss, or infinity without one."""
        return math.inf if self.val_loss is None else self.val_loss

    def check(self) -> None:
        between("step", self.step, 0, 2**53)
        between("epoch", self.epoch, 0, 2**53)
        between("lr", self.lr, 0, 1e6)
        for name in ("train_loss", "val_loss"):
            between(name, getattr(self, name) or 0.0, 0, MAX_LOSS)


@dataclass
class Counters(Config):
    """Where a run is, between two steps."""

    step: int = 0
    """Steps taken."""
    epoch: int = 0
    """Epochs completed."""
    chunk: int = 0
    """Chunks of this epoch that were seen."""
    offset: int = 0
    """Which way this epoch goes: where in a running text it began, or the order of its records."""
    best_step: int = 0
    """When the validation loss was lowest."""
    loss_sum: float = 0.0
    """Of the mean losses of the steps since the last evaluation, each times its `Chunk.share`."""
    loss_steps: float = 0.0
    """The number of those steps, each counted as its share."""
    tries: int = 0
    """How often it had diverged, and was taken back."""

    def check(self) -> None:
        for name in ("step", "epoch", "chunk", "offset", "best_step", "loss_steps", "tries"):
            between(name, getattr(self, name), 0, 2**53)
        between("loss_sum", self.loss_sum, 0, MAX_LOSS)

    def fits(self, chunks: int, offsets: int) -> bool:
        """Whether a run through epochs of so many chunks, which can go so many ways, comes to this position."""
        return self.step == self.epoch * chunks + self.chunk and self.chunk < chunks and self.offset < offsets


@dataclass
class TrainingState:
    """The state of a run between two steps; `training.Training` moves it on in place."""

    model: ModelConfig
    training: TrainingConfig
    vocabulary: Vocabulary
    corpus: CorpusInfo
    source: Source | None
    """Where the corpus was read from, if it was."""
    params: Params
    moments: Params
    average: Params
    """The running average of the weights; empty where none is kept."""
    state: Array
    """The hidden state [L, S, B, H] that the next chunk starts from."""
    rng: np.random.Generator
    history: list[Evaluation]
    best: Params
    """The weights with the lowest validation loss so far; empty before the first evaluation."""
    at: Counters
    run: str = ""
    """What tells this run from others, for as long as it goes: see `run_id`."""

    def copy(self) -> "TrainingState":
        """The same, of which nothing changes when the run goes on. The best weights are never changed in place."""
        return replace(
            self,
            params=copy_params(self.params),
            moments=copy_params(self.moments),
            average=copy_params(self.average),
            state=self.state.copy(),
            rng=deepcopy(self.rng),
            history=[*self.history],
            at=replace(self.at),
        )

    def restore(self, other: "TrainingState") -> None:
        """Becomes like a copy of the other, in place."""
        vars(self).update(vars(other.copy()))


def run_id(
    model: ModelConfig, config: TrainingConfig, vocabulary: Vocabulary, corpus: CorpusInfo, params: Params
) -> str:
    """A digest (SHA-256) of all that a run begins with but for its length: runs that have the same are the same.

    It follows from the options alone, so that the same command writes the same bytes.
    """
    begun = {name: value for name, value in asdict(config).items() if name not in ("steps", "hold", "cooldown")}
    found = hashlib.sha256(json.dumps([asdict(model), begun, vocabulary.characters, asdict(corpus)]).encode())
    for name in sorted(params):
        found.update(np.ascontiguousarray(params[name]).data)
    return found.hexdigest()


def copy_params(params: Params) -> Params:
    """The same arrays, which don't change when these do."""
    return {name: p.copy() for name, p in params.items()}
