"""The vanilla recurrent network: the new state is one tanh of the input and of the state before.

J. L. Elman, "Finding Structure in Time", Cognitive Science 14 (1990). x_t is the input, already projected:

    a_t = x_t + h_{t-1} W_hh
    h_t = tanh(a_t)

Backward, from the last time step to the first. dh_t is the sum of the gradients from the output at t and from step
t + 1:

    h_t = tanh(a_t)                 da_t = dh_t ⊙ (1 - h_t²)
    a_t = x_t + h_{t-1} W_hh        dx_t = da_t        dh_{t-1} = da_t W_hhᵀ        dW_hh = Σ_t h_{t-1}ᵀ da_t

So every step back multiplies the gradient by 1 - h², which is at most 1, and by W_hhᵀ. Over many steps it vanishes or,
with large weights, explodes (Y. Bengio, P. Simard, P. Frasconi, "Learning Long-Term Dependencies with Gradient Descent
Is Difficult", 1994). The gates of `gru` and `lstm` are the remedy.
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

    x [T, B, H] projected inputs; W_hh [H, H]; state [1, B, H] holds h before the first step.
    Returns the outputs [T, B, H], the state after the last step and the cache for `backward`.
    """
    T, B, H = x.shape
    workspace = workspace or Workspace()
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # step t reads h[t] and writes h[t + 1]
    h[0] = state[0]
    for t in range(T):
        # a = x[t] + h[t] W_hh
        a = np.matmul(h[t], W_hh, out=h[t + 1])
        a += x[t]
        # h[t + 1] = tanh(a)
        np.tanh(a, out=h[t + 1])
    return h[1:], h[T:].copy(), (W_hh, h)


def step(x: Array, W_hh: Array, state: Array) -> Array:
    """One step of `forward`, without a cache: the next state, from x [B, H] and the state [1, B, H]."""
    a: Array = state @ W_hh
    a += x
    return np.tanh(a, out=a)


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """The activations in a cache of `forward`: the units h [T, B, H]; there are no gates."""
    return cache[1][1:], {}


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array]:
    """The gradients of x, W_hh and the initial state, from the gradient d_outputs [T, B, H]."""
    W_hh, h = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    da = workspace.empty("dx", d_outputs.shape, h.dtype)
    dh = np.zeros((B, H), h.dtype)  # the gradient of h[t + 1] from the later steps
    slope = np.empty((B, H), h.dtype)
    for t in reversed(range(T)):
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = tanh(a),  tanh' = 1 - tanh²
        np.multiply(h[t + 1], h[t + 1], out=slope)
        np.subtract(1, slope, out=slope)
        np.multiply(dh, slope, out=da[t])
        # a = x[t] + h[t] W_hh
        np.matmul(da[t], W_hh.T, out=dh)
    # a = x[t] + h[t] W_hh, for all t at once
    dW_hh = h[:-1].reshape(T * B, H).T @ da.reshape(T * B, H)
    dx = da
    return dx, dW_hh, dh[None]
