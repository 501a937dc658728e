"""The shards of a rank: its rows of the batch in threads, and gradients that are summed over all ranks."""

import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.distributed.exchange import Combine, Exchange
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


def backward_order(network: AnyNetwork) -> list[list[str]]:
    """The names of the parameters, in groups, in the order in which backpropagation finds their gradients.

    Those of the lowest layer are one group: next to nothing is computed after the first of them. The networks that read
    whole texts hand on all gradients at once.
    """
    if network.config.form != "language_model":
        return [[*network.param_shapes]]
    groups: list[list[str]] = []
    for suffix in reversed(network.suffixes):
        recurrent, inputs = ([f"{name}{suffix}" for name in names] for names in (network.cell.RECURRENT, ("W_ih", "b")))
        groups += [recurrent, inputs] if suffix != network.suffixes[0] else [recurrent + inputs]
    others = {*network.param_shapes}.difference(*groups)
    return [[name for name in network.param_shapes if name in others], *groups]


class RankShards(Shards):
    """As `Shards`, but only the rows of this rank are computed, and the losses and gradients are those of all ranks.

    The batch and the state have all B rows; those of other ranks are not read, and no masks are made for them.
    """

    def __init__(self, network: AnyNetwork, B: int, ranks: Ranks, config: TrainingConfig):
        """Raises `ConfigError` if there are fewer rows than ranks."""
        if ranks.size > B:
            raise ConfigError(
                f"the batch has {counted(B, 'rows')}, too few for {ranks.size} ranks: give a larger `batch_size` or a "
                "longer text, or start fewer ranks"
            )
        self.of_rank = row_shards(B, ranks.size)
        """The rows of each rank."""
        self.own = self.of_rank[ranks.rank]
        super().__init__(network, self.own.stop - self.own.start, config.threads)
        self.B = B
        self.rows = [slice(self.own.start + rows.start, self.own.start + rows.stop) for rows in self.rows]
        self.exchange = Exchange(ranks, network.param_shapes, config.exchange, backward_order(network))
        self.seconds = np.zeros(2)
        """The seconds of this rank that `RankReport` is about: in which it computed, and exchanged."""
        self.n_steps = 0
        self.is_alone = False
        """Whether nothing is exchanged: then the gradients are those of this rank's rows."""
        self.is_local = config.sync_every > 0
        """Whether the ranks take steps of their own: the loss and the gradients are those of this rank's rows.

        The gradients are times the number of ranks: so their mean over the ranks is the gradient of the whole batch,
        however its rows and the targets in them are shared out.
        """
        self.factor = ranks.size if self.is_local else 1

    def loss_and_gradients(
        self, params: Params, batch: Batch, state: Array, masks: Masks | None, threads: Threads
    ) -> tuple[float, Params, float, Array]:
        """See `Shards`. The next state is written over the rows of this rank in `state`."""
        began, chars = time.perf_counter(), max(batch.chars, 1)
        if self.is_alone or self.is_local:
            loss, grads, norm, next_rows = super().loss_and_gradients(params, batch, state, masks, threads)
            state[:, :, self.own] = next_rows
            if not self.is_alone:
                loss *= chars / max(batch.shard(self.own).chars, 1)
                self._count(time.perf_counter() - began, 0.0)
            return loss, grads, norm, state
        self.exchange.begin(len(self.rows), self._sum_of_shards(batch.weight / chars, masks))
        nats, _, next_rows = self._forward_backward(params, batch, state, masks, threads, self.exchange.add)
        computed = time.perf_counter()
        loss, grads = self.exchange.finish(nats / chars)
        with np.errstate(all="ignore"):  # the trainer checks the loss and the norm
            norm = global_norm(grads.values())
        self._count(computed - began, time.perf_counter() - computed)
        state[:, :, self.own] = next_rows
        return loss, grads, norm, state

    def _count(self, computing: float, exchanging: float) -> None:
        """Counts the seconds of a step."""
        if self.n_steps:
            self.seconds += computing, exchanging
        self.n_steps += 1

    def _sum_of_shards(self, factor: float, masks: Masks | None) -> Combine:
        """What makes the gradient of this rank from those of its shards: their sum, in their order, times a factor."""

        def combine(name: str, arrays: Sequence[Array], out: Array) -> None:
            total = arrays[0]
            for more in arrays[1:]:
                total = np.add(total, more, out=out)
            np.multiply(total, factor, out=out)
            if masks is not None and name in self.dropped:
                masks.drop_weights(self.dropped[name], out, slice(0, len(out)), out)

        return combine

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
