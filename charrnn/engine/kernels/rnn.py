"""The compiled twin of `layers.rnn`: a step is one product over packed weights and one fused pass over the units."""

import numpy as np
from numba import njit

from charrnn.engine.kernels.matmul import bias, outer, pack, packed_matmul, scratch
from charrnn.engine.kernels.simd import Vector, fused, prefetch, tanh
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 1
STATES = 1  # h
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array]


def _step(x: Vector, a: Vector) -> tuple[Vector, ...]:
    """x is the projected input, a = h W_hh: returns the next h."""
    return (tanh(x + a),)


def _step_back(h: Vector, d_output: Vector, dh: Vector) -> tuple[Vector, ...]:
    """Returns the gradient of x + a, where h = tanh(x + a) and tanh' = 1 - tanh²."""
    return ((d_output + dh) * (1 - h * h),)


_fused_step = fused(_step, 1)
_fused_step_back = fused(_step_back, 1)


@njit(nogil=True, cache=True)
def _forward(x: Array, panels: Array, h: Array, start: Array, a: Array) -> None:
    T, B, H = x.shape
    N = a.shape[1]
    for t in range(T):
        prefetch(x, t * B * H, B * H)
        packed_matmul(h[t], panels, H, start, a)
        for b in range(B):
            m = (t * B + b) * H
            _fused_step(H, (h,), (m + B * H,), (x, a), (m, b * N))


@njit(nogil=True, cache=True)
def _backward(d_outputs: Array, panels: Array, h: Array, dx: Array, start: Array, dh: Array) -> None:
    T, B, H = d_outputs.shape
    N = dh.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m = (t * B + b) * H
            _fused_step_back(H, (dx,), (m,), (h, d_outputs, dh), (m + B * H, m, b * N))
        # a = x[t] + h[t] @ W_hh
        if t:
            prefetch(h, t * B * H, B * H)
            prefetch(d_outputs, (t - 1) * B * H, B * H)
        packed_matmul(dx[t], panels, H, start, dh)


@njit(nogil=True, cache=True)
def step(x: Array, panels: Array, start: Array, state: Array, a: Array, spare: Array) -> None:
    """One step without a way back: moves state [1, B, H] on, given x [B, H]; `a` is overwritten."""
    _, B, H = state.shape
    packed_matmul(state[0], panels, H, start, a)
    for b in range(B):
        _fused_step(H, (state,), (b * H,), (x, a), (b * H, b * a.shape[1]))


def forward(x: Array, W_hh: Array, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array, Cache]:
    """As `layers.rnn.forward`."""
    T, B, H = x.shape
    workspace, x = workspace or Workspace(), np.ascontiguousarray(x)
    h = workspace.empty("h", (T + 1, B, H), x.dtype)
    h[0] = state[0]
    panels = pack(W_hh, workspace)
    _forward(x, panels, h, bias(panels, workspace), scratch(B, panels, workspace))
    return h[1:], h[T:].copy(), (W_hh, h)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """As `layers.rnn.backward`."""
    W_hh, h = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    dx = workspace.empty("dx", d_outputs.shape, h.dtype)
    panels = pack(W_hh, workspace, transposed=True)
    dh = scratch(B, panels, workspace)
    _backward(d_outputs, panels, h, dx, bias(panels, workspace), dh)
    # a = x[t] + h[t] @ W_hh, for all t at once
    dW_hh = outer(h[:-1].reshape(T * B, H), dx.reshape(T * B, H), workspace.scope("dW_hh"))
    return dx, dW_hh, dh[None, :, :H].copy()
