"""The vanilla recurrent network: the new state is one function f, tanh or ReLU, of the input and of the state before.

J. L. Elman, "Finding Structure in Time", Cognitive Science 14 (1990). x_t is the input, already projected:

    a_t = x_t + h_{t-1} W_hh
    h_t = f(a_t)                    f(a) = tanh(a)  or  f(a) = max(a, 0), the ReLU

Backward, from the last time step to the first. dh_t is the sum of the gradients from the output at t and from step
t + 1:

    h_t = f(a_t)                    da_t = dh_t ⊙ f'(a_t)
    a_t = x_t + h_{t-1} W_hh        dx_t = da_t        dh_{t-1} = da_t W_hhᵀ        dW_hh = Σ_t h_{t-1}ᵀ da_t

The output alone tells both slopes, so that no a_t is kept:

    tanh'(a_t) = 1 - h_t²           ReLU'(a_t) = 1 where h_t > 0, and 0 elsewhere

So every step back multiplies the gradient by f' and by W_hhᵀ. Over many steps it vanishes or, with large weights,
explodes (Y. Bengio, P. Simard, P. Frasconi, "Learning Long-Term Dependencies with Gradient Descent Is Difficult",
1994). The gates of `gru` and `lstm` are the remedy. The two functions differ in what they do to large values:

- tanh saturates. Its slope is at most 1, and near 0 where h is near -1 or 1: such a unit passes hardly any gradient. In
  return every unit stays within -1 and 1.
- ReLU does not saturate. A unit above 0 passes the whole gradient, however large it is; only one at 0 passes none. In
  return nothing bounds the state: where W_hh stretches it, it grows from step to step. So W_hh starts as a multiple of
  the identity (Q. Le, N. Jaitly, G. Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units",
  2015), which `model.initialization` chooses.

Edits here show with `--engine numpy`. `engine/kernels/rnn.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.layers.matmul import Matmul, matmul_in
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 1  # G: x has H columns
STATES = 1  # S: h
RECURRENT = ("W_hh",)

Cache = tuple[Array, Array, str, Matmul]


def forward(
    x: Array,
    W_hh: Array,
    state: Array,
    workspace: Workspace | None = None,
    nonlinearity: str = "tanh",
    precision: str = "float32",
) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, H] projected inputs; W_hh [H, H]; state [1, B, H] holds h before the first step; f is "tanh" or "relu".
    Returns the outputs [T, B, H], the state after the last step and the cache for `backward`. The precision is that of
    the products, here and in `backward`: see `matmul`.
    """
    T, B, H = x.shape
    workspace, matmul = workspace or Workspace(), matmul_in(precision)
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # step t reads h[t] and writes h[t + 1]
    h[0] = state[0]
    for t in range(T):
        # a = x[t] + h[t] W_hh
        a = matmul(h[t], W_hh, out=h[t + 1])
        a += x[t]
        # h[t + 1] = f(a)
        _f(a, nonlinearity)
    return h[1:], h[T:].copy(), (W_hh, h, nonlinearity, matmul)


def step(x: Array, W_hh: Array, state: Array, matmul: Matmul = np.matmul, nonlinearity: str = "tanh") -> Array:
    """One step of `forward`, without a cache: the next state, from x [B, H] and the state [1, B, H]."""
    a = matmul(state, W_hh)
    a += x
    return _f(a, nonlinearity)


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """The activations in a cache of `forward`: the units h [T, B, H]; there are no gates."""
    return cache[1][1:], {}


def backward(
    d_outputs: Array, cache: Cache, workspace: Workspace | None = None, d_next: Array | None = None
) -> tuple[Array, Array, Array]:
    """The gradients of x, W_hh and the initial state, from the gradient d_outputs [T, B, H].

    d_next [1, B, H] is the gradient of the state after the last step, through steps that are not in this sequence;
    None: zero, as in truncated BPTT.
    """
    W_hh, h, nonlinearity, matmul = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    da = workspace.empty("dx", d_outputs.shape, h.dtype)
    # dh is the gradient of h[t + 1] from the later steps
    (dh,) = np.zeros((1, B, H), h.dtype) if d_next is None else d_next.copy()
    slope = np.empty((B, H), h.dtype)
    for t in reversed(range(T)):
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = f(a)
        np.multiply(dh, _slope(h[t + 1], nonlinearity, out=slope), out=da[t])
        # a = x[t] + h[t] W_hh
        matmul(da[t], W_hh.T, out=dh)
    # a = x[t] + h[t] W_hh, for all t at once
    dW_hh = matmul(h[:-1].reshape(T * B, H).T, da.reshape(T * B, H))
    dx = da
    return dx, dW_hh, dh[None]


def _f(a: Array, nonlinearity: str) -> Array:
    """f(a), which overwrites a."""
    found: Array = np.maximum(a, 0, out=a) if nonlinearity == "relu" else np.tanh(a, out=a)
    return found


def _slope(h: Array, nonlinearity: str, out: Array) -> Array:
    """f'(a), from h = f(a)."""
    if nonlinearity == "relu":
        # 1 where h > 0, 0 where h = 0: the sign, which is NaN where h is
        return np.sign(h, out=out)
    # tanh' = 1 - tanh²
    np.multiply(h, h, out=out)
    return np.subtract(1, out, out=out)
