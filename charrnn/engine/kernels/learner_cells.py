"""The cells of the compiled learner: a layer that reads one text, forward and backward.

The cache, which `forward` leaves to `backward`, is a tuple, whose length tells the kernels which cell it is. h and c
have a place for the state before a text, and one for that after each of its steps: each text takes a place more than
it has steps.
"""

from typing import Any

import numpy as np
from numba.extending import overload

from charrnn.engine.kernels import gru, lstm, rnn
from charrnn.engine.kernels.simd import copy
from charrnn.layers.workspace import aligned_zeros
from charrnn.types import Array

Cache = tuple[Any, ...]
Span = tuple[int, int, int, int]
"""The layer, the first step of a text, the step after its last, and the place of the state before it."""


def new_cache(cell: str, L: int, T: int, H: int, dtype: Any) -> Cache:
    """The cache of L layers for T steps."""

    def zeros(*shape: int) -> Array:
        return aligned_zeros(shape, dtype)

    if cell == "lstm":
        return zeros(L, T, 1, 4 * H), zeros(L, 2 * T + 1, 1, H), zeros(L, T, 1, H)  # gates, c, tanh c
    if cell == "gru":
        return zeros(L, T, 1, 3 * H), zeros(L, T, 1, H), zeros(1, 3 * H), zeros(1, H)  # gates, q; two of a step back
    return zeros(L, T, 1, H), cell == "rnn_relu"  # da


def forward(cache: Cache, span: Span, x: Array, h: Array, state: Array, weights: tuple[Array, ...]) -> None:
    """A text from its state [S, 1, H], which becomes the next one, with the projected inputs x [T, G·H].

    h [L, 2T + 1, 1, H] gets the state before the text, and that after each of its steps. `weights` are the panels of
    W_hh, the bias of h W_hh, and memory for that product.
    """
    raise NotImplementedError("only kernels call this")


@overload(forward)
def _forward(cache: Any, span: Any, x: Any, h: Any, state: Any, weights: Any) -> Any:
    def of_lstm(cache: Any, span: Any, x: Any, h: Any, state: Any, weights: Any) -> None:
        gates, c, tanh_c = cache
        layer, first, stop, place = span
        panels, bias, hW = weights
        T = stop - first
        h, c = h[layer, place : place + T + 1], c[layer, place : place + T + 1]
        h[0], c[0] = state[0], state[1]
        gates, tanh_c = gates[layer, first:stop], tanh_c[layer, first:stop]
        lstm._forward(x[first:stop], np.arange(T), gates, panels, h, h[0], c, tanh_c, bias, hW)
        state[0], state[1] = h[T], c[T]

    def of_gru(cache: Any, span: Any, x: Any, h: Any, state: Any, weights: Any) -> None:
        gates, q, _, _ = cache
        layer, first, stop, place = span
        panels, bias, hW = weights
        T = stop - first
        h = h[layer, place : place + T + 1]
        h[0] = state[0]
        gates, q = gates[layer, first:stop], q[layer, first:stop]
        gru._forward(x[first:stop], np.arange(T), gates, panels, h, h[0], q, bias, hW)
        state[0] = h[T]

    def of_rnn(cache: Any, span: Any, x: Any, h: Any, state: Any, weights: Any) -> None:
        _, is_relu = cache
        layer, first, stop, place = span
        panels, bias, hW = weights
        T = stop - first
        h = h[layer, place : place + T + 1]
        h[0] = state[0]
        rnn._forward(x[first:stop], np.arange(T), panels, h, h[0], bias, hW, is_relu)
        state[0] = h[T]

    return {3: of_lstm, 4: of_gru, 2: of_rnn}[len(cache)]


def backward(
    cache: Cache, span: Span, d: Array, h: Array, weights: tuple[Array, Array], sums: Array, da: Array
) -> None:
    """From the gradient d [T, 1, H] of the outputs those of x and of h W_hh, which `gradients` finds.

    `weights` are those of `multiply_back`: the panels of W_hh, and memory. `sums` [2, ≥ panels · width] is memory:
    zeros, and the gradient of h.
    """
    raise NotImplementedError("only kernels call this")


@overload(backward)
def _backward(cache: Any, span: Any, d: Any, h: Any, weights: Any, sums: Any, da: Any) -> Any:
    def of_lstm(cache: Any, span: Any, d: Any, h: Any, weights: Any, sums: Any, da: Any) -> None:
        gates, c, tanh_c = cache
        layer, first, stop, place = span
        T, H = stop - first, d.shape[2]
        gates, dh = gates[layer, first:stop], sums[1:]
        dh[:] = 0
        lstm._backward(
            *(d[first:stop], weights, c[layer, place : place + T + 1], tanh_c[layer, first:stop], gates, gates[0]),
            *(sums[:1], dh, np.zeros((1, H), d.dtype)),
        )

    def of_gru(cache: Any, span: Any, d: Any, h: Any, weights: Any, sums: Any, da: Any) -> None:
        gates, q, d_hW, dh_z = cache
        layer, first, stop, place = span
        T, H = stop - first, d.shape[2]
        gates, q, dh = gates[layer, first:stop], q[layer, first:stop], sums[1:]
        dh[:] = 0
        dh_z[:] = 0
        h = h[layer, place : place + T + 1]
        gru._backward(d[first:stop], weights, h, gates, q, d_hW, d_hW, sums[:1], dh, dh_z)
        for t in range(T):
            row = (first + t) * 3 * H
            copy(2 * H, (da,), (row,), (gates,), (t * 3 * H,))
            copy(H, (da,), (row + 2 * H,), (q,), (t * H,))

    def of_rnn(cache: Any, span: Any, d: Any, h: Any, weights: Any, sums: Any, da: Any) -> None:
        out, is_relu = cache
        layer, first, stop, place = span
        T = stop - first
        out, dh = out[layer, first:stop], sums[1:]
        dh[:] = 0
        h = h[layer, place : place + T + 1]
        rnn._backward(d[first:stop], weights, h, out, out[0], sums[:1], dh, is_relu)

    return {3: of_lstm, 4: of_gru, 2: of_rnn}[len(cache)]


def gradients(cache: Cache, layer: int, da: Array) -> tuple[Array, Array]:
    """The gradients of x and of h W_hh, both [T, G·H], that `backward` has left; da is what was given to that."""
    raise NotImplementedError("only kernels call this")


@overload(gradients)
def _gradients(cache: Any, layer: Any, da: Any) -> Any:
    def of_gates(cache: Any, layer: Any, da: Any) -> Any:
        dx = cache[0][layer].reshape(da.shape)
        return dx, dx

    def of_gru(cache: Any, layer: Any, da: Any) -> Any:
        return cache[0][layer].reshape(da.shape), da

    return of_gru if len(cache) == 4 else of_gates
