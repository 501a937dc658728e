"""The gated recurrent unit: a state that is a running mixture of itself and of a candidate.

K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), in the variant that cuDNN and
PyTorch compute: the reset gate is applied after the recurrent product, which has a bias of its own. With x_t already
projected, gates in the order r, z, n:

    r = σ(x_r + h_{t-1} W_hr)                    reset: how much of the past the candidate sees
    z = σ(x_z + h_{t-1} W_hz)                    update: how much of the past stays
    n = tanh(x_n + r ⊙ (h_{t-1} W_hn + b_hn))    candidate
    h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

Where z is near 1 the state is handed on untouched, and so is its gradient: nothing vanishes on that path.
"""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 3  # r, z, n
STATES = 1  # h
RECURRENT = ("W_hh", "b_hn")

Cache = tuple[Array, Array, Array, Array]


def forward(
    x: Array, W_hh: Array, b_hn: Array, state: Array, workspace: Workspace | None = None
) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, 3H] projected inputs; W_hh [H, 3H]; b_hn [H]; state [1, B, H] holds h_{-1}.
    Returns the outputs [T, B, H], the state after the last step and the cache that `backward` wants.
    """
    T, B, GH = x.shape
    H = GH // 3
    workspace = workspace or Workspace()
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # h[t] enters step t, h[t + 1] leaves it
    gates = workspace.empty("gates", x.shape, x.dtype)  # r, z, n of every step
    q = workspace.empty("q", (T, B, H), x.dtype)  # h W_hn + b_hn, which the reset gate multiplies
    a = np.empty((B, GH), x.dtype)
    h[0] = state[0]
    for t in range(T):
        np.matmul(h[t], W_hh, out=a)
        rz, n = gates[t, :, : 2 * H], gates[t, :, 2 * H :]
        # σ(a) = ½ tanh(½ a) + ½ : cheaper than an exponential and a division, and it can't overflow
        np.add(x[t, :, : 2 * H], a[:, : 2 * H], out=rz)
        rz *= 0.5
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        r, z = rz[:, :H], rz[:, H:]
        np.add(a[:, 2 * H :], b_hn, out=q[t])
        np.multiply(r, q[t], out=n)
        n += x[t, :, 2 * H :]
        np.tanh(n, out=n)
        # (1 - z) n + z h  =  n + z (h - n)
        np.subtract(h[t], n, out=h[t + 1])
        h[t + 1] *= z
        h[t + 1] += n
    return h[1:], h[T:].copy(), (W_hh, h, gates, q)


def step(x: Array, W_hh: Array, b_hn: Array, state: Array) -> Array:
    """One step of `forward`, with no way back: x [B, 3H] and the state [1, B, H] to the next state."""
    H = state.shape[2]
    a = state[0] @ W_hh
    rz, n = a[:, : 2 * H], a[:, 2 * H :]
    rz += x[:, : 2 * H]
    rz *= 0.5
    np.tanh(rz, out=rz)
    rz *= 0.5
    rz += 0.5
    n += b_hn
    n *= rz[:, :H]
    n += x[:, 2 * H :]
    np.tanh(n, out=n)
    after: Array = state - n
    after *= rz[:, H:]
    after += n
    return after


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """What `forward` did on its way, of the reference engine: its outputs and its gates by name, each [T, B, H]."""
    _, h, gates, _ = cache
    r, z, _ = np.split(gates, 3, axis=2)
    return h[1:], {"reset": r, "update": z}


def backward(d_outputs: Array, cache: Cache, workspace: Workspace | None = None) -> tuple[Array, Array, Array, Array]:
    """Undoes `forward`: from the gradient of the outputs [T, B, H] to those of x, W_hh, b_hn and the initial state."""
    W_hh, h, gates, q = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    dx = workspace.empty("dx", gates.shape, h.dtype)
    da = workspace.empty("da", gates.shape, h.dtype)  # as dx, but behind the reset gate: the gradient of h W_hh + b_hn
    dh = np.zeros((B, H), h.dtype)  # what the future says of h[t + 1]
    back = np.empty((B, H), h.dtype)
    for t in reversed(range(T)):
        r, z, n = gates[t, :, :H], gates[t, :, H : 2 * H], gates[t, :, 2 * H :]
        dr, dz, dn = dx[t, :, :H], dx[t, :, H : 2 * H], dx[t, :, 2 * H :]
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = n + z (h[t] - n)  and  z = σ(·), σ' = z (1 - z)
        np.multiply(dh * (h[t] - n), z * (1 - z), out=dz)
        # h[t + 1] = n + z (h[t] - n)  and  n = tanh(·), tanh' = 1 - n²
        np.multiply(dh * (1 - z), 1 - n * n, out=dn)
        # n = tanh(x_n + r q)  and  r = σ(·), σ' = r (1 - r)
        np.multiply(dn * q[t], r * (1 - r), out=dr)
        # r, z: a = x + h W;  n: q = h W_hn + b_hn enters as r q
        da[t, :, : 2 * H] = dx[t, :, : 2 * H]
        np.multiply(dn, r, out=da[t, :, 2 * H :])
        # h[t] reaches h[t + 1] through the products and, untouched, through z
        np.matmul(da[t], W_hh.T, out=back)
        dh *= z
        dh += back
    # a = h[t] @ W_hh, for all t at once
    da = da.reshape(T * B, 3 * H)
    dW_hh = h[:-1].reshape(T * B, H).T @ da
    # q = h W_hn + b_hn
    db_hn = da[:, 2 * H :].sum(axis=0)
    return dx, dW_hh, db_hn, dh[None]
