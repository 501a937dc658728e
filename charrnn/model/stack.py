"""The stack: recurrent layers, one above the other, that read a text forwards.

    x₀ = W_ih[ids] + b            the first layer reads characters: a row look-up
    hₗ = cell(xₗ, W_hh)           the same weights at every time step
    xₗ = hₗ₋₁ W_ih + b            the other layers read the outputs of the layer below

The parameters are `W_ih0, W_hh0, b0, …` for the layers from 0. A network with other cells besides gives these names an
ending. The state [L, S, B, H] holds every layer's h (and c).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Cell, Engine
from charrnn.layers.matmul import Matmul
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Params, Receiver, Shapes


def cell_shapes(cell: Cell, suffix: str, N: int, H: int) -> Shapes:
    """The name, which ends with the suffix, and the shape of every parameter of a cell of H units that reads N."""
    shapes: Shapes = {f"W_ih{suffix}": (N, cell.GATES * H), f"W_hh{suffix}": (H, cell.GATES * H)}
    shapes[f"b{suffix}"] = (cell.GATES * H,)
    if "b_hn" in cell.RECURRENT:
        shapes[f"b_hn{suffix}"] = (H,)
    return shapes


class Reading(NamedTuple):
    """What the layers computed for some inputs, which `backward` needs."""

    inputs: Ids
    """[T, B]"""
    caches: list[Any]
    """What the engine's cell keeps, for each layer."""
    outputs: list[Array]
    """The outputs [T, B, H] of each layer."""
    dropout: Array | None
    """The masks [L, T, B, H] of the outputs."""


@dataclass(frozen=True)
class Stack:
    """The layers of a configuration, computed by an engine."""

    config: ModelConfig
    engine: Engine
    ending: str = ""
    """How the names of the parameters end, after the number of their layer."""

    @cached_property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""
        cell: Cell = getattr(self.engine, self.config.cell_name)
        return cell

    @cached_property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: with its layer."""
        return [f"{layer}{self.ending}" for layer in range(self.config.layers)]

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""
        V, H = self.config.vocab_size, self.config.hidden_size
        shapes: Shapes = {}
        for layer, suffix in enumerate(self.suffixes):
            shapes |= cell_shapes(self.cell, suffix, H if layer else V, H)
        return shapes

    def state_shape(self, B: int) -> tuple[int, int, int, int]:
        """The shape [L, S, B, H] of the state of B rows."""
        return self.config.layers, self.cell.STATES, B, self.config.hidden_size

    def zero_state(self, B: int, dtype: Any = np.float32) -> Array:
        """The state [L, S, B, H] before anything is read."""
        return np.zeros(self.state_shape(B), dtype)

    def step(self, params: Params, ids: Ids, state: Array, matmul: Matmul = np.matmul) -> tuple[Array, Array]:
        """The last layer's h [B, H] after one character of each row [B], with the NumPy engine, and the next state.

        For a sequence of a single step, the overhead of `forward` would take longer than the mathematics.
        """
        cell, next_state = self.cell, np.empty_like(state)
        x: Array = ids
        for layer, suffix in enumerate(self.suffixes):
            W = params[f"W_ih{suffix}"]
            x = matmul(x, W) if layer else W[ids]
            x += params[f"b{suffix}"]
            recurrent = (params[f"{name}{suffix}"] for name in cell.RECURRENT)
            next_state[layer] = cell.step(x, *recurrent, state[layer], matmul)
            x = next_state[layer, 0]
        return x, next_state

    def forward(
        self, params: Params, inputs: Ids, state: Array, dropout: Array | None, workspace: Workspace
    ) -> tuple[Array, Array, Reading]:
        """The last layer's outputs [T, B, H] for the inputs [T, B], the next state, and what `backward` needs.

        `dropout` is the mask [L, T, B, H] of `Masks.of_outputs`, or None.
        """
        cell, next_state, caches, outputs = self.cell, np.empty_like(state), [], []
        x = self.engine.embedding.forward(inputs, params[f"W_ih0{self.ending}"], params[f"b0{self.ending}"], workspace)
        for layer, suffix in enumerate(self.suffixes):
            recurrent = (params[f"{name}{suffix}"] for name in cell.RECURRENT)
            scope = workspace.scope(f"layer {layer}")
            h, next_state[layer], cache = cell.forward(x, *recurrent, state[layer], scope)
            if dropout is not None:
                h = np.multiply(h, dropout[layer], out=scope.empty("dropped out", h.shape, h.dtype))
            caches.append(cache)
            outputs.append(h)
            if layer + 1 < self.config.layers:
                above = f"{layer + 1}{self.ending}"
                x = self._linear(h, params[f"W_ih{above}"], params[f"b{above}"], scope)
        return h, next_state, Reading(inputs, caches, outputs, dropout)

    def _linear(self, x: Array, W: Array, b: Array, workspace: Workspace) -> Array:
        """x W + b over all time steps and rows: [T, B, in] → [T, B, out]."""
        T, B, _ = x.shape
        return self.engine.linear.forward(x.reshape(T * B, -1), W, b, workspace).reshape(T, B, -1)

    def backward(
        self,
        params: Params,
        dh: Array,
        reading: Reading,
        workspace: Workspace,
        d_next: Array | None = None,
        receive: Receiver | None = None,
    ) -> tuple[Params, Array]:
        """The gradients of the parameters and of the initial state [L, S, B, H] from that of the outputs, dh [T, B, H].

        It overwrites dh. Backpropagation stops at the initial state: this is the truncation of truncated BPTT (R.
        Williams, J. Peng, 1990). `d_next` is the gradient of the next state [L, S, B, H], which only the NumPy engine
        takes; without it, nothing follows. `receive` gets the gradients of the parameters layer by layer, from above.
        """
        cell, engine = self.cell, self.engine
        grads: Params = {}

        def found(names: Iterable[str], *arrays: Array) -> None:
            grads.update(some := dict(zip(names, arrays, strict=True)))
            if receive is not None:
                receive(some)

        T, B = reading.inputs.shape
        d_state = np.empty(self.state_shape(B), dh.dtype)
        for layer, suffix in reversed([*enumerate(self.suffixes)]):
            # h = h * dropout[layer]
            if reading.dropout is not None:
                dh *= reading.dropout[layer]
            # h, state, cache = cell.forward(x, …)
            scope = workspace.scope(f"layer {layer}")
            following = () if d_next is None else (d_next[layer],)
            dx, *recurrent, d_state[layer] = cell.backward(dh, reading.caches[layer], scope, *following)
            found((f"{name}{suffix}" for name in cell.RECURRENT), *recurrent)
            W, b = f"W_ih{suffix}", f"b{suffix}"
            if layer:
                # x = outputs[layer - 1] W_ih + b
                x, scope = reading.outputs[layer - 1].reshape(T * B, -1), workspace.scope(W)
                dh, dW, db = engine.linear.backward(dx.reshape(T * B, -1), x, params[W], scope)
                dh = dh.reshape(T, B, -1)
            else:
                # x = (W_ih + b)[inputs]
                dW = engine.embedding.backward(dx, reading.inputs, self.config.vocab_size, workspace)
                db = dW.sum(axis=0)
            found((W, b), dW, db)
        return grads, d_state
