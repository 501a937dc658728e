"""The averages of a distributed run whose ranks train alone for some steps, each on its rows, and then meet.

    Δ = w₀ - mean of w over the ranks        w₀ is what all of them had after the last average
    v ← μ v + Δ
    w ← w₀ - η (Δ + μ v)

With μ = 0 and η = 1 this is local SGD (S. Stich, "Local SGD Converges Fast and Communicates Little", 2018): w is the
mean. With a momentum μ the differences are gradients of an outer descent with Nesterov's momentum, as in DiLoCo (A.
Douillard et al., 2023).

The moments of the optimizer stay with their rank. But some averages, and one before each evaluation, are full: they are
of all that a rank has. Then all have the same, until the next step, and that is when a run is saved. So a checkpoint
has no more than that of a single process, except v.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.distributed.exchange import Exchange
from charrnn.errors import ConfigError, DivergenceError
from charrnn.training import divergence
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.rank_shards import RankShards
from charrnn.training.state import TrainingState
from charrnn.types import Array, Params

FULL_AVERAGES, FULL_STEPS = 8, 100
"""An average is full if it is so many averages or so many steps since the last full one, whichever comes first."""
MAX_SHARE = 0.1
"""The largest share of the time that averages take before there are fewer of them."""
MAX_STEPS = 1024
"""The most steps between two averages to which these grow."""
MEASURED = 2
"""The averages after which their share of the time counts."""
OUTER = ("outer_lr", "outer_momentum")
"""The options of the outer descent."""
OPTIONS = ("sync_every", "sync_grows", *OUTER)
"""The options that are only for several ranks."""


def check(options: Mapping[str, Any], is_distributed: bool, sync_every: int = 0) -> None:
    """Raises `ConfigError` for options of averages where there are none; `sync_every` is that of a run to resume."""
    given = [name for name in ("sync_every", *OUTER) if options.get(name)]
    if given and not is_distributed:
        raise ConfigError(f"{given[0]} is only for several ranks: give distributed too", given[0], "distributed")
    if given and not options.get("sync_every", sync_every):
        raise ConfigError(f"{given[0]} is only for ranks that average their weights: give sync_every too", given[0])


def initial_outer(config: TrainingConfig, params: Params, outer: Params) -> Params:
    """The momentum v of the outer descent: as it was, or zeros; nothing if the run needs none."""
    if not (config.sync_every and config.outer_momentum):
        return {}
    return outer or {name: np.zeros_like(p) for name, p in params.items()}


class Averaging:
    """What one rank does for the averages."""

    def __init__(self, shards: RankShards, config: TrainingConfig):
        """The differences are exchanged in the format of the configuration, all else in float32."""
        self.shards, self.exchange = shards, shards.exchange
        is_exact = config.exchange == "float32"
        shapes = shards.network.param_shapes
        self.exact = self.exchange if is_exact else Exchange(self.exchange.ranks, shapes, "float32")
        self.start: Params = {}
        """w₀"""
        self.losses = 0.0
        """The sum of the losses up to the last average; that of the state is the sum since then."""
        self.n_steps = 0
        """The steps since the last average."""
        self.since_full = (0, 0)
        """The averages and the steps since the last full average."""
        self.has_diverged = False
        """Whether this rank has diverged since the last average."""
        self.pace = Pace()

    def begin_step(self, state: TrainingState) -> None:
        """Called before each step of this rank."""
        if not self.n_steps:
            if not self.start:
                self.start = {name: np.empty_like(p) for name, p in state.params.items()}
            for name, p in state.params.items():
                np.copyto(self.start[name], p)
            self.losses, state.counters.loss_sum = state.counters.loss_sum, 0.0
            self.began = time.perf_counter()
        self.n_steps += 1

    def restart(self) -> None:
        """All ranks have the same again: they were rolled back."""
        self.n_steps, self.since_full, self.has_diverged = 0, (0, 0), False

    @property
    def has_to_be_full(self) -> bool:
        """Whether the next average is full."""
        averages, steps = self.since_full
        return averages + 1 >= FULL_AVERAGES or steps + self.n_steps >= FULL_STEPS

    @property
    def is_even(self) -> bool:
        """Whether all ranks have the same."""
        return not self.n_steps and self.since_full == (0, 0)

    def average(self, state: TrainingState, is_full: bool, may_leave_out: bool = False) -> None:
        """Averages the weights, or all that the ranks have.

        Raises `DivergenceError` on all ranks if one of them has diverged; or leaves it out, if it may.
        """
        came, ranks, counters = time.perf_counter(), self.exchange.ranks, state.counters
        own = (self.has_diverged, counters.loss_sum if self.n_steps else 0.0)
        diverged, losses = zip(*ranks.collect(own), strict=True)
        if any(diverged) and not may_leave_out:
            raise DivergenceError(f"training diverged before step {counters.step + 1}: {divergence.ADVICE}")
        if self.has_diverged:  # what the network has come to can't be saved
            state.rnn_state[:, :, self.shards.own] = 0
        began, share = time.perf_counter(), 1 / (len(diverged) - sum(diverged))
        with np.errstate(all="ignore"):
            if self.n_steps:
                self._average_weights(state, share)
                mean = sum(loss for loss, bad in zip(losses, diverged, strict=True) if not bad) * share
                counters.loss_sum = self.losses + mean
            if is_full:
                for group in self._other_groups(state):
                    self._average(group, share)
        ended = time.perf_counter()
        if self.n_steps:
            self.pace.add(self.n_steps, began - self.began, ended - began)
        if self.pace.n > 0:
            self.shards.seconds[1] += ended - came
        averages, steps = self.since_full
        self.since_full = (0, 0) if is_full else (averages + 1, steps + self.n_steps)
        self.n_steps, self.has_diverged = 0, False

    def _average_weights(self, state: TrainingState, share: float) -> None:
        config, outer = state.training_config, state.outer
        mu = np.float32(config.outer_momentum)

        def difference(name: str, arrays: Sequence[Array], out: Array) -> None:
            if self.has_diverged:
                out.fill(0)
            else:
                np.subtract(self.start[name], arrays[0], out=out)

        self.exchange.begin(1, difference)
        self.exchange.add(0, state.params)
        _, sums = self.exchange.finish(0.0)
        for name, d in sums.items():
            d *= share
            if outer:
                # v = μ v + Δ
                outer[name] *= mu
                outer[name] += d
                d += mu * outer[name]
            # w = w₀ - η (Δ + μ v)
            d *= config.outer_lr
            np.subtract(self.start[name], d, out=state.params[name])

    def _other_groups(self, state: TrainingState) -> list[Params]:
        """The moments and the averages of the weights, each by the name of its parameter."""
        moments = OPTIMIZERS[state.training_config.optimizer].moments
        groups = [{name: state.moments[f"{moment}.{name}"] for name in state.params} for moment in moments]
        return groups + [state.ema] * bool(state.ema)

    def _average(self, group: Params, share: float) -> None:
        """Replaces arrays by their means."""

        def own(name: str, arrays: Sequence[Array], out: Array) -> None:
            if self.has_diverged:
                out.fill(0)
            else:
                np.multiply(arrays[0], share, out=out)

        self.exact.begin(1, own)
        self.exact.add(0, group)
        _, means = self.exact.finish(0.0)
        for name, array in group.items():
            np.copyto(array, means[name])


class Pace:
    """How much of the time averages take."""

    def __init__(self) -> None:
        self.n, self.steps, self.computing, self.averaging = -1, 0, 0.0, 0.0

    def add(self, steps: int, computing: float, averaging: float) -> None:
        """The steps before an average, the seconds that they took, and those of the average.

        The first ones do not count: they compile, and open connections.
        """
        self.n += 1
        if self.n:
            self.steps += steps
            self.computing += computing
            self.averaging += averaging

    def share(self, steps: int) -> float:
        """The share of the time that an average takes after so many steps; 0 if that is not known yet."""
        if self.n < MEASURED:
            return 0.0
        average, computing = self.averaging / self.n, self.computing / self.steps * steps
        return average / (average + computing)

    def next_steps(self, steps: int) -> int:
        """The steps between averages from now on, if they were so many: twice as many if these take too long."""
        if steps >= MAX_STEPS or self.share(steps) <= MAX_SHARE:
            return steps
        self.n, self.steps, self.computing, self.averaging = 0, 0, 0.0, 0.0
        return 2 * steps
