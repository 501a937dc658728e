"""The vanilla recurrent network: one tanh of the input and of what it said a step before.

J. L. Elman, "Finding Structure in Time", Cognitive Science 14 (1990). With x_t already projected, x_t = W_xh·input + b:

    h_t = tanh(x_t + h_{t-1} W_hh)

Going back, the gradient is multiplied at every step by W_hhᵀ and by 1 - h², which is at most 1. Over many steps the
product dies away, or, with large weights, explodes: the vanishing gradient (Y. Bengio, P. Simard, P. Frasconi,
"Learning Long-Term Dependencies with Gradient Descent Is Difficult", 1994). The gates of `gru` and `lstm` cure it.
"""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 1  # G: x has H columns
STATES = 1  # S: h
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array]


def forward(x: Array, W_hh: Array, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, H] projected inputs; W_hh [H, H]; state [1, B, H] holds h_{-1}.
    Returns the outputs [T, B, H], the state after the last step and the cache that `backward` wants.
    """
    T, B, H = x.shape
    workspace = workspace or Workspace()
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # h[t] enters step t, h[t + 1] leaves it
    h[0] = state[0]
    for t in range(T):
        np.matmul(h[t], W_hh, out=h[t + 1])
        h[t + 1] += x[t]
        np.tanh(h[t + 1], out=h[t + 1])
    return h[1:], h[T:].copy(), (W_hh, h)


def step(x: Array, W_hh: Array, state: Array) -> Array:
    """One step of `forward`, with no way back: x [B, H] and the state [1, B, H] to the next state."""
    after: Array = state @ W_hh
    after += x
    np.tanh(after, out=after)
    return after


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """What `forward` did on its way, of the reference engine: its outputs [T, B, H]; it has no gates."""
    return cache[1][1:], {}


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """Undoes `forward`: from the gradient of the outputs [T, B, H] to those of x, W_hh and the initial state."""
    W_hh, h = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    dx = workspace.empty("dx", d_outputs.shape, h.dtype)
    dh = np.zeros((B, H), h.dtype)  # what the future says of h[t + 1]
    slope = np.empty((B, H), h.dtype)
    for t in reversed(range(T)):
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = tanh(a)  with  tanh' = 1 - tanh²
        np.multiply(h[t + 1], h[t + 1], out=slope)
        np.subtract(1, slope, out=slope)
        np.multiply(dh, slope, out=dx[t])
        # a = x[t] + h[t] @ W_hh
        np.matmul(dx[t], W_hh.T, out=dh)
    # a = x[t] + h[t] @ W_hh, for all t at once
    dW_hh = h[:-1].reshape(T * B, H).T @ dx.reshape(T * B, H)
    return dx, dW_hh, dh[None]
