"""The compiled version of `layers.rnn`: each step is a product with packed weights and a fused pass over the units."""

import numpy as np

from charrnn.engine.kernels.bfloat16 import as_operand
from charrnn.engine.kernels.dot import multiply_back
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import left_operand, pack_panels, packed_matmul, packing, padded_bias, product_buffer
from charrnn.engine.kernels.outer import outer
from charrnn.engine.kernels.rows import Rows, table_of
from charrnn.engine.kernels.simd import Vector, fused, prefetch, relu, relu_slope, tanh
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 1  # G: x has H columns
STATES = 1  # S: h
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, str, str]


def _step(x: Vector, hW: Vector) -> tuple[Vector, ...]:
    """The next h, from the projected input x and hW = h W_hh."""
    return (tanh(x + hW),)


def _relu_step(x: Vector, hW: Vector) -> tuple[Vector, ...]:
    """The same with ReLU."""
    return (relu(x + hW),)


def _step_back(h: Vector, d_output: Vector, dh: Vector) -> tuple[Vector, ...]:
    """da, from the gradients of the output h and of the h that the next step read."""
    # outputs[t] = h
    dh = dh + d_output
    # h = tanh(a),  tanh' = 1 - tanh²
    return (dh * (1 - h * h),)


def _relu_step_back(h: Vector, d_output: Vector, dh: Vector) -> tuple[Vector, ...]:
    """The same with ReLU."""
    # outputs[t] = h
    dh = dh + d_output
    # h = ReLU(a),  ReLU' = 1 where h > 0, and 0 elsewhere
    return (dh * relu_slope(h),)


_fused_step, _fused_relu_step = fused(_step, 1), fused(_relu_step, 1)
_fused_step_back, _fused_relu_step_back = fused(_step_back, 1), fused(_relu_step_back, 1)


@kernel
def _forward(
    x: Array, rows: Array, panels: Array, h: Array, left: Array, bias: Array, hW: Array, is_relu: bool
) -> None:
    """x [R, H] and `rows` [T · B] are `Rows`; `left` is a step's `left_operand`."""
    T, B, H = len(h) - 1, h.shape[1], h.shape[2]
    N = hW.shape[1]
    for t in range(T):
        prefetch(x, rows[t * B] * H, B * H)
        packed_matmul(as_operand(h[t], left), panels, H, bias, hW, t)
        for b in range(B):
            m, r = (t * B + b) * H, rows[t * B + b] * H
            if is_relu:
                _fused_relu_step(H, (h,), (m + B * H,), (x, hW), (r, b * N))
            else:
                _fused_step(H, (h,), (m + B * H,), (x, hW), (r, b * N))


@kernel
def _backward(
    d_outputs: Array, panels: Array, h: Array, da: Array, left: Array, bias: Array, dh: Array, is_relu: bool
) -> None:
    """`left` is a step's `left_operand`."""
    T, B, H = d_outputs.shape
    N = dh.shape[1]
    for t in range(T - 1, -1, -1):
        for b in range(B):
            m = (t * B + b) * H
            if is_relu:
                _fused_relu_step_back(H, (da,), (m,), (h, d_outputs, dh), (m + B * H, m, b * N))
            else:
                _fused_step_back(H, (da,), (m,), (h, d_outputs, dh), (m + B * H, m, b * N))
        if t:
            prefetch(h, t * B * H, B * H)
            prefetch(d_outputs, (t - 1) * B * H, B * H)
        # a = x[t] + h[t] W_hh
        multiply_back(as_operand(da[t], left), panels, H, bias, dh, t)


@kernel
def step_in_place(x: Array, hW: Array, state: Array, is_relu: bool) -> None:
    """One step without a cache: updates state [1, B, H] in place, from x [B, H]; `hW` is overwritten."""
    _, B, H = state.shape
    for b in range(B):
        if is_relu:
            _fused_relu_step(H, (state,), (b * H,), (x, hW), (b * H, b * hW.shape[1]))
        else:
            _fused_step(H, (state,), (b * H,), (x, hW), (b * H, b * hW.shape[1]))


@kernel
def _pack_and_forward(
    W: Array,
    pairs: Array,
    x: Array,
    rows: Array,
    panels: Array,
    h: Array,
    left: Array,
    bias: Array,
    hW: Array,
    is_relu: bool,
) -> None:
    """`_forward`, which packs W_hh before."""
    pack_panels(W, False, pairs, panels)
    _forward(x, rows, panels, h, left, bias, hW, is_relu)


@kernel
def _pack_and_backward(
    W: Array,
    pairs: Array,
    d_outputs: Array,
    panels: Array,
    h: Array,
    da: Array,
    left: Array,
    bias: Array,
    dh: Array,
    is_relu: bool,
) -> None:
    """`_backward`, which packs the transposed W_hh before."""
    pack_panels(W, True, pairs, panels)
    _backward(d_outputs, panels, h, da, left, bias, dh, is_relu)


def forward(
    x: Array | Rows,
    W_hh: Array,
    state: Array,
    workspace: Workspace | None = None,
    nonlinearity: str = "tanh",
    precision: str = "float32",
) -> tuple[Array, Array, Cache]:
    """As `layers.rnn.forward`."""
    T, B, H = x.shape
    workspace = workspace or Workspace()
    table, rows = (x.table, x.indices) if isinstance(x, Rows) else table_of(np.ascontiguousarray(x))
    h = workspace.empty("h", (T + 1, B, H), x.dtype)
    h[0] = state[0]
    W, pairs, panels = packing(W_hh, workspace, precision=precision)
    left, bias = left_operand(h[0], panels, workspace), padded_bias(panels, workspace)
    _pack_and_forward(
        W, pairs, table, rows, panels, h, left, bias, product_buffer(B, panels, workspace), nonlinearity == "relu"
    )
    return h[1:], h[T:].copy(), (W_hh, h, nonlinearity, precision)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """As `layers.rnn.backward`."""
    W_hh, h, nonlinearity, precision = cache
    T, B, H = d_outputs.shape
    workspace, d_outputs = workspace or Workspace(), np.ascontiguousarray(d_outputs)
    da = workspace.empty("dx", d_outputs.shape, h.dtype)
    W, pairs, panels = packing(W_hh, workspace, transposed=True, precision=precision)
    left, bias = left_operand(da[0], panels, workspace), padded_bias(panels, workspace)
    dh = product_buffer(B, panels, workspace)
    _pack_and_backward(W, pairs, d_outputs, panels, h, da, left, bias, dh, nonlinearity == "relu")
    # a = x[t] + h[t] W_hh, for all t at once
    dx = da
    dW_hh = outer(h[:-1].reshape(T * B, H), dx.reshape(T * B, H), workspace.scope("dW_hh"), precision=precision)
    return dx, dW_hh, dh[None, :, :H].copy()
