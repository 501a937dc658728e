"""Data-parallel training: the batch in shards of rows, one for each thread, whose gradients are summed."""

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.engine.threads import Threads, row_shards
from charrnn.layers.workspace import Workspace
from charrnn.model.forms import AnyNetwork
from charrnn.types import Array, Params


class Shards:
    """The shards of a batch of B rows, each with a workspace of its own.

    Nothing synchronises inside a sequence. The sums are taken in the order of the shards, so that the same number of
    threads gives the same bits.
    """

    def __init__(self, network: AnyNetwork, B: int, threads: int):
        self.network = network
        self.rows = row_shards(B, min(threads, B))
        self.workspaces = [Workspace() for _ in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def threads(self) -> Threads:
        """A thread for each shard."""
        return Threads(len(self.rows))

    def loss_and_gradients(
        self, params: Params, batch: Batch, state: Array, dropout: Array | None, threads: Threads
    ) -> tuple[float, Params, Array]:
        """The mean loss of a batch, the gradients of that loss times the batch's weight, and the next state."""

        def forward_backward(rows: slice, workspace: Workspace) -> tuple[float, Params, Array]:
            masks = None if dropout is None else dropout[:, :, rows]
            with np.errstate(all="ignore"):  # the trainer checks the loss and the norm
                return self.network.loss_and_gradients(params, batch.shard(rows), state[:, :, rows], masks, workspace)

        (nats, grads, next_state), *others = threads.map(forward_backward, self.rows, self.workspaces)
        for more, more_grads, _ in others:
            nats += more
            for name, d in grads.items():
                d += more_grads[name]
        chars = max(batch.chars, 1)
        for d in grads.values():
            d *= batch.weight / chars
        return nats / chars, grads, np.concatenate((next_state, *(state for _, _, state in others)), axis=2)
