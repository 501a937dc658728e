"""Data-parallel training: the batch in shards of rows, one for each thread, whose gradients are summed."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.engine.threads import Threads, row_shards
from charrnn.layers.workspace import Workspace
from charrnn.model.forms import AnyNetwork
from charrnn.model.masks import Masks
from charrnn.training import optimizers
from charrnn.types import Array, Params, Shapes

Part = tuple[str, slice]
"""The name of a parameter, and some of its rows."""
MIN_PART = 1 << 18
"""The fewest numbers that another thread is worth: one thread updates as many in about the time that another takes to
wake and to get Python's lock."""


class Shards:
    """The shards of a batch of B rows, each with a workspace of its own.

    Nothing synchronises inside a sequence. After it, each thread adds up the gradients of some of the parameters, then
    updates these. The order of the sums is that of the shards, so that as many threads give the same bits.
    """

    def __init__(self, network: AnyNetwork, B: int, threads: int):
        self.network, self.B = network, B
        self.rows = row_shards(B, min(threads, B))
        self.factor = 1
        """A factor of all gradients."""
        self.workspaces = [Workspace() for _ in self.rows]
        self.parts = _parts(network.param_shapes, len(self.rows))
        """What each thread adds up and updates."""
        names = [f"W_hh{suffix}" for suffix in network.suffixes] if network.config.drop_connect else []
        self.dropped = {name: n for n, name in enumerate(names)}
        """The number of each recurrent matrix by its name, if weights of it are dropped."""
        self.dropped_weights = Workspace()

    def __len__(self) -> int:
        return len(self.rows)

    def threads(self) -> Threads:
        """A thread for each shard."""
        return Threads(len(self.rows))

    def loss_and_gradients(
        self, params: Params, batch: Batch, state: Array, masks: Masks | None, threads: Threads
    ) -> tuple[float, Params, float, Array]:
        """The mean loss of a batch, the gradients of that loss times the batch's weight, and the next state.

        After the gradients comes their norm, that of all of them together.
        """
        nats, all_grads, next_state = self._forward_backward(params, batch, state, masks, threads)
        grads, chars = all_grads[0], max(batch.chars, 1)
        factor = self.factor * batch.weight / chars

        def add(parts: list[Part]) -> float:
            squares = 0.0
            with np.errstate(all="ignore"):
                for name, part in parts:
                    d = grads[name][part]
                    for more in all_grads[1:]:
                        d += more[name][part]
                    d *= factor
                    if masks is not None and name in self.dropped:
                        masks.drop_weights(self.dropped[name], grads[name], part, grads[name])
                    squares += float(np.vdot(d, d))
            return squares

        squares = threads.map(add, self.parts)
        return nats / chars, grads, math.sqrt(sum(squares)), next_state

    def _forward_backward(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        masks: Masks | None,
        threads: Threads,
        receive: Callable[[int, Params], None] | None = None,
    ) -> tuple[float, tuple[Params, ...], Array]:
        """The summed loss of all shards, the gradients of each, and the next state.

        `receive` gets the number of a shard and some of its gradients, as soon as they are found.
        """

        def forward_backward(n: int) -> tuple[float, Params, Array]:
            rows, workspace = self.rows[n], self.workspaces[n]
            dropout = masks.of_outputs(batch.steps, self.B, rows, workspace, state.dtype) if masks else None
            receive_of_shard = None if receive is None else partial(receive, n)
            with np.errstate(all="ignore"):  # the trainer checks the loss and the norm
                return self.network.loss_and_gradients(
                    weights, batch.shard(rows), state[:, :, rows], dropout, workspace, receive_of_shard
                )

        weights = params if masks is None else params | self._drop_weights(params, masks, threads)
        all_nats, all_grads, states = zip(*threads.map(forward_backward, range(len(self.rows))), strict=True)
        return sum(all_nats), all_grads, np.concatenate(states, axis=2)

    def _drop_weights(self, params: Params, masks: Masks, threads: Threads) -> Params:
        """The recurrent matrices, of which some weights are zero and the others larger, by name."""
        found = {
            name: self.dropped_weights.empty(name, params[name].shape, params[name].dtype) for name in self.dropped
        }

        def drop(parts: list[Part]) -> None:
            for name, rows in parts:
                if name in found:
                    masks.drop_weights(self.dropped[name], params[name], rows, found[name])

        if found:
            threads.map(drop, self.parts)
        return found

    def update(
        self,
        params: Params,
        grads: Params,
        moments: Params,
        rate: float,
        t: int,
        config: TrainingConfig,
        threads: Threads,
    ) -> float:
        """`optimizers.update`, of which each thread does a part; the sum of the new parameters, finite if they are."""

        def update_parts(parts: list[Part]) -> float:
            total = 0.0
            with np.errstate(all="ignore"):
                for name, part in parts:
                    p, d = {name: params[name][part]}, {name: grads[name][part]}
                    of_p = {key: m[part] for key, m in moments.items() if key.partition(".")[2] == name}
                    optimizers.update(p, d, of_p, rate, t, config, self.network.engine)
                    total += float(p[name].sum())
            return total

        return sum(threads.map(update_parts, self.parts))


def _parts(shapes: Shapes, n: int) -> list[list[Part]]:
    """For each of n threads its parts of the parameters, large ones shared by all; none for threads without work."""
    found: list[list[Part]] = [[] for _ in range(n)]
    for name, shape in shapes.items():
        rows = row_shards(shape[0], min(n, shape[0], max(1, math.prod(shape) // MIN_PART)))
        for parts, part in zip(found, rows, strict=False):
            parts.append((name, part))
    return [parts for parts in found if parts]
