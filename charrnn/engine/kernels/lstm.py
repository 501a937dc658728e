"""The compiled twin of `layers.lstm`: a step is one product over packed weights and one fused pass over the gates."""

import numpy as np
from numba import njit

from charrnn.engine.kernels.matmul import bias, outer, pack, packed_matmul, scratch
from charrnn.engine.kernels.simd import Vector, fused, prefetch, sigmoid, tanh
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 4  # i, f, g, o
STATES = 2  # h, c
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, Array, Array, Array]


def _step(
    x_i: Vector, x_f: Vector, x_g: Vector, x_o: Vector, a_i: Vector, a_f: Vector, a_g: Vector, a_o: Vector, c: Vector
) -> tuple[Vector, ...]:
    """x is the projected input, a = h W_hh: returns i, f, g, o, the next c, its tanh, and the next h."""
    i, f, g, o = sigmoid(x_i + a_i), sigmoid(x_f + a_f), tanh(x_g + a_g), sigmoid(x_o + a_o)
    c = f * c + i * g
    tanh_c = tanh(c)
    return i, f, g, o, c, tanh_c, o * tanh_c


def _step_back(
    i: Vector, f: Vector, g: Vector, o: Vector, tanh_c: Vector, c: Vector, d_output: Vector, dh: Vector, dc: Vector
) -> tuple[Vector, ...]:
    """Returns the gradients of the four gates' sums and of the c that entered the step."""
    # outputs[t] = h
    dh = dh + d_output
    # h = o tanh(c)
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    # c = f c + i g;  i, f, o = σ(a), σ' = σ (1 - σ);  g = tanh(a), tanh' = 1 - g²
    return dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), do * o * (1 - o), dc * f


_fused_step = fused(_step, 7)
_fused_step_back = fused(_step_back, 5)


@njit(nogil=True, cache=True)
def _forward(gates: Array, panels: Array, h: Array, c: Array, tanh_c: Array, start: Array, a: Array) -> None:
    T, B, GH = gates.shape  # they hold the projected input
    H = GH // 4
    N = a.shape[1]
    for t in range(T):
        prefetch(gates, t * B * GH, B * GH)
        packed_matmul(h[t], panels, 4 * H, start, a)
        for b in range(B):
            m, n, s = (t * B + b) * H, (t * B + b) * GH, b * N
            _fused_step(
                H,
                (gates, gates, gates, gates, c, tanh_c, h),
                (n, n + H, n + 2 * H, n + 3 * H, m + B * H, m, m + B * H),
                (gates, gates, gates, gates, a, a, a, a, c),
                (n, n + H, n + 2 * H, n + 3 * H, s, s + H, s + 2 * H, s + 3 * H, m),
            )


@njit(nogil=True, cache=True)
def _backward(
    d_outputs: Array, panels: Array, c: Array, tanh_c: Array, gates: Array, start: Array, dh: Array, dc: Array
) -> None:
    T, B, H = d_outputs.shape
    N = dh.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m = (t * B + b) * H
            n = 4 * m
            _fused_step_back(
                H,
                (gates, gates, gates, gates, dc),
                (n, n + H, n + 2 * H, n + 3 * H, b * H),
                (gates, gates, gates, gates, tanh_c, c, d_outputs, dh, dc),
                (n, n + H, n + 2 * H, n + 3 * H, m, m, m, b * N, b * H),
            )
        # a = x[t] + h[t] @ W_hh
        if t:
            before = (t - 1) * B * H
            prefetch(gates, 4 * before, 4 * B * H)
            for array in (tanh_c, c, d_outputs):
                prefetch(array, before, B * H)
        packed_matmul(gates[t], panels, H, start, dh)


@njit(nogil=True, cache=True)
def step(x: Array, panels: Array, start: Array, state: Array, a: Array, spare: Array) -> None:
    """One step without a way back: moves state [2, B, H] on, given x [B, 4H]; `a` and `spare` are overwritten."""
    _, B, H = state.shape
    N = a.shape[1]
    packed_matmul(state[0], panels, 4 * H, start, a)
    for b in range(B):
        n, s, m = 4 * b * H, b * N, b * H
        _fused_step(
            H,
            (a, a, a, a, state, spare, state),
            (s, s + H, s + 2 * H, s + 3 * H, B * H + m, m, m),
            (x, x, x, x, a, a, a, a, state),
            (n, n + H, n + 2 * H, n + 3 * H, s, s + H, s + 2 * H, s + 3 * H, B * H + m),
        )


def forward(x: Array, W_hh: Array, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array, Cache]:
    """As `layers.lstm.forward`."""
    T, B, GH = x.shape
    H = GH // 4
    gates = np.ascontiguousarray(x) if workspace else np.array(x, order="C")
    workspace = workspace or Workspace()
    h, c = workspace.empty("h", (T + 1, B, H), x.dtype), workspace.empty("c", (T + 1, B, H), x.dtype)
    tanh_c = workspace.empty("tanh_c", (T, B, H), x.dtype)
    h[0], c[0] = state
    panels = pack(W_hh, workspace)
    _forward(gates, panels, h, c, tanh_c, bias(panels, workspace), scratch(B, panels, workspace))
    return h[1:], np.stack((h[T], c[T])), (W_hh, h, c, tanh_c, gates)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """As `layers.lstm.backward`."""
    W_hh, h, c, tanh_c, gates = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    panels = pack(W_hh, workspace, transposed=True)
    dh, dc = scratch(B, panels, workspace), np.zeros((B, H), h.dtype)
    _backward(d_outputs, panels, c, tanh_c, gates, bias(panels, workspace), dh, dc)
    dx = gates
    # a = x[t] + h[t] @ W_hh, for all t at once
    dW_hh = outer(h[:-1].reshape(T * B, H), dx.reshape(T * B, 4 * H), workspace.scope("dW_hh"))
    return dx, dW_hh, np.stack((dh[:, :H], dc))
