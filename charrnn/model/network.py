"""The network: from ids to the loss and its gradients, as pure functions of parameters and state.

    h = layers(ids)               the stack of recurrent layers
    y = h W_out + b_out           the decoder: a logit for each character that may come next

The parameters are `W_ih0, b0, W_hh0, …` for the layers from 0, and `W_out, b_out`. The state [L, S, B, H] holds every
layer's h (and c). A function takes the state and returns the next one; the network itself holds nothing that changes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.engine import Cell, Engine, load
from charrnn.layers.matmul import Matmul
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.model.stack import Stack
from charrnn.types import Array, Ids, Params, Receiver, Shapes

SMALL = 1e-10
"""The largest entry of a gradient below which it is scaled up, long before float32 has fewer digits for it."""


@dataclass(frozen=True)
class Network:
    """The layers of a configuration, computed by an engine.

    Arrays that a method returns, except states, are in the workspace if one is given, and are valid until the workspace
    is used again.
    """

    config: ModelConfig
    engine: Engine

    @cached_property
    def stack(self) -> Stack:
        """The layers below the decoder."""
        return Stack(self.config, self.engine)

    @property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""
        return self.stack.cell

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: with its layer."""
        return self.stack.suffixes

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""
        V, H = self.config.vocab_size, self.config.hidden_size
        return self.stack.param_shapes | {"W_out": (H, V), "b_out": (V,)}

    def state_shape(self, B: int) -> tuple[int, int, int, int]:
        """The shape [L, S, B, H] of the state of B rows."""
        return self.stack.state_shape(B)

    def zero_state(self, B: int, dtype: Any = np.float32) -> Array:
        """The state [L, S, B, H] before anything is read."""
        return self.stack.zero_state(B, dtype)

    # Predictions

    def forward(
        self, params: Params, inputs: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array]:
        """The logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state."""
        workspace = workspace or Workspace()
        h, state, _ = self.stack.forward(params, inputs, state, None, workspace)
        return head.logits(self.engine, params, h, workspace), state

    def step(self, params: Params, ids: Ids, state: Array, matmul: Matmul = np.matmul) -> tuple[Array, Array]:
        """`forward` for one character of each row [B], with the NumPy engine: logits [B, V], and the next state.

        For a sequence of a single step, the overhead of `forward` would take longer than the mathematics.
        """
        h, next_state = self.stack.step(params, ids, state, matmul)
        y = matmul(h, params["W_out"])
        y += params["b_out"]
        return y, next_state

    def forward_with_activations(
        self, params: Params, inputs: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array, list[dict[str, Array]], Array]:
        """`forward` with the NumPy engine, and the activations inside the network.

        Returns the logits [T, B, V]; the units' activations [L, T, B, H], tanh c for an LSTM and h for the other cells;
        the gates of each layer by name, [T, B, H]; and the next state.
        """
        network, workspace = Network(self.config, load("numpy")), workspace or Workspace()
        h, state, reading = network.stack.forward(params, inputs, state, None, workspace)
        units, gates = zip(*map(network.cell.units_and_gates, reading.caches), strict=True)
        return head.logits(network.engine, params, h, workspace), np.stack(units), list(gates), state

    # Losses

    def token_nll(
        self, params: Params, inputs: Ids, targets: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array]:
        """-log p [T, B], in nats, of each of the targets [T, B] after the inputs [T, B]; and the next state."""
        logits, state = self.forward(params, inputs, state, workspace)
        nats = self.engine.softmax.token_nll(logits.reshape(-1, self.config.vocab_size), targets.ravel())
        return nats.reshape(targets.shape), state

    def loss(
        self, params: Params, batch: Batch, state: Array, workspace: Workspace | None = None
    ) -> tuple[float, Array]:
        """The summed loss of the targets that count, in nats, and the next state."""
        workspace = workspace or Workspace()
        h, state, _ = self.stack.forward(params, batch.inputs, state, None, workspace)
        return head.loss(self.engine, params, h, batch, workspace), state

    def loss_and_gradients(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        dropout: Array | None = None,
        workspace: Workspace | None = None,
        receive: Receiver | None = None,
    ) -> tuple[float, Params, Array]:
        """The summed loss in nats, its gradient for every parameter, and the next state.

        `state` is [L, S, B, H]; `dropout` is the mask [L, T, B, H] of `Masks.of_outputs`, or None. The results are
        sums, not means, so that those of shards can be added. Only the targets that the batch's mask selects count; a
        shard may have none. `receive` gets the gradients as they are found: the decoder's, then those of the layers.
        """
        workspace = workspace or Workspace()
        total, grads, next_state, _ = self._forward_backward(params, batch, state, dropout, workspace, receive)
        return total, grads, next_state

    def nll_and_gradients(
        self, params: Params, inputs: Ids, targets: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Params, Array]:
        """`token_nll`, with the gradients of its sum for every parameter: nats [T, B], gradients, the next state."""
        workspace = workspace or Workspace()
        h, next_state, reading = self.stack.forward(params, inputs, state, None, workspace)
        nats, dh, head_grads = head.nll_and_gradients(self.engine, params, h, targets, workspace)
        # h, state = stack.forward(inputs, state)
        grads = self.stack.backward(params, dh, reading, workspace)[0] | head_grads
        return nats, {name: grads[name] for name in params}, next_state

    def state_gradient(self, params: Params, inputs: Ids, targets: Ids, state: Array) -> Array:
        """The gradient [L, S, B, H] of the loss of the last targets alone with respect to the state before the inputs.

        inputs [T, B]; targets [B]. It is ∂loss_t/∂h_{t-k}, and for an LSTM ∂loss_t/∂c_{t-k}: the gradient that may
        vanish (Y. Bengio, P. Simard, P. Frasconi, 1994).
        """
        mask = np.zeros(inputs.shape, bool)
        mask[-1] = True
        batch = Batch(inputs, np.broadcast_to(targets, inputs.shape), mask=mask)
        return self._forward_backward(params, batch, state, None, Workspace())[3]

    def state_gradient_norms(self, params: Params, inputs: Ids, targets: Ids, state: Array) -> Array:
        """The norms [T, B] of ∂loss_t/∂h_{t-k}, over the h of all layers, for k = 1, 2, …, T.

        As `state_gradient` of the last k of the inputs [T, B], with the NumPy engine: but all in one pass backward,
        from step to step. What has shrunk is scaled up on the way, so that it does not vanish in the number format.
        """
        network, (T, B), readings = Network(self.config, load("numpy")), inputs.shape, []
        for t in range(T):
            workspace = Workspace()  # of its own, for the caches are in use until the way back
            h, state, reading = network.stack.forward(params, inputs[t : t + 1], state, None, workspace)
            readings.append((reading, workspace))
        batch = Batch(inputs[-1:], targets[None])
        _, dh, _ = head.loss_and_gradients(network.engine, params, h, batch, workspace)
        norms, scale, d_state = np.empty((T, B)), np.ones(B), None
        for k, (reading, workspace) in enumerate(reversed(readings)):
            _, d_state = network.stack.backward(params, dh, reading, workspace, d_state)
            largest = np.abs(d_state).max(axis=(0, 1, 3)).astype(np.float64)
            factor = np.where((largest > 0) & (largest < SMALL), largest, 1)
            d_state /= factor[:, None].astype(d_state.dtype)
            scale *= factor
            norms[k] = scale * np.sqrt(np.square(d_state[:, 0].astype(np.float64)).sum(axis=(0, 2)))
            dh = np.zeros_like(h)
        return norms

    def _forward_backward(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        dropout: Array | None,
        workspace: Workspace,
        receive: Receiver | None = None,
    ) -> tuple[float, Params, Array, Array]:
        """`loss_and_gradients`, followed by the gradient of the initial state."""
        h, next_state, reading = self.stack.forward(params, batch.inputs, state, dropout, workspace)
        total, dh, head_grads = head.loss_and_gradients(self.engine, params, h, batch, workspace)
        if receive is not None:
            receive(head_grads)
        # h, state = stack.forward(inputs, state)
        grads, d_state = self.stack.backward(params, dh, reading, workspace, receive=receive)
        grads |= head_grads
        return total, {name: grads[name] for name in params}, next_state, d_state
