"""The gated recurrent unit: the new state is a mixture of the old state and of a candidate.

K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), in the variant of cuDNN and PyTorch:
the reset gate acts after the recurrent product, which has a bias of its own. x_t is the input, already projected; the
gates are in the order r, z, n:

    r = σ(x_r + h_{t-1} W_hr)        reset: how much of the old state the candidate sees
    z = σ(x_z + h_{t-1} W_hz)        update: how much of the old state stays
    q = h_{t-1} W_hn + b_hn
    n = tanh(x_n + r ⊙ q)            candidate
    h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

Where z is near 1, the state passes unchanged, and so does its gradient: on that path nothing vanishes.

Backward, from the last time step to the first. a_r, a_z and a_n are the arguments of σ, σ and tanh; dh_t is the sum of
the gradients from the output at t and from step t + 1:

    h_t = n + z ⊙ (h_{t-1} - n)        da_z = dh_t ⊙ (h_{t-1} - n) ⊙ z ⊙ (1 - z)
                                       da_n = dh_t ⊙ (1 - z) ⊙ (1 - n²)
                                       dh_{t-1} = dh_t ⊙ z
    a_n = x_n + r ⊙ q                  da_r = da_n ⊙ q ⊙ r ⊙ (1 - r)        dq = da_n ⊙ r
    x_t = (x_r, x_z, x_n)              dx_t = (da_r, da_z, da_n)

The products h_{t-1} W_hh are parts of a_r, a_z and q, so that their gradient is (da_r, da_z, dq):

    h_{t-1} W_hh                       dh_{t-1} += (da_r, da_z, dq) W_hhᵀ
                                       dW_hh = Σ_t h_{t-1}ᵀ (da_r, da_z, dq)
    q = h_{t-1} W_hn + b_hn            db_hn = Σ_t dq

Edits here show with `--engine numpy`. `engine/kernels/gru.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

import numpy as np

from charrnn.layers.activations import sigmoid
from charrnn.layers.matmul import Matmul, matmul_in
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

GATES = 3  # G: r, z, n
STATES = 1  # S: h
RECURRENT = ("W_hh", "b_hn")

Cache = tuple[Array, Array, Array, Array, Matmul]


def forward(
    x: Array,
    W_hh: Array,
    b_hn: Array,
    state: Array,
    workspace: Workspace | None = None,
    precision: str = "float32",
) -> tuple[Array, Array, Cache]:
    """Runs the cell over a sequence.

    x [T, B, 3H] projected inputs; W_hh [H, 3H]; b_hn [H]; state [1, B, H] holds h before the first step.
    Returns the outputs [T, B, H], the state after the last step and the cache for `backward`. The precision is that of
    the products, here and in `backward`: see `matmul`.
    """
    T, B, GH = x.shape
    H = GH // 3
    workspace, matmul = workspace or Workspace(), matmul_in(precision)
    h = workspace.empty("h", (T + 1, B, H), x.dtype)  # step t reads h[t] and writes h[t + 1]
    gates = workspace.empty("gates", x.shape, x.dtype)  # r, z, n of every step
    q = workspace.empty("q", (T, B, H), x.dtype)
    hW = np.empty((B, GH), x.dtype)
    x_rz, x_n = x[:, :, : 2 * H], x[:, :, 2 * H :]
    hW_rz, hW_n = hW[:, : 2 * H], hW[:, 2 * H :]
    h[0] = state[0]
    for t in range(T):
        rz, n = gates[t, :, : 2 * H], gates[t, :, 2 * H :]
        matmul(h[t], W_hh, out=hW)
        # r, z = σ(x_rz + h W_rz)
        sigmoid(np.add(x_rz[t], hW_rz, out=rz), out=rz)
        r, z = rz[:, :H], rz[:, H:]
        # q = h W_hn + b_hn
        np.add(hW_n, b_hn, out=q[t])
        # n = tanh(x_n + r q)
        np.multiply(r, q[t], out=n)
        n += x_n[t]
        np.tanh(n, out=n)
        # h[t + 1] = (1 - z) n + z h[t] = n + z (h[t] - n)
        np.subtract(h[t], n, out=h[t + 1])
        h[t + 1] *= z
        h[t + 1] += n
    return h[1:], h[T:].copy(), (W_hh, h, gates, q, matmul)


def step(x: Array, W_hh: Array, b_hn: Array, state: Array, matmul: Matmul = np.matmul) -> Array:
    """One step of `forward`, without a cache: the next state, from x [B, 3H] and the state [1, B, H]."""
    H = state.shape[2]
    hW = matmul(state[0], W_hh)
    # r, z = σ(x_rz + h W_rz)
    rz, n = hW[:, : 2 * H], hW[:, 2 * H :]
    rz += x[:, : 2 * H]
    sigmoid(rz, out=rz)
    r, z = rz[:, :H], rz[:, H:]
    # n = tanh(x_n + r (h W_hn + b_hn))
    n += b_hn
    n *= r
    n += x[:, 2 * H :]
    np.tanh(n, out=n)
    # (1 - z) n + z h = n + z (h - n)
    next_state: Array = state - n
    next_state *= z
    next_state += n
    return next_state


def units_and_gates(cache: Cache) -> tuple[Array, dict[str, Array]]:
    """The activations in a cache of `forward`: the units h and the gates by name, each [T, B, H]."""
    _, h, gates, _, _ = cache
    r, z, _ = np.split(gates, 3, axis=2)
    return h[1:], {"reset": r, "update": z}


def backward(
    d_outputs: Array, cache: Cache, workspace: Workspace | None = None, d_next: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """The gradients of x, W_hh, b_hn and the initial state, from the gradient d_outputs [T, B, H].

    d_next [1, B, H] is the gradient of the state after the last step, through steps that are not in this sequence;
    None: zero, as in truncated BPTT.
    """
    W_hh, h, gates, q, matmul = cache
    T, B, H = d_outputs.shape
    workspace = workspace or Workspace()
    da = workspace.empty("dx", gates.shape, h.dtype)  # da_r, da_z, da_n of every step
    d_hW = workspace.empty("d_hW", gates.shape, h.dtype)  # da_r, da_z, dq: behind the reset gate
    # dh is the gradient of h[t + 1] from the later steps
    (dh,) = np.zeros((1, B, H), h.dtype) if d_next is None else d_next.copy()
    dh_hW = np.empty((B, H), h.dtype)  # the part of it that comes through the products
    for t in reversed(range(T)):
        r, z, n = gates[t, :, :H], gates[t, :, H : 2 * H], gates[t, :, 2 * H :]
        da_r, da_z, da_n = da[t, :, :H], da[t, :, H : 2 * H], da[t, :, 2 * H :]
        dq = d_hW[t, :, 2 * H :]
        # outputs[t] = h[t + 1]
        dh += d_outputs[t]
        # h[t + 1] = n + z (h[t] - n),  z = σ(a_z),  σ' = z (1 - z)
        np.multiply(dh * (h[t] - n), z * (1 - z), out=da_z)
        # h[t + 1] = n + z (h[t] - n),  n = tanh(a_n),  tanh' = 1 - n²
        np.multiply(dh * (1 - z), 1 - n * n, out=da_n)
        # a_n = x_n + r q,  r = σ(a_r),  σ' = r (1 - r)
        np.multiply(da_n * q[t], r * (1 - r), out=da_r)
        # a_n = x_n + r q
        np.multiply(da_n, r, out=dq)
        # a_r = x_r + h[t] W_hr,  a_z = x_z + h[t] W_hz
        d_hW[t, :, : 2 * H] = da[t, :, : 2 * H]
        # h[t] enters h[t + 1] through the products h[t] W_hh, and directly in z h[t]
        matmul(d_hW[t], W_hh.T, out=dh_hW)
        dh *= z
        dh += dh_hW
    # hW = h[t] W_hh, for all t at once
    d_hW = d_hW.reshape(T * B, 3 * H)
    dW_hh = matmul(h[:-1].reshape(T * B, H).T, d_hW)
    # q = h[t] W_hn + b_hn
    db_hn = d_hW[:, 2 * H :].sum(axis=0)
    dx = da
    return dx, dW_hh, db_hn, dh[None]
