"""The follower of a distributed run: a trainer that does its share of each thing that the leader tells it to do."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.shared_file import FileIndex, SharedCorpus, index_file
from charrnn.distributed.ranks import Ranks
from charrnn.engine.threads import Threads
from charrnn.errors import DivergenceError
from charrnn.resources import blas
from charrnn.training import divergence
from charrnn.training.averaging import Averaging
from charrnn.training.machine import Machine
from charrnn.training.rank_shards import RankShards, checksum
from charrnn.training.rank_text import read_text
from charrnn.training.rank_validation import RankValidation
from charrnn.training.state import TrainingState
from charrnn.training.trainer import Trainer
from charrnn.types import Array

NOTHING = np.zeros(1), 0
"""The loss of a rank that has no rows of the validation data, and the characters that count in it."""


class FollowingTrainer(Trainer):
    """The trainer of a rank other than 0. It has all weights, and of the state only the rows of its rank."""

    def __init__(self, corpus: Corpus, state: TrainingState, ranks: Ranks):
        state.training_config = replace(state.training_config, ngrams=0)  # the leader counts them
        super().__init__(corpus, state)
        self.ranks, config = ranks, state.training_config
        B = self.training_data.batch_size
        self.shards: RankShards = RankShards(self.shards.network, B, ranks, config)
        self.averaging = Averaging(self.shards, config) if config.sync_every else None
        self.read_validation = RankValidation.of(self.validation_data, ranks.rank, ranks.size)
        if isinstance(corpus, SharedCorpus):
            read_text(self, corpus, self.shards, is_leader=False)
        self.losses: Iterator[tuple[Array, int]] = iter(())
        """The losses of this rank's rows in the evaluation that goes on."""
        self.total = NOTHING
        """Their sum so far, and how many characters count in it."""
        self.divergence_threshold = math.inf
        """That of the leader, once it has told it: it raises the threshold for weights of another model."""
        self.last_good = state.copy()
        self.is_evaluated = False
        """Whether an evaluation has ended since the last step: then the state is good, unless it is rolled back."""

    def follow(self) -> None:
        """Does what the leader tells, to the end of the run. Raises `DismissedError` if the leader ends the job."""
        with blas.limit(), self.shards.threads() as threads:
            while True:
                match self.ranks.hear():
                    case "step", (changed,):
                        self._follow_step(changed, threads)
                    case "begin_validation", (is_ema,):
                        self.losses, self.total = self._losses(self.state.ema if is_ema else self.state.params), NOTHING
                    case "validate", ():
                        nats, chars = next(self.losses, NOTHING)
                        self.total = self.total[0] + nats, self.total[1] + chars
                    case "end_validation", ():
                        self.ranks.collect((*self.total, self.shards.seconds, checksum(self.state.params)))
                        self.is_evaluated = True
                    case "average", (is_full, may_leave_out):
                        assert self.averaging is not None
                        with suppress(DivergenceError):  # the leader finds the same, and tells to roll back
                            self.averaging.average(self.state, is_full, may_leave_out)
                    case "align", (params, moments, ema, outer):
                        s = self.state
                        s.params, s.moments, s.ema, s.outer = params, moments, ema, outer
                    case "roll_back", ():
                        if self.averaging is not None:
                            self.averaging.restart()
                        divergence.roll_back(self.state, self.last_good)
                        self.is_evaluated = False
                    case "collect", ():
                        self.shards.collect(self.state.rnn_state)
                    case "warm_up", ():
                        with self.shards.alone():
                            self.warm_up()
                    case "release", ():
                        return
                    case unknown:
                        raise AssertionError(f"unknown task: {unknown}")

    def _follow_step(self, changed: tuple[TrainingConfig, float] | None, threads: Threads) -> None:
        """Takes a step; `changed` has the configuration and the divergence threshold if one of them has changed.

        If the step diverges the leader finds the same, and tells to roll back; or it finds it at the next average, and
        this rank does nothing up to then.
        """
        if self.is_evaluated:
            self.last_good, self.is_evaluated = self.state.copy(), False
        if changed is not None:
            self.state.training_config, self.divergence_threshold = changed
        averaging = self.averaging
        if averaging is not None:
            averaging.begin_step(self.state)
        try:
            if averaging is None or not averaging.has_diverged:
                self._step(threads)
        except DivergenceError:
            if averaging is not None:
                averaging.has_diverged = True


def serve(ranks: Ranks) -> None:
    """Does what the leader tells a follower to do; ends with `DismissedError`, when the leader ends the job."""
    index: FileIndex | None = None
    while True:
        match ranks.hear():
            case "index", (path,):
                index = index_file(ranks, path)
            case "train_on_part", (name, state):
                assert index is not None
                FollowingTrainer(SharedCorpus.from_index(index, name, ranks.size), state, ranks).follow()
            case "measure", (options, request):
                Machine.of(ranks, options).measure(request)
            case "train", ():
                corpus, state = ranks.share_large()
                FollowingTrainer(corpus, state, ranks).follow()
            case unknown:
                raise AssertionError(f"unknown task: {unknown}")
