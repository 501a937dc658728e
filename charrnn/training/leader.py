"""The leader of a distributed run: the trainer of rank 0, which tells the followers each thing that it does."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from charrnn.dataset.corpus import Corpus
from charrnn.dataset.shared_file import SharedCorpus
from charrnn.distributed.ranks import Ranks
from charrnn.engine.threads import Threads
from charrnn.errors import DivergenceError
from charrnn.training.averaging import Averaging
from charrnn.training.deadline import Deadline
from charrnn.training.progress import Progress
from charrnn.training.rank_report import RankReport
from charrnn.training.rank_shards import RankShards, checksum
from charrnn.training.rank_text import read_text
from charrnn.training.rank_validation import RankValidation
from charrnn.training.state import TrainingState
from charrnn.training.trainer import Trainer
from charrnn.types import Array, Params


class LeadingTrainer(Trainer):
    """A training run of all ranks, as `Trainer` is one of a single process; the followers call `follower.follow`.

    It can be iterated over once: at the end, or when the loop is left, the followers are done.
    """

    def __init__(self, corpus: Corpus, state: TrainingState, deadline: Deadline | None, ranks: Ranks):
        """Raises the errors of `Trainer`, and `ConfigError` for a batch with fewer rows than ranks."""
        super().__init__(corpus, state, deadline)
        self.n_ranks = ranks.size
        self.ranks, self.signals, config = ranks, ranks.signals, state.training_config
        B = self.training_data.batch_size
        self.shards: RankShards = RankShards(self.shards.network, B, ranks, config)
        self.averaging = Averaging(self.shards, config) if config.sync_every else None
        """The averages of the weights, if the ranks train alone between them."""
        self.read_validation = RankValidation.of(self.validation_data, ranks.rank, ranks.size)
        self.told = config, math.inf
        """The configuration that the followers have, of which a deadline changes the length, and the threshold."""
        self.is_whole = True
        """Whether the state has the rows of all ranks."""
        if isinstance(corpus, SharedCorpus):
            self.has_whole_text = False
            ranks.tell("train_on_part", corpus.name, state)
            read_text(self, corpus, self.shards, is_leader=True)
        else:
            with ranks.busy():
                ranks.tell("train")
                ranks.share_large((corpus, state))

    @property
    def is_complete(self) -> bool:
        """See `Trainer`."""
        return self.averaging is None or self.averaging.is_even

    def complete(self) -> None:
        """Makes the state fit to be saved: it is that of all ranks, and gets the rows that the followers have.

        Weights that a rank has brought to nothing do not count.
        """
        self._even_out(may_leave_out=True)
        if not self.is_whole:
            with self.ranks.busy():
                self.ranks.tell("collect")
                self.shards.collect(self.state.rnn_state)
            self.is_whole = True

    def warm_up(self) -> None:
        """Compiles on all ranks."""
        self.ranks.tell("warm_up")
        with self.shards.alone():
            super().warm_up()

    def _train(self) -> Iterator[Progress]:
        try:
            yield from super()._train()
        except (GeneratorExit, DivergenceError):
            self._release()
            raise
        self._release()

    def _release(self) -> None:
        """Ends the run of the followers, which wait to hear what comes next."""
        self.complete()
        self.ranks.tell("release")

    def _step(self, threads: Threads) -> Progress:
        if self.shards.is_alone:
            return super()._step(threads)
        config = self.state.training_config
        current = config, self.divergence_threshold
        with self.ranks.busy():
            self.ranks.tell("step", None if current == self.told else current)
            self.told, self.is_whole = current, False
            if self.averaging is None:
                return super()._step(threads)
            self.averaging.begin_step(self.state)
            progress = super()._step(threads)
            if self.averaging.n_steps >= config.sync_every:
                self._average(self.averaging.has_to_be_full)
            return progress

    def _average(self, is_full: bool, may_leave_out: bool = False) -> None:
        """Averages the weights of all ranks; called while this one is busy."""
        assert self.averaging is not None
        self.ranks.tell("average", is_full, may_leave_out)
        self.averaging.average(self.state, is_full, may_leave_out)
        config = self.state.training_config
        if config.sync_grows:
            steps = self.averaging.pace.next_steps(config.sync_every)
            self.state.training_config = replace(config, sync_every=steps)

    def _even_out(self, may_leave_out: bool = False) -> None:
        """Averages all that the ranks have, if they have not the same."""
        if self.is_complete:
            return
        self.is_between_steps = False
        with self.ranks.busy():
            self._average(is_full=True, may_leave_out=may_leave_out)
        self.is_between_steps = True

    def _evaluate(self, final: bool = False) -> Iterator[Progress]:
        self._even_out()
        yield from super()._evaluate(final)

    def _roll_back(self, last_good: TrainingState, error: DivergenceError) -> Progress:
        self.ranks.tell("roll_back")
        if self.averaging is not None:
            self.averaging.restart()
        self.is_whole = False  # also where this raises, since the run has been rolled back too often
        progress = super()._roll_back(last_good, error)
        self.told = self.state.training_config, self.told[1]
        return progress

    def _losses(self, params: Params) -> Iterator[tuple[Array, int]]:
        """The losses of this rank's rows, batch by batch, and then those of all others."""
        self.ranks.tell("begin_validation", params is self.state.ema)
        own, total, chars = super()._losses(params), np.zeros(1), 0
        self.ranks.tell("validate")
        for nats, n in own:
            total, chars = total + nats, chars + n
            yield nats, n
            self.ranks.tell("validate")
        with self.ranks.busy():
            self.ranks.tell("end_validation")
            of_ranks = self.ranks.collect((total, chars, self.shards.seconds, checksum(self.state.params)))
        all_nats, all_chars, seconds, checksums = zip(*of_ranks, strict=True)
        self.rank_report = RankReport(*map(tuple, np.transpose(seconds)))
        if len({*checksums}) > 1:  # processors of different kinds round differently, which adds up
            self.ranks.tell("align", self.state.params, self.state.moments, self.state.ema, self.state.outer)
        yield from zip(all_nats[1:], all_chars[1:], strict=True)
