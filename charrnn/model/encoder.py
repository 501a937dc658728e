"""The encoder: layers that read whole texts in both directions, so that every output knows the whole text.

    →x₀ = →W_ih[ids] + →b        ←x₀ = ←W_ih[reversed ids] + ←b        two look-ups
    →hₗ = cell(→xₗ, →W_hh)       ←hₗ = cell(←xₗ, ←W_hh)                 each from a zero state
    yₗ  = [→hₗ ; reversed ←hₗ]                                         both in the order of the text
    →xₗ = yₗ₋₁ →W_ih + →b        ←xₗ = reversed yₗ₋₁ ←W_ih + ←b         both read both

M. Schuster, K. Paliwal, "Bidirectional Recurrent Neural Networks" (1997). The reverse cell is an ordinary one that
reads each row backwards, as `reversal` says, so that rows of any lengths are read side by side. The parameters of the
layers from 0 are `W_ih0, W_hh0, b0, …` and the same names + `_reverse`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Cell, Engine
from charrnn.layers.workspace import Workspace
from charrnn.model.reversal import join, reverse, reverse_vectors, reversed_places
from charrnn.model.stack import cell_shapes
from charrnn.types import Array, Ids, Indices, Params, Shapes

STEPS_PER_READ = 1 << 15
"""The most steps times rows that `read` gives a cell at once."""
DIRECTIONS = ("", "_reverse")
"""How the names of the parameters of a layer's two cells end."""

BothCells = tuple[Array, Array]
"""An array of the forward cell and one of the reverse cell, each in the order of that cell's steps."""


class Pass(NamedTuple):
    """What one cell read and computed, which `backward` needs."""

    suffix: str
    """How the names of the cell's parameters end."""
    source: Array
    """What it read: the ids [T, B] in the first layer, then the outputs [T, B, 2H] of the layer below."""
    cache: Any
    """What the engine's cell keeps."""
    mask: Array | None
    """The mask [T, B, H] of its outputs; None without dropout."""
    outputs: Array
    """[T, B, H]"""


class Encoding(NamedTuple):
    """What the encoder computed for B rows and T time steps, the length of the longest row."""

    outputs: BothCells
    """The outputs [T, B, H] of the last layer's cells; those on padding are arbitrary."""
    lengths: Indices
    """[B]"""
    places: Indices
    """[T·B], as `reversed_places` gives them."""
    passes: list[tuple[Pass, Pass]]
    """The two of each layer."""


@dataclass(frozen=True)
class Encoder:
    """The layers of a configuration in both directions, computed by an engine."""

    config: ModelConfig
    engine: Engine

    @cached_property
    def cell(self) -> Cell:
        """The engine's cell that the layers are made of."""
        cell: Cell = getattr(self.engine, self.config.cell_name)
        return cell

    @property
    def suffixes(self) -> list[str]:
        """How the names of each cell's parameters end: with its layer and its direction."""
        return [f"{layer}{direction}" for layer in range(self.config.layers) for direction in DIRECTIONS]

    @property
    def param_shapes(self) -> Shapes:
        """The name and shape of every parameter, in the order in which they are initialized."""
        V, H = self.config.vocab_size, self.config.hidden_size
        shapes: Shapes = {}
        for n, suffix in enumerate(self.suffixes):
            shapes |= cell_shapes(self.cell, suffix, V if n < 2 else 2 * H, H)
        return shapes

    def forward(
        self, params: Params, inputs: Ids, lengths: Indices | None, dropout: Array | None, workspace: Workspace
    ) -> Encoding:
        """Reads the first `lengths` [B] of the inputs [T, B]; all of them if it is None.

        `dropout` is the mask [L, T, B, 2H] of `Masks.of_outputs`, or None: beside that of the forward cell's outputs
        that of the reverse cell's, each in the order of the cell's steps.
        """
        T, B = inputs.shape
        lengths = np.full(B, T) if lengths is None else lengths.astype(np.intp)
        inputs = inputs[: max(1, lengths.max())]  # what is padding in every row need not be read
        places = reversed_places(lengths, len(inputs))
        sources, passes = (inputs, reverse(inputs, places)), []
        for layer in range(self.config.layers):
            masks = _masks(dropout, layer, len(inputs))
            (h, done), (h_reverse, done_reverse) = (
                self._forward_cell(params, f"{layer}{direction}", source, mask, workspace)
                for direction, source, mask in zip(DIRECTIONS, sources, masks, strict=True)
            )
            passes.append((done, done_reverse))
            if layer + 1 < self.config.layers:
                scope = workspace.scope(f"layer {layer}")
                y = join(h, h_reverse, places, scope)
                sources = y, reverse_vectors(y, places, scope)
        return Encoding((h, h_reverse), lengths, places, passes)

    def read(self, params: Params, inputs: Ids, lengths: Indices | None, workspace: Workspace) -> Encoding:
        """What `forward` computes without dropout, with no `passes`: nothing is kept for `backward`.

        Of a long text, each cell reads `STEPS_PER_READ` characters at once, so that memory holds little more than the
        outputs.
        """
        T, B = inputs.shape
        if T * B <= STEPS_PER_READ:
            return self.forward(params, inputs, lengths, None, workspace)._replace(passes=[])
        lengths = np.full(B, T) if lengths is None else lengths.astype(np.intp)
        inputs = inputs[: max(1, lengths.max())]
        places = reversed_places(lengths, len(inputs))
        sources = inputs, reverse(inputs, places)
        for layer in range(self.config.layers):
            h, h_reverse = (
                self._read_cell(params, layer, direction, source, workspace)
                for direction, source in zip(DIRECTIONS, sources, strict=True)
            )
            if layer + 1 < self.config.layers:
                y = join(h, h_reverse, places, workspace)
                sources = y, reverse_vectors(y, places, workspace)
        return Encoding((h, h_reverse), lengths, places, [])

    def _read_cell(self, params: Params, layer: int, direction: str, source: Array, workspace: Workspace) -> Array:
        """The outputs [T, B, H] of one cell, which reads piece by piece with its state carried.

        They are where those of the layer below were, which have been joined to `source`.
        """
        (T, B), suffix = source.shape[:2], f"{layer}{direction}"
        dtype, H = params[f"b{suffix}"].dtype, self.config.hidden_size
        state, n = np.zeros((self.cell.STATES, B, H), dtype), max(1, STEPS_PER_READ // B)
        outputs = workspace.empty(f"outputs{direction}", (T, B, H), dtype)
        for t in range(0, T, n):
            x, scope = self._project(params, suffix, source[t : t + n], workspace), workspace.scope(f"cell{suffix}")
            recurrent = (params[f"{name}{suffix}"] for name in self.cell.RECURRENT)
            outputs[t : t + n], state, _ = self.cell.forward(x, *recurrent, state, scope)
        return outputs

    def _project(self, params: Params, suffix: str, source: Array, workspace: Workspace) -> Array:
        """What one cell reads, projected to its gates: x [T, B, G·H]."""
        T, B = source.shape[:2]
        W, b, scope = params[f"W_ih{suffix}"], params[f"b{suffix}"], workspace.scope(f"W_ih{suffix}")
        if source.ndim == 2:
            x: Array = self.engine.embedding.forward(source, W, b, scope)
            return x
        return self.engine.linear.forward(source.reshape(T * B, -1), W, b, scope).reshape(T, B, -1)

    def _forward_cell(
        self, params: Params, suffix: str, source: Array, mask: Array | None, workspace: Workspace
    ) -> tuple[Array, Pass]:
        """The outputs [T, B, H] of one cell, from a zero state."""
        x = self._project(params, suffix, source, workspace)
        recurrent = (params[f"{name}{suffix}"] for name in self.cell.RECURRENT)
        state = np.zeros((self.cell.STATES, source.shape[1], self.config.hidden_size), x.dtype)
        scope = workspace.scope(f"cell{suffix}")
        h, _, cache = self.cell.forward(x, *recurrent, state, scope)
        if mask is not None:
            h = np.multiply(h, mask, out=scope.empty("dropped out", h.shape, h.dtype))
        return h, Pass(suffix, source, cache, mask, h)

    def backward(
        self,
        params: Params,
        d_outputs: BothCells,
        encoding: Encoding,
        workspace: Workspace,
        d_first: BothCells | None = None,
    ) -> tuple[Params, BothCells]:
        """The gradients of the parameters, and of the first layer's x [T, B, G·H], from those of the outputs.

        `d_first` is added to the gradients of the first layer's outputs, if something else reads these. It overwrites
        `d_outputs` [T, B, H], which must be zero on padding, as must `d_first`; so is dx.
        """
        grads: Params = {}
        for layer in reversed(range(self.config.layers)):
            if layer == 0 and d_first is not None:
                for dh, more in zip(d_outputs, d_first, strict=True):
                    dh += more
            d, d_reverse = (
                self._backward_cell(params, each, dh, grads, workspace)
                for each, dh in zip(encoding.passes[layer], d_outputs, strict=True)
            )
            if layer:
                # the sources are y and y with its rows reversed,  y = join(h, h_reverse)
                d_outputs = _split_sum(d, d_reverse, encoding.places, workspace.scope(f"layer {layer - 1}"))
        return grads, (d, d_reverse)

    def _backward_cell(self, params: Params, done: Pass, dh: Array, grads: Params, workspace: Workspace) -> Array:
        """The gradient [T, B, 2H] of what a cell read, or dx in the first layer; those of parameters go to `grads`."""
        suffix, source, cache, mask, _ = done
        # h = h * mask
        if mask is not None:
            dh *= mask
        # h, state, cache = cell.forward(x, …)
        dx, *recurrent, _ = self.cell.backward(dh, cache, workspace.scope(f"cell{suffix}"))
        grads.update((f"{name}{suffix}", d) for name, d in zip(self.cell.RECURRENT, recurrent, strict=True))
        W, b, scope = f"W_ih{suffix}", f"b{suffix}", workspace.scope(f"W_ih{suffix}")
        if source.ndim == 2:
            # x = (W_ih + b)[source]
            grads[W] = self.engine.embedding.backward(dx, source, self.config.vocab_size, scope)
            grads[b] = grads[W].sum(axis=0)
            return dx
        # x = source W_ih + b
        (T, B, N), dx = source.shape, dx.reshape(-1, dx.shape[-1])
        d_source, grads[W], grads[b] = self.engine.linear.backward(dx, source.reshape(T * B, N), params[W], scope)
        return d_source.reshape(T, B, N)


def _masks(dropout: Array | None, layer: int, T: int) -> tuple[Array | None, Array | None]:
    """A layer's masks [T, B, H] for the outputs of its two cells."""
    if dropout is None:
        return None, None
    H = dropout.shape[-1] // 2
    return dropout[layer, :T, :, :H], dropout[layer, :T, :, H:]


def _split_sum(dy: Array, dy_reversed: Array, places: Indices, workspace: Workspace) -> BothCells:
    """The gradients of h and h_reverse from those of y [T, B, 2H], contiguous, and of y with its rows reversed."""
    H = dy.shape[-1] // 2
    # y = [h ; reversed h_reverse],  y reversed = [reversed h ; h_reverse]
    dh = reverse_vectors(dy_reversed, places, workspace.scope("dh"), half=0)
    dh += dy[:, :, :H]
    dh_reverse = reverse_vectors(dy, places, workspace.scope("dh_reverse"), half=1)
    dh_reverse += dy_reversed[:, :, H:]
    return dh, dh_reverse
