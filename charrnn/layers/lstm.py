"""The long short-term memory: a state c that is added to, and gates that decide what enters, stays and is shown.

S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with the forget gate of F. Gers,
J. Schmidhuber, F. Cummins, "Learning to Forget" (2000). With x_t already projected, gates in the order i, f, g, o:

    i = σ(x_i + h_{t-1} W_hi)       input: how much of the candidate enters
    f = σ(x_f + h_{t-1} W_hf)       forget: how much of the memory stays
    g = tanh(x_g + h_{t-1} W_hg)    candidate
    o = σ(x_o + h_{t-1} W_ho)       output: how much of the memory is shown
    c_t = f ⊙ c_{t-1} + i ⊙ g
    h_t = o ⊙ tanh(c_t)

∂c_t/∂c_{t-1} is f itself, with no weight matrix in between: while f stays near 1, gradients pass unharmed.
"""

from functools import cache
from typing import Any

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 4  # i, f, g, o
STATES = 2  # h, c
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, Array, Array, Array]


def forward(x: Array, W_hh: Array, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, 4H] projected inputs; W_hh [H, 4H]; state [2, B, H] holds h_{-1} and c_{-1}.
    Returns the outputs [T, B, H], the state after the last step and the cache that `backward` wants.
    """
    T, B, GH = x.shape
    H = GH // 4
    workspace = workspace or Workspace()
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # h[t] enters step t, h[t + 1] leaves it
    c = workspace.empty("c", (T + 1, B, H), x.dtype)
    tanh_c = workspace.empty("tanh_c", (T, B, H), x.dtype)
    gates = workspace.empty("gates", x.shape, x.dtype)  # i, f, g, o of every step
    ig = np.empty((B, H), x.dtype)
    s, shift = _sigmoids(H, x.dtype)
    h[0], c[0] = state
    for t in range(T):
        a = gates[t]
        np.matmul(h[t], W_hh, out=a)
        a += x[t]
        a *= s
        np.tanh(a, out=a)
        a *= s
        a += shift
        i, f, g, o = (a[:, k * H : (k + 1) * H] for k in range(4))
        np.multiply(i, g, out=ig)
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += ig
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])
    return h[1:], np.stack((h[T], c[T])), (W_hh, h, c, tanh_c, gates)


def step(x: Array, W_hh: Array, state: Array) -> Array:
    """One step of `forward`, with no way back: x [B, 4H] and the state [2, B, H] to the next state."""
    h, c = state
    H = h.shape[1]
    s, shift = _sigmoids(H, x.dtype)
    a = h @ W_hh
    a += x
    a *= s
    np.tanh(a, out=a)
    a *= s
    a += shift
    i, f, g, o = (a[:, k * H : (k + 1) * H] for k in range(4))
    i *= g
    after = np.empty_like(state)
    h, c = after[0], np.multiply(f, c, out=after[1])
    c += i
    np.tanh(c, out=h)
    h *= o
    return after


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """What `forward` did on its way, of the reference engine: what the memory says, tanh c, and the gates by name.

    Each is [T, B, H]. It is tanh c that A. Karpathy, J. Johnson, L. Fei-Fei show ("Visualizing and Understanding
    Recurrent Networks", 2016).
    """
    _, _, _, tanh_c, gates = cache
    i, f, _, o = np.split(gates, 4, axis=2)
    return tanh_c, {"input": i, "forget": f, "output": o}


@cache
def _sigmoids(H: int, dtype: Any) -> tuple[Array, Array]:
    """s and 1 - s, with which one tanh serves all four gates: s tanh(s a) + (1 - s).

    σ(a) = ½ tanh(½ a) + ½ where a gate is a sigmoid: s = ½. The candidate is a tanh: s = 1.
    """
    s = np.full(4 * H, 0.5, dtype)
    s[2 * H : 3 * H] = 1
    return s, 1 - s


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """Undoes `forward`: from the gradient of the outputs [T, B, H] to those of x, W_hh and the initial state."""
    W_hh, h, c, tanh_c, gates = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    dx = workspace.empty("dx", gates.shape, h.dtype)
    dh = np.zeros((B, H), h.dtype)  # what the future says of h[t + 1]
    dc = np.zeros((B, H), h.dtype)  # and of c[t + 1]
    slope = np.empty((B, 4 * H), h.dtype)
    for t in reversed(range(T)):
        i, f, g, o = (gates[t, :, k * H : (k + 1) * H] for k in range(4))
        di, df, dg, do = (dx[t, :, k * H : (k + 1) * H] for k in range(4))
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = o tanh(c[t + 1])
        np.multiply(dh, tanh_c[t], out=do)
        dc += dh * o * (1 - tanh_c[t] * tanh_c[t])
        # c[t + 1] = f c[t] + i g
        np.multiply(dc, g, out=di)
        np.multiply(dc, c[t], out=df)
        np.multiply(dc, i, out=dg)
        dc *= f
        # i, f, o = σ(a), σ' = σ (1 - σ);  g = tanh(a), tanh' = 1 - g²
        np.multiply(gates[t], gates[t], out=slope)
        np.subtract(gates[t], slope, out=slope)
        np.subtract(1, g * g, out=slope[:, 2 * H : 3 * H])
        dx[t] *= slope
        # a = x[t] + h[t] @ W_hh
        np.matmul(dx[t], W_hh.T, out=dh)
    # a = x[t] + h[t] @ W_hh, for all t at once
    dW_hh = h[:-1].reshape(T * B, H).T @ dx.reshape(T * B, 4 * H)
    return dx, dW_hh, np.stack((dh, dc))
