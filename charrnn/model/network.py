"""The network: from ids to the loss and its gradients, as pure functions of parameters and state.

    x₀ = W_ih[ids] + b            the first layer reads characters: a row look-up
    hₗ = cell(xₗ, W_hh)           the same weights at every time step
    xₗ = hₗ₋₁ W_ih + b            the other layers read the outputs of the layer below
    y  = h W_out + b_out          the decoder: a logit for each character that may come next

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
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.types import Array, Ids, Params


@dataclass(frozen=True)
class Network:
    """The layers of a configuration, computed by an engine.

    Arrays that a method returns, except states, are in the workspace if one is given, and are valid until the workspace
    is used again.
    """

    config: ModelConfig
    engine: Engine

    @cached_property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""
        cell: Cell = getattr(self.engine, self.config.cell_name)
        return cell

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: with its layer."""
        return [str(layer) for layer in range(self.config.layers)]

    @property
    def param_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every parameter, in the order in which they are initialized."""
        config, H = self.config, self.config.hidden_size
        V, GH = config.vocab_size, self.cell.GATES * H
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(config.layers):
            shapes[f"W_ih{layer}"] = (H if layer else V, GH)
            shapes[f"W_hh{layer}"] = (H, GH)
            shapes[f"b{layer}"] = (GH,)
            if "b_hn" in self.cell.RECURRENT:
                shapes[f"b_hn{layer}"] = (H,)
        return shapes | {"W_out": (H, V), "b_out": (V,)}

    def state_shape(self, B: int) -> tuple[int, int, int, int]:
        """The shape [L, S, B, H] of the state of B rows."""
        return self.config.layers, self.cell.STATES, B, self.config.hidden_size

    def zero_state(self, B: int, dtype: Any = np.float32) -> Array:
        """The state [L, S, B, H] before anything is read."""
        return np.zeros(self.state_shape(B), dtype)

    # Predictions

    def forward(
        self, params: Params, inputs: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array]:
        """The logits [T, B, V] of the characters that follow each of the inputs [T, B], and the next state."""
        workspace = workspace or Workspace()
        h, state, _, _ = self._forward_layers(params, inputs, state, None, workspace)
        return head.logits(self.engine, params, h, workspace), state

    def step(self, params: Params, ids: Ids, state: Array) -> tuple[Array, Array]:
        """`forward` for one character of each row [B], with the NumPy engine: logits [B, V], and the next state.

        For a sequence of a single step, the overhead of `forward` would take longer than the mathematics.
        """
        cell, layers = self.cell, self.config.layers
        next_state = np.empty_like(state)
        x = params["W_ih0"][ids] + params["b0"]
        for layer in range(layers):
            recurrent = (params[f"{name}{layer}"] for name in cell.RECURRENT)
            next_state[layer] = cell.step(x, *recurrent, state[layer])
            W, b = (f"W_ih{layer + 1}", f"b{layer + 1}") if layer + 1 < layers else ("W_out", "b_out")
            x = next_state[layer, 0] @ params[W]
            x += params[b]
        return x, next_state

    def forward_with_activations(
        self, params: Params, inputs: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array, list[dict[str, Array]], Array]:
        """`forward` with the NumPy engine, and the activations inside the network.

        Returns the logits [T, B, V]; the units' activations [L, T, B, H], tanh c for an LSTM and h for the other cells;
        the gates of each layer by name, [T, B, H]; and the next state.
        """
        network, workspace = Network(self.config, load("numpy")), workspace or Workspace()
        h, state, caches, _ = network._forward_layers(params, inputs, state, None, workspace)
        units, gates = zip(*map(network.cell.units_and_gates, caches), strict=True)
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
        h, state, _, _ = self._forward_layers(params, batch.inputs, state, None, workspace)
        return head.loss(self.engine, params, h, batch, workspace), state

    def loss_and_gradients(
        self,
        params: Params,
        batch: Batch,
        state: Array,
        dropout: Array | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[float, Params, Array]:
        """The summed loss in nats, its gradient for every parameter, and the next state.

        `state` is [L, S, B, H]; `dropout` is the mask [L, T, B, H] of `dropout_masks`, or None. The results are sums,
        not means, so that those of shards can be added. Backpropagation stops at the initial state: this is the
        truncation of truncated BPTT (R. Williams, J. Peng, 1990). Only the targets that the batch's mask selects count;
        a shard may have none.
        """
        total, grads, next_state, _ = self._forward_backward(params, batch, state, dropout, workspace or Workspace())
        return total, grads, next_state

    def state_gradient(self, params: Params, inputs: Ids, targets: Ids, state: Array) -> Array:
        """The gradient [L, S, B, H] of the loss of the last targets alone with respect to the state before the inputs.

        inputs [T, B]; targets [B]. It is ∂loss_t/∂h_{t-k}, and for an LSTM ∂loss_t/∂c_{t-k}: the gradient that may
        vanish (Y. Bengio, P. Simard, P. Frasconi, 1994).
        """
        mask = np.zeros(inputs.shape, bool)
        mask[-1] = True
        batch = Batch(inputs, np.broadcast_to(targets, inputs.shape), mask=mask)
        return self._forward_backward(params, batch, state, None, Workspace())[3]

    # The layers

    def _forward_layers(
        self, params: Params, inputs: Ids, state: Array, dropout: Array | None, workspace: Workspace
    ) -> tuple[Array, Array, list[Any], list[Array]]:
        """The last layer's outputs [T, B, H], the next state, each layer's cache, and each layer's outputs."""
        cell, layers = self.cell, self.config.layers
        next_state, caches, outputs = np.empty_like(state), [], []
        x = self.engine.embedding.forward(inputs, params["W_ih0"], params["b0"], workspace)
        for layer in range(layers):
            recurrent = (params[f"{name}{layer}"] for name in cell.RECURRENT)
            scope = workspace.scope(f"layer {layer}")
            h, next_state[layer], cache = cell.forward(x, *recurrent, state[layer], scope)
            if dropout is not None:
                h = np.multiply(h, dropout[layer], out=scope.empty("dropped out", h.shape, h.dtype))
            caches.append(cache)
            outputs.append(h)
            if layer + 1 < layers:
                x = self._linear(h, params[f"W_ih{layer + 1}"], params[f"b{layer + 1}"], scope)
        return h, next_state, caches, outputs

    def _linear(self, x: Array, W: Array, b: Array, workspace: Workspace) -> Array:
        """x W + b over all time steps and rows: [T, B, in] → [T, B, out]."""
        T, B, _ = x.shape
        return self.engine.linear.forward(x.reshape(T * B, -1), W, b, workspace).reshape(T, B, -1)

    def _forward_backward(
        self, params: Params, batch: Batch, state: Array, dropout: Array | None, workspace: Workspace
    ) -> tuple[float, Params, Array, Array]:
        """`loss_and_gradients`, followed by the gradient of the initial state."""
        cell, engine, layers = self.cell, self.engine, self.config.layers
        T, B = batch.inputs.shape
        h, next_state, caches, outputs = self._forward_layers(params, batch.inputs, state, dropout, workspace)
        total, dh, grads = head.loss_and_gradients(engine, params, h, batch, workspace)
        d_state = np.empty_like(state)
        for layer in reversed(range(layers)):
            # h = h * dropout[layer]
            if dropout is not None:
                dh *= dropout[layer]
            # h, state, cache = cell.forward(x, …)
            dx, *recurrent, d_state[layer] = cell.backward(dh, caches[layer], workspace.scope(f"layer {layer}"))
            grads.update((f"{name}{layer}", d) for name, d in zip(cell.RECURRENT, recurrent, strict=True))
            if layer:
                # x = outputs[layer - 1] W_ih + b
                x, W, b = outputs[layer - 1].reshape(T * B, -1), f"W_ih{layer}", f"b{layer}"
                dh, grads[W], grads[b] = engine.linear.backward(dx.reshape(T * B, -1), x, params[W], workspace.scope(W))
                dh = dh.reshape(T, B, -1)
            else:
                # x = (W_ih + b)[inputs]
                grads["W_ih0"] = engine.embedding.backward(dx, batch.inputs, self.config.vocab_size, workspace)
                grads["b0"] = grads["W_ih0"].sum(axis=0)
        return total, {name: grads[name] for name in params}, next_state, d_state
