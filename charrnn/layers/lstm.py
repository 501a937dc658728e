"""The long short-term memory: a cell state c that is added to, and gates that decide what enters, stays and is output.

S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with the forget gate of F. Gers,
J. Schmidhuber, F. Cummins, "Learning to Forget" (2000). x_t is the input, already projected; the gates are in the order
i, f, g, o:

    i = σ(x_i + h_{t-1} W_hi)           input: how much of the candidate enters the cell state
    f = σ(x_f + h_{t-1} W_hf)           forget: how much of the cell state stays
    g = tanh(x_g + h_{t-1} W_hg)        candidate
    o = σ(x_o + h_{t-1} W_ho)           output: how much of the cell state is output
    c_t = f ⊙ c_{t-1} + i ⊙ g
    h_t = o ⊙ tanh(c_t)

∂c_t/∂c_{t-1} is f itself, with no weight matrix in between: while f is near 1, gradients pass unchanged.

Backward, from the last time step to the first. a_i, a_f, a_g and a_o are the arguments of σ and tanh. dh_t is the sum
of the gradients from the output at t and from step t + 1; dc_t begins as the gradient from step t + 1:

    h_t = o ⊙ tanh(c_t)                 da_o = dh_t ⊙ tanh(c_t) ⊙ o ⊙ (1 - o)
                                        dc_t += dh_t ⊙ o ⊙ (1 - tanh²(c_t))
    c_t = f ⊙ c_{t-1} + i ⊙ g           da_i = dc_t ⊙ g ⊙ i ⊙ (1 - i)
                                        da_f = dc_t ⊙ c_{t-1} ⊙ f ⊙ (1 - f)
                                        da_g = dc_t ⊙ i ⊙ (1 - g²)
                                        dc_{t-1} = dc_t ⊙ f
    a_t = x_t + h_{t-1} W_hh            dx_t = da_t        dh_{t-1} = da_t W_hhᵀ        dW_hh = Σ_t h_{t-1}ᵀ da_t

Edits here show with `--engine numpy`. `engine/kernels/lstm.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from functools import cache
from typing import Any

import numpy as np

from charrnn.layers.activations import sigmoid_or_tanh
from charrnn.layers.matmul import Matmul, matmul_in
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 4  # G: i, f, g, o
STATES = 2  # S: h, c
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, Array, Array, Array, Matmul]


def forward(
    x: Array, W_hh: Array, state: Array, workspace: Workspace | None = None, precision: str = "float32"
) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, 4H] projected inputs; W_hh [H, 4H]; state [2, B, H] holds h and c before the first step.
    Returns the outputs [T, B, H], the state after the last step and the cache for `backward`. The precision is that of
    the products, here and in `backward`: see `matmul`.
    """
    T, B, GH = x.shape
    H = GH // 4
    workspace, matmul = workspace or Workspace(), matmul_in(precision)
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # step t reads h[t] and c[t], and writes h[t + 1] and c[t + 1]
    c = workspace.empty("c", (T + 1, B, H), x.dtype)
    tanh_c = workspace.empty("tanh_c", (T, B, H), x.dtype)
    gates = workspace.empty("gates", x.shape, x.dtype)  # i, f, g, o of every step
    ig = np.empty((B, H), x.dtype)
    scale, shift = _scale_and_shift(H, x.dtype)
    h[0], c[0] = state
    for t in range(T):
        # a = x[t] + h[t] W_hh
        a = matmul(h[t], W_hh, out=gates[t])
        a += x[t]
        # i, f, o = σ(a),  g = tanh(a)
        i, f, g, o = _split(sigmoid_or_tanh(a, scale, shift, out=gates[t]))
        # c[t + 1] = f c[t] + i g
        np.multiply(i, g, out=ig)
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += ig
        # h[t + 1] = o tanh(c[t + 1])
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])
    return h[1:], np.stack((h[T], c[T])), (W_hh, h, c, tanh_c, gates, matmul)


def step(x: Array, W_hh: Array, state: Array, matmul: Matmul = np.matmul) -> Array:
    """One step of `forward`, without a cache: the next state, from x [B, 4H] and the state [2, B, H]."""
    h, c = state
    scale, shift = _scale_and_shift(h.shape[1], x.dtype)
    # a = x + h W_hh
    a = matmul(h, W_hh)
    a += x
    # i, f, o = σ(a),  g = tanh(a)
    i, f, g, o = _split(sigmoid_or_tanh(a, scale, shift, out=a))
    next_state = np.empty_like(state)
    next_h, next_c = next_state
    # f c + i g
    i *= g
    np.multiply(f, c, out=next_c)
    next_c += i
    # o tanh(c)
    np.tanh(next_c, out=next_h)
    next_h *= o
    return next_state


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """The activations in a cache of `forward`: the units, tanh c, and the gates by name, each [T, B, H].

    tanh c is what A. Karpathy, J. Johnson, L. Fei-Fei show ("Visualizing and Understanding Recurrent Networks", 2016).
    """
    _, _, _, tanh_c, gates, _ = cache
    i, f, _, o = np.split(gates, 4, axis=2)
    return tanh_c, {"input": i, "forget": f, "output": o}


def backward(
    d_outputs: Array, cache: Cache, workspace: Workspace | None = None, d_next: Array | None = None
) -> tuple[Array, Array, Array]:
    """The gradients of x, W_hh and the initial state, from the gradient d_outputs [T, B, H].

    d_next [2, B, H] is the gradient of the state after the last step, through steps that are not in this sequence;
    None: zero, as in truncated BPTT.
    """
    W_hh, h, c, tanh_c, gates, matmul = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    da = workspace.empty("dx", gates.shape, h.dtype)  # da_i, da_f, da_g, da_o of every step
    # dh and dc are the gradients of h[t + 1] and c[t + 1] from the later steps
    dh, dc = np.zeros((2, B, H), h.dtype) if d_next is None else d_next.copy()
    slope = np.empty((B, 4 * H), h.dtype)
    for t in reversed(range(T)):
        i, f, g, o = _split(gates[t])
        da_i, da_f, da_g, da_o = _split(da[t])
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = o tanh(c[t + 1])
        np.multiply(dh, tanh_c[t], out=da_o)
        dc += dh * o * (1 - tanh_c[t] * tanh_c[t])
        # c[t + 1] = f c[t] + i g
        np.multiply(dc, g, out=da_i)
        np.multiply(dc, c[t], out=da_f)
        np.multiply(dc, i, out=da_g)
        dc *= f
        # i, f, o = σ(a),  σ' = σ (1 - σ) = σ - σ²;  g = tanh(a),  tanh' = 1 - g²: so far da holds di, df, dg, do
        np.multiply(gates[t], gates[t], out=slope)
        np.subtract(gates[t], slope, out=slope)
        np.subtract(1, g * g, out=slope[:, 2 * H : 3 * H])
        da[t] *= slope
        # a = x[t] + h[t] W_hh
        matmul(da[t], W_hh.T, out=dh)
    # a = x[t] + h[t] W_hh, for all t at once
    dW_hh = matmul(h[:-1].reshape(T * B, H).T, da.reshape(T * B, 4 * H))
    dx = da
    return dx, dW_hh, np.stack((dh, dc))


def _split(a: Array) -> tuple[Array, Array, Array, Array]:
    """The columns of the four gates i, f, g, o in an array [B, 4H], as views."""
    H = a.shape[1] // 4
    return a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]


@cache
def _scale_and_shift(H: int, dtype: Any) -> tuple[Array, Array]:
    """What makes `sigmoid_or_tanh` a σ in the columns of i, f and o and a tanh in those of g: each [4H]."""
    scale = np.full(4 * H, 0.5, dtype)
    scale[2 * H : 3 * H] = 1
    return scale, 1 - scale
