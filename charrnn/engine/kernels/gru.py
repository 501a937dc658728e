"""The compiled twin of `layers.gru`: a step is one product over packed weights and one fused pass over the gates."""

import numpy as np
from numba import njit

from charrnn.engine.kernels.matmul import bias, outer, pack, packed_matmul, scratch
from charrnn.engine.kernels.simd import Vector, fused, prefetch, sigmoid, tanh
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 3  # r, z, n
STATES = 1  # h
RECURRENT = ("W_hh", "b_hn")

Cache = tuple[Array, Array, Array, Array]


def _step(x_r: Vector, x_z: Vector, x_n: Vector, a_r: Vector, a_z: Vector, q: Vector, h: Vector) -> tuple[Vector, ...]:
    """x is the projected input, a and q = h W_hh + b_hn: returns r, z, n, q, which r multiplies, and the next h."""
    r, z = sigmoid(x_r + a_r), sigmoid(x_z + a_z)
    n = tanh(x_n + r * q)
    return r, z, n, q, n + z * (h - n)


def _step_back(
    r: Vector, z: Vector, n: Vector, q: Vector, h: Vector, d_output: Vector, back: Vector, kept: Vector
) -> tuple[Vector, ...]:
    """Returns the gradients of the sums of r, z, n and of r, z, q, that of q again, and what reaches h through z."""
    # outputs[t] = h, which the next step read through its product, `back`, and through its z, `kept`
    dh = d_output + back + kept
    # h = n + z (h - n);  r, z = σ(·), σ' = σ (1 - σ);  n = tanh(·), tanh' = 1 - n²
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (h - n) * z * (1 - z)
    # n = tanh(x_n + r q)
    dr, dq = dn * q * r * (1 - r), dn * r
    return dr, dz, dn, dr, dz, dq, dq, dh * z


_fused_step = fused(_step, 5)
_fused_step_back = fused(_step_back, 8)


@njit(nogil=True, cache=True)
def _forward(gates: Array, panels: Array, h: Array, q: Array, start: Array, a: Array) -> None:
    T, B, GH = gates.shape  # they hold the projected input
    H = GH // 3
    N = a.shape[1]
    for t in range(T):
        prefetch(gates, t * B * GH, B * GH)
        packed_matmul(h[t], panels, 3 * H, start, a)
        for b in range(B):
            m, n, s = (t * B + b) * H, (t * B + b) * GH, b * N
            _fused_step(
                H,
                (gates, gates, gates, q, h),
                (n, n + H, n + 2 * H, m, m + B * H),
                (gates, gates, gates, a, a, a, h),
                (n, n + H, n + 2 * H, s, s + H, s + 2 * H, m),
            )


@njit(nogil=True, cache=True)
def _backward(
    d_outputs: Array,
    panels: Array,
    h: Array,
    gates: Array,
    q: Array,
    da: Array,
    start: Array,
    back: Array,
    kept: Array,
) -> None:
    T, B, H = d_outputs.shape
    N = back.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m, s = (t * B + b) * H, 3 * b * H
            n = 3 * m
            _fused_step_back(
                H,
                (gates, gates, gates, da, da, da, q, kept),
                (n, n + H, n + 2 * H, s, s + H, s + 2 * H, m, b * H),
                (gates, gates, gates, q, h, d_outputs, back, kept),
                (n, n + H, n + 2 * H, m, m, m, b * N, b * H),
            )
        # r, z: a = x + h W;  n: q = h W_hn + b_hn enters as r q
        if t:
            before = (t - 1) * B * H
            prefetch(gates, 3 * before, 3 * B * H)
            for array in (q, h, d_outputs):
                prefetch(array, before, B * H)
        packed_matmul(da, panels, H, start, back)


@njit(nogil=True, cache=True)
def step(x: Array, panels: Array, start: Array, state: Array, a: Array, spare: Array) -> None:
    """One step without a way back: moves state [1, B, H] on, given x [B, 3H]; `a` and `spare` are overwritten."""
    _, B, H = state.shape
    N = a.shape[1]
    packed_matmul(state[0], panels, 3 * H, start, a)
    for b in range(B):
        n, s, m = 3 * b * H, b * N, b * H
        _fused_step(
            H,
            (a, a, a, spare, state),
            (s, s + H, s + 2 * H, m, m),
            (x, x, x, a, a, a, state),
            (n, n + H, n + 2 * H, s, s + H, s + 2 * H, m),
        )


def forward(
    x: Array, W_hh: Array, b_hn: Array, state: Array, workspace: Workspace | None = None
) -> tuple[Array, Array, Cache]:
    """As `layers.gru.forward`."""
    T, B, GH = x.shape
    H = GH // 3
    gates = np.ascontiguousarray(x) if workspace else np.array(x, order="C")
    workspace = workspace or Workspace()
    h, q = workspace.empty("h", (T + 1, B, H), x.dtype), workspace.empty("q", (T, B, H), x.dtype)
    h[0] = state[0]
    panels = pack(W_hh, workspace)
    _forward(gates, panels, h, q, bias(panels, workspace, b_hn, 2 * H), scratch(B, panels, workspace))
    return h[1:], h[T:].copy(), (W_hh, h, gates, q)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array, Array]:
    """As `layers.gru.backward`."""
    W_hh, h, gates, q = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    panels = pack(W_hh, workspace, transposed=True)
    back, kept, da = scratch(B, panels, workspace), np.zeros((B, H), h.dtype), np.empty((B, 3 * H), h.dtype)
    _backward(d_outputs, panels, h, gates, q, da, bias(panels, workspace), back, kept)
    dx, dq = gates, q.reshape(T * B, H)
    # a = h[t] @ W_hh + b_hn, for all t at once
    before, dW_hh = h[:-1].reshape(T * B, H), workspace.empty("dW_hh", W_hh.shape, h.dtype)
    dW_hh[:, : 2 * H] = outer(before, dx.reshape(T * B, 3 * H), workspace.scope("rz"), 2 * H)
    dW_hh[:, 2 * H :] = outer(before, dq, workspace.scope("q"))
    return dx, dW_hh, dq.sum(axis=0), (back[:, :H] + kept)[None]
