"""The shards of a rank: its rows of the batch in threads, and gradients that are summed over all ranks."""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.distributed.exchange import Exchange
from charrnn.distributed.ranks import Ranks
from charrnn.engine.threads import Threads, row_shards
from charrnn.errors import ConfigError, counted
from charrnn.model.forms import AnyNetwork
from charrnn.model.masks import Masks
from charrnn.training.optimizers import global_norm
from charrnn.training.parallel import Shards
from charrnn.types import Array, Params


def checksum(params: Params) -> int:
    """A number that is another one if any weight has another bit."""
    found = 0
    for name in sorted(params):
        found = zlib.crc32(np.ascontiguousarray(params[name]).data, found)
    return found


class RankShards(Shards):
    """As `Shards`, but only the rows of this rank are computed, and the losses and gradients are those of all ranks.

    The batch, the masks and the state have all B rows; those of other ranks are not read.
    """

    def __init__(self, network: AnyNetwork, B: int, threads: int, ranks: Ranks, number_format: str):
        """Raises `ConfigError` if there are fewer rows than ranks."""
        if ranks.size > B:
            raise ConfigError(
                f"the batch has {counted(B, 'rows')}, too few for {ranks.size} ranks: give a larger `batch_size` or a "
                "longer text, or start fewer ranks"
            )
        self.of_rank = row_shards(B, ranks.size)
        """The rows of each rank."""
        self.own = self.of_rank[ranks.rank]
        super().__init__(network, self.own.stop - self.own.start, threads)
        self.B = B
        self.rows = [slice(self.own.start + rows.start, self.own.start + rows.stop) for rows in self.rows]
        self.exchange = Exchange(ranks, network.param_shapes, number_format)
        self.seconds = np.zeros(2)
        """The seconds of this rank that `RankReport` is about: in which it computed, and exchanged."""
        self.n_steps = 0
        self.is_alone = False
        """Whether nothing is exchanged: then the gradients are those of this rank's rows."""

    def loss_and_gradients(
        self, params: Params, batch: Batch, state: Array, masks: Masks | None, threads: Threads
    ) -> tuple[float, Params, float, Array]:
        """See `Shards`. The next state is written over the rows of this rank in `state`."""
        began = time.perf_counter()
        loss, grads, norm, next_rows = super().loss_and_gradients(params, batch, state, masks, threads)
        if not self.is_alone:
            computed = time.perf_counter()
            with np.errstate(all="ignore"):  # the trainer checks the loss and the norm
                loss, grads = self.exchange(loss, grads)
                norm = global_norm(grads.values())
            if self.n_steps:
                self.seconds += computed - began, time.perf_counter() - computed
            self.n_steps += 1
        state[:, :, self.own] = next_rows
        return loss, grads, norm, state

    def update(self, *args: Any) -> float:
        """See `Shards`."""
        began = time.perf_counter()
        total = super().update(*args)
        if self.n_steps > 1:
            self.seconds[0] += time.perf_counter() - began
        return total

    def collect(self, state: Array) -> None:
        """Brings the rows of every rank into the leader's state [L, S, B, H] of all rows."""
        self.exchange.ranks.collect_rows(state[:, :, self.own], state, self.of_rank)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Exchanges nothing within the block."""
        self.is_alone = True
        try:
            yield
        finally:
            self.is_alone = False
