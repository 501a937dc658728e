"""The compiled twin of `cells.gru`: a step is one product over packed weights and one fused pass over the gates."""

import numpy as np
from numba import njit

from charrnn.cells.compiled.product import matmul, pack, product, scratch
from charrnn.cells.compiled.vectors import Vector, fused, sigmoid, tanh
from charrnn.memory import Memory
from charrnn.notation import Array

GATES = 3  # r, z, n
STATES = 1  # h
RECURRENT = ("W_hh", "b_hn")

Cache = tuple[Array, Array, Array, Array]


def _step(
    x_r: Vector, x_z: Vector, x_n: Vector, a_r: Vector, a_z: Vector, a_n: Vector, b_hn: Vector, h: Vector
) -> tuple[Vector, ...]:
    """x is the projected input, a = h W_hh: returns r, z, n, what r multiplies, and the next h."""
    r, z = sigmoid(x_r + a_r), sigmoid(x_z + a_z)
    q = a_n + b_hn
    n = tanh(x_n + r * q)
    return r, z, n, q, n + z * (h - n)


def _step_back(
    r: Vector, z: Vector, n: Vector, q: Vector, h: Vector, d_output: Vector, back: Vector, kept: Vector
) -> tuple[Vector, ...]:
    """Returns the gradients of the sums of r, z, n, those behind the reset gate, and what reaches h through z."""
    # outputs[t] = h, which the next step read through its product, `back`, and through its z, `kept`
    dh = d_output + back + kept
    # h = n + z (h - n);  r, z = σ(·), σ' = σ (1 - σ);  n = tanh(·), tanh' = 1 - n²
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (h - n) * z * (1 - z)
    # n = tanh(x_n + r q)
    dr = dn * q * r * (1 - r)
    return dr, dz, dn, dr, dz, dn * r, dh * z


_fused_step = fused(_step, 5)
_fused_step_back = fused(_step_back, 7)


@njit(nogil=True, cache=True)
def _forward(x: Array, panels: Array, b_hn: Array, h: Array, gates: Array, q: Array, a: Array) -> None:
    T, B, GH = x.shape
    H = GH // 3
    N = a.shape[1]
    for t in range(T):
        product(h[t], panels, a)
        for b in range(B):
            m, n, s = (t * B + b) * H, (t * B + b) * GH, b * N
            _fused_step(
                H,
                (gates, gates, gates, q, h),
                (n, n + H, n + 2 * H, m, m + B * H),
                (x, x, x, a, a, a, b_hn, h),
                (n, n + H, n + 2 * H, s, s + H, s + 2 * H, 0, m),
            )


@njit(nogil=True, cache=True)
def _backward(
    d_outputs: Array, panels: Array, h: Array, gates: Array, q: Array, dx: Array, da: Array, back: Array, kept: Array
) -> None:
    T, B, H = d_outputs.shape
    N = back.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m = (t * B + b) * H
            n = 3 * m
            _fused_step_back(
                H,
                (dx, dx, dx, da, da, da, kept),
                (n, n + H, n + 2 * H, n, n + H, n + 2 * H, b * H),
                (gates, gates, gates, q, h, d_outputs, back, kept),
                (n, n + H, n + 2 * H, m, m, m, b * N, b * H),
            )
        # r, z: a = x + h W;  n: q = h W_hn + b_hn enters as r q
        product(da[t], panels, back)


@njit(nogil=True, cache=True)
def step(x: Array, panels: Array, b_hn: Array, state: Array, a: Array, spare: Array) -> None:
    """One step without a way back: moves state [1, B, H] on, given x [B, 3H]; `a` and `spare` are overwritten."""
    _, B, H = state.shape
    N = a.shape[1]
    product(state[0], panels, a)
    for b in range(B):
        n, s, m = 3 * b * H, b * N, b * H
        _fused_step(
            H,
            (a, a, a, spare, state),
            (s, s + H, s + 2 * H, m, m),
            (x, x, x, a, a, a, b_hn, state),
            (n, n + H, n + 2 * H, s, s + H, s + 2 * H, 0, m),
        )


def forward(
    x: Array, W_hh: Array, b_hn: Array, state: Array, memory: Memory | None = None
) -> tuple[Array, Array, Cache]:
    """As `cells.gru.forward`."""
    T, B, GH = x.shape
    H = GH // 3
    memory, x = memory or Memory(), np.ascontiguousarray(x)
    h, gates = memory.empty("h", (T + 1, B, H), x.dtype), memory.empty("gates", x.shape, x.dtype)
    q = memory.empty("q", (T, B, H), x.dtype)
    h[0] = state[0]
    panels = pack(W_hh, memory)
    _forward(x, panels, np.ascontiguousarray(b_hn), h, gates, q, scratch(B, panels, memory))
    return h[1:], h[T:].copy(), (W_hh, h, gates, q)


def backward(d_outputs: Array, cache: Cache, memory: Memory | None = None) -> tuple[Array, Array, Array, Array]:
    """As `cells.gru.backward`."""
    W_hh, h, gates, q = cache
    T, B, H = d_outputs.shape
    memory, d_outputs = memory or Memory(), np.ascontiguousarray(d_outputs)
    dx, da = memory.empty("dx", gates.shape, h.dtype), memory.empty("da", gates.shape, h.dtype)
    panels = pack(W_hh.T, memory)
    back, kept = scratch(B, panels, memory), np.zeros((B, H), h.dtype)
    _backward(d_outputs, panels, h, gates, q, dx, da, back, kept)
    # a = h[t] @ W_hh, for all t at once
    da = da.reshape(T * B, 3 * H)
    dW_hh = matmul(h[:-1].reshape(T * B, H).T, da, memory.part("dW_hh"))
    return dx, dW_hh, da[:, 2 * H :].sum(axis=0), (back[:, :H] + kept)[None]
