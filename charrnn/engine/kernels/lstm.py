"""The compiled version of `layers.lstm`: each step is a product with packed weights and a fused pass over the gates."""

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

GATES = 4  # G: i, f, g, o
STATES = 2  # S: h, c
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, Array, Array, Array, str]


def _step(
    x_i: Vector,
    x_f: Vector,
    x_g: Vector,
    x_o: Vector,
    hW_i: Vector,
    hW_f: Vector,
    hW_g: Vector,
    hW_o: Vector,
    c: Vector,
) -> tuple[Vector, ...]:
    """i, f, g, o, the next c, its tanh and the next h, from the projected input x, hW = h W_hh, and c."""
    i, f, g, o = sigmoid(x_i + hW_i), sigmoid(x_f + hW_f), tanh(x_g + hW_g), sigmoid(x_o + hW_o)
    c = f * c + i * g
    tanh_c = tanh(c)
    return i, f, g, o, c, tanh_c, o * tanh_c


def _step_back(
    i: Vector, f: Vector, g: Vector, o: Vector, tanh_c: Vector, c: Vector, d_output: Vector, dh: Vector, dc: Vector
) -> tuple[Vector, ...]:
    """da_i, da_f, da_g, da_o and the gradient of c, which is the c that entered the step; tanh_c is of the next c."""
    # outputs[t] = h
    dh = dh + d_output
    # h = o tanh(c),  o = σ(a_o),  σ' = σ (1 - σ)
    da_o = dh * tanh_c * o * (1 - o)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    # c = f c + i g,  i = σ(a_i),  f = σ(a_f),  g = tanh(a_g),  tanh' = 1 - g²
    da_i = dc * g * i * (1 - i)
    da_f = dc * c * f * (1 - f)
    da_g = dc * i * (1 - g * g)
    return da_i, da_f, da_g, da_o, dc * f


_fused_step = fused(_step, 7)
_fused_step_back = fused(_step_back, 5)


@kernel
def _forward(
    x: Array,
    rows: Array,
    gates: Array,
    panels: Array,
    h: Array,
    left: Array,
    c: Array,
    tanh_c: Array,
    bias: Array,
    hW: Array,
) -> None:
    """x [R, 4H] and `rows` [T · B] are `Rows`, and `left` is a step's `left_operand`.

    `gates` [T, B, 4H], which may be x, holds i, f, g, o afterwards.
    """
    T, B, GH = gates.shape
    H = GH // 4
    N = hW.shape[1]
    for t in range(T):
        prefetch(gates, t * B * GH, B * GH)
        packed_matmul(as_operand(h[t], left), panels, 4 * H, bias, hW, t)
        for b in range(B):
            m, n, s = (t * B + b) * H, (t * B + b) * GH, b * N
            r = rows[t * B + b] * GH
            _fused_step(
                H,
                (gates, gates, gates, gates, c, tanh_c, h),
                (n, n + H, n + 2 * H, n + 3 * H, m + B * H, m, m + B * H),
                (x, x, x, x, hW, hW, hW, hW, c),
                (r, r + H, r + 2 * H, r + 3 * H, s, s + H, s + 2 * H, s + 3 * H, m),
            )


@kernel
def _backward(
    d_outputs: Array,
    panels: Array,
    c: Array,
    tanh_c: Array,
    gates: Array,
    left: Array,
    bias: Array,
    dh: Array,
    dc: Array,
) -> None:
    """`gates` [T, B, 4H] holds i, f, g, o, and da_i, da_f, da_g, da_o afterwards; `left` is a step's `left_operand`."""
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
        if t:
            before = (t - 1) * B * H
            prefetch(gates, 4 * before, 4 * B * H)
            for array in (tanh_c, c, d_outputs):
                prefetch(array, before, B * H)
        # a = x[t] + h[t] W_hh
        multiply_back(as_operand(gates[t], left), panels, H, bias, dh, t)


@kernel
def step_in_place(x: Array, hW: Array, state: Array, scratch: Array) -> None:
    """One step without a cache: updates state [2, B, H] in place, from x [B, 4H]; `hW`, `scratch` are overwritten."""
    _, B, H = state.shape
    N = hW.shape[1]
    for b in range(B):
        n, s, m = 4 * b * H, b * N, b * H
        _fused_step(
            H,
            (hW, hW, hW, hW, state, scratch, state),
            (s, s + H, s + 2 * H, s + 3 * H, B * H + m, m, m),
            (x, x, x, x, hW, hW, hW, hW, state),
            (n, n + H, n + 2 * H, n + 3 * H, s, s + H, s + 2 * H, s + 3 * H, B * H + m),
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
    c: Array,
    tanh_c: Array,
    bias: Array,
    hW: Array,
) -> None:
    """`_forward`, which packs W_hh before."""
    pack_panels(W, False, pairs, panels)
    _forward(x, rows, gates, panels, h, left, c, tanh_c, bias, hW)


@kernel
def _pack_and_backward(
    W: Array,
    pairs: Array,
    d_outputs: Array,
    panels: Array,
    c: Array,
    tanh_c: Array,
    gates: Array,
    left: Array,
    bias: Array,
    dh: Array,
    dc: Array,
) -> None:
    """`_backward`, which packs the transposed W_hh before."""
    pack_panels(W, True, pairs, panels)
    _backward(d_outputs, panels, c, tanh_c, gates, left, bias, dh, dc)


def forward(
    x: Array | Rows, W_hh: Array, state: Array, workspace: Workspace | None = None, precision: str = "float32"
) -> tuple[Array, Array, Cache]:
    """As `layers.lstm.forward`; with a workspace, the gates overwrite x."""
    T, B, GH = x.shape
    H = GH // 4
    table, rows, gates = rows_and_gates(x, workspace)
    workspace = workspace or Workspace()
    h, c = workspace.empty("h", (T + 1, B, H), x.dtype), workspace.empty("c", (T + 1, B, H), x.dtype)
    tanh_c = workspace.empty("tanh_c", (T, B, H), x.dtype)
    h[0], c[0] = state
    W, pairs, panels = packing(W_hh, workspace, precision=precision)
    left, bias, hW = (
        left_operand(h[0], panels, workspace),
        padded_bias(panels, workspace),
        product_buffer(B, panels, workspace),
    )
    _pack_and_forward(W, pairs, table, rows, gates, panels, h, left, c, tanh_c, bias, hW)
    return h[1:], np.stack((h[T], c[T])), (W_hh, h, c, tanh_c, gates, precision)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """As `layers.lstm.backward`; dx overwrites the gates of the cache."""
    W_hh, h, c, tanh_c, gates, precision = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    W, pairs, panels = packing(W_hh, workspace, transposed=True, precision=precision)
    left, bias = left_operand(gates[0], panels, workspace), padded_bias(panels, workspace)
    dh, dc = product_buffer(B, panels, workspace), np.zeros((B, H), h.dtype)
    _pack_and_backward(W, pairs, d_outputs, panels, c, tanh_c, gates, left, bias, dh, dc)
    # a = x[t] + h[t] W_hh, for all t at once
    dx = gates
    dW_hh = outer(h[:-1].reshape(T * B, H), dx.reshape(T * B, 4 * H), workspace.scope("dW_hh"), precision=precision)
    return dx, dW_hh, np.stack((dh[:, :H], dc))
