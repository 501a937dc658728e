"""The compiled version of `layers.gru`: each step is a product with packed weights and a fused pass over the gates."""

import numpy as np

from charrnn.engine.kernels.bfloat16 import as_operand
from charrnn.engine.kernels.dot import multiply_back
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import left_operand, pack_panels, packed_matmul, packing, padded_bias, product_buffer
from charrnn.engine.kernels.outer import outer
from charrnn.engine.kernels.rows import Rows, rows_and_gates
from charrnn.engine.kernels.simd import Vector, fused, prefetch, sigmoid, tanh
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 3  # G: r, z, n
STATES = 1  # S: h
RECURRENT = ("W_hh", "b_hn")

Cache = tuple[Array, Array, Array, Array, str]


def _step(
    x_r: Vector, x_z: Vector, x_n: Vector, hW_r: Vector, hW_z: Vector, q: Vector, h: Vector
) -> tuple[Vector, ...]:
    """r, z, n, q and the next h, from the projected input x, hW = h W_hh, q = h W_hn + b_hn, and h."""
    r, z = sigmoid(x_r + hW_r), sigmoid(x_z + hW_z)
    n = tanh(x_n + r * q)
    return r, z, n, q, n + z * (h - n)


def _step_back(
    r: Vector, z: Vector, n: Vector, q: Vector, h: Vector, d_output: Vector, dh_hW: Vector, dh_z: Vector
) -> tuple[Vector, ...]:
    """da_r, da_z, da_n; da_r, da_z, dq, the gradient of h W_hh; dq again; and the gradient of h through z ⊙ h.

    h is the one that entered the step. dh_hW and dh_z are the two parts of the gradient of the one that left it.
    """
    # outputs[t] = h, which the next step reads in h W_hh and in z h
    dh = d_output + dh_hW + dh_z
    # h = n + z (h - n),  n = tanh(a_n),  tanh' = 1 - n²,  z = σ(a_z),  σ' = z (1 - z)
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = dh * (h - n) * z * (1 - z)
    # a_n = x_n + r q,  r = σ(a_r),  σ' = r (1 - r)
    da_r, dq = da_n * q * r * (1 - r), da_n * r
    return da_r, da_z, da_n, da_r, da_z, dq, dq, dh * z


_fused_step = fused(_step, 5)
_fused_step_back = fused(_step_back, 8)


@kernel
def _forward(
    x: Array, rows: Array, gates: Array, panels: Array, h: Array, left: Array, q: Array, bias: Array, hW: Array
) -> None:
    """x [R, 3H] and `rows` [T · B] are `Rows`, and `left` is a step's `left_operand`.

    `gates` [T, B, 3H], which may be x, holds r, z, n afterwards.
    """
    T, B, GH = gates.shape
    H = GH // 3
    N = hW.shape[1]
    for t in range(T):
        prefetch(gates, t * B * GH, B * GH)
        packed_matmul(as_operand(h[t], left), panels, 3 * H, bias, hW, t)
        for b in range(B):
            m, n, s = (t * B + b) * H, (t * B + b) * GH, b * N
            r = rows[t * B + b] * GH
            _fused_step(
                H,
                (gates, gates, gates, q, h),
                (n, n + H, n + 2 * H, m, m + B * H),
                (x, x, x, hW, hW, hW, h),
                (r, r + H, r + 2 * H, s, s + H, s + 2 * H, m),
            )


@kernel
def _backward(
    d_outputs: Array,
    panels: Array,
    h: Array,
    gates: Array,
    q: Array,
    d_hW: Array,
    left: Array,
    bias: Array,
    dh_hW: Array,
    dh_z: Array,
) -> None:
    """`gates` [T, B, 3H] holds r, z, n, and da_r, da_z, da_n afterwards; `q` [T, B, H] holds q, and dq afterwards.

    `left` is the `left_operand` of d_hW [B, 3H].
    """
    T, B, H = d_outputs.shape
    N = dh_hW.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m, s = (t * B + b) * H, 3 * b * H
            n = 3 * m
            _fused_step_back(
                H,
                (gates, gates, gates, d_hW, d_hW, d_hW, q, dh_z),
                (n, n + H, n + 2 * H, s, s + H, s + 2 * H, m, b * H),
                (gates, gates, gates, q, h, d_outputs, dh_hW, dh_z),
                (n, n + H, n + 2 * H, m, m, m, b * N, b * H),
            )
        if t:
            before = (t - 1) * B * H
            prefetch(gates, 3 * before, 3 * B * H)
            for array in (q, h, d_outputs):
                prefetch(array, before, B * H)
        # hW = h[t] W_hh
        multiply_back(as_operand(d_hW, left), panels, H, bias, dh_hW, t)


@kernel
def step_in_place(x: Array, hW: Array, state: Array, scratch: Array) -> None:
    """One step without a cache: updates state [1, B, H] in place, from x [B, 3H]; `hW`, `scratch` are overwritten."""
    _, B, H = state.shape
    N = hW.shape[1]
    for b in range(B):
        n, s, m = 3 * b * H, b * N, b * H
        _fused_step(
            H,
            (hW, hW, hW, scratch, state),
            (s, s + H, s + 2 * H, m, m),
            (x, x, x, hW, hW, hW, state),
            (n, n + H, n + 2 * H, s, s + H, s + 2 * H, m),
        )


@kernel
def _pack_and_forward(
    W: Array,
    pairs: Array,
    x: Array,
    rows: Array,
    gates: Array,
    panels: Array,
    h: Array,
    left: Array,
    q: Array,
    bias: Array,
    hW: Array,
) -> None:
    """`_forward`, which packs W_hh before."""
    pack_panels(W, False, pairs, panels)
    _forward(x, rows, gates, panels, h, left, q, bias, hW)


@kernel
def _pack_and_backward(
    W: Array,
    pairs: Array,
    d_outputs: Array,
    panels: Array,
    h: Array,
    gates: Array,
    q: Array,
    d_hW: Array,
    left: Array,
    bias: Array,
    dh_hW: Array,
    dh_z: Array,
) -> None:
    """`_backward`, which packs the transposed W_hh before."""
    pack_panels(W, True, pairs, panels)
    _backward(d_outputs, panels, h, gates, q, d_hW, left, bias, dh_hW, dh_z)


def forward(
    x: Array | Rows,
    W_hh: Array,
    b_hn: Array,
    state: Array,
    workspace: Workspace | None = None,
    precision: str = "float32",
) -> tuple[Array, Array, Cache]:
    """As `layers.gru.forward`; with a workspace, the gates overwrite x."""
    T, B, GH = x.shape
    H = GH // 3
    table, rows, gates = rows_and_gates(x, workspace)
    workspace = workspace or Workspace()
    h, q = workspace.empty("h", (T + 1, B, H), x.dtype), workspace.empty("q", (T, B, H), x.dtype)
    h[0] = state[0]
    W, pairs, panels = packing(W_hh, workspace, precision=precision)
    left, bias = left_operand(h[0], panels, workspace), padded_bias(panels, workspace, b_hn, 2 * H)
    _pack_and_forward(W, pairs, table, rows, gates, panels, h, left, q, bias, product_buffer(B, panels, workspace))
    return h[1:], h[T:].copy(), (W_hh, h, gates, q, precision)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array, Array]:
    """As `layers.gru.backward`; dx overwrites the gates of the cache, and dq its q."""
    W_hh, h, gates, q, precision = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    W, pairs, panels = packing(W_hh, workspace, transposed=True, precision=precision)
    dh_hW, dh_z = product_buffer(B, panels, workspace), np.zeros((B, H), h.dtype)
    d_hW = np.empty((B, 3 * H), h.dtype)
    left, bias = left_operand(d_hW, panels, workspace), padded_bias(panels, workspace)
    _pack_and_backward(W, pairs, d_outputs, panels, h, gates, q, d_hW, left, bias, dh_hW, dh_z)
    dx, dq = gates, q.reshape(T * B, H)
    # hW = h[t] W_hh, for all t at once: its gradient is (da_r, da_z, dq), and dx is (da_r, da_z, da_n)
    h_before, dW_hh = h[:-1].reshape(T * B, H), workspace.empty("dW_hh", W_hh.shape, h.dtype)
    dW_hh[:, : 2 * H] = outer(h_before, dx.reshape(T * B, 3 * H), workspace.scope("rz"), 2 * H, precision)
    dW_hh[:, 2 * H :] = outer(h_before, dq, workspace.scope("q"), precision=precision)
    # q = h[t] W_hn + b_hn
    db_hn = dq.sum(axis=0)
    return dx, dW_hh, db_hn, (dh_hW[:, :H] + dh_z)[None]
