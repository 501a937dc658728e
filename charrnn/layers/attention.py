"""Attention: at each step a decoder looks back at all outputs of an encoder, and mixes those that matter to it.

D. Bahdanau, K. Cho, Y. Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate" (2015), had the
idea; this is the "general" score and the attentional output of M.-T. Luong, H. Pham, C. Manning, "Effective Approaches
to Attention-based Neural Machine Translation" (2015). h_t is the decoder's output at step t, and e_s the encoder's at
step s of the source; W_c has the rows W_h, which h_t meets, above W_v, which the context c_t meets:

    score_ts = h_t · (e_s W_a)
    α_ts = exp(score_ts) / Σ_r exp(score_tr)        weight: how much step t reads of e_s; 0 beyond the source's length
    c_t = Σ_s α_ts e_s                              context: the mixture
    output_t = tanh([h_t; c_t] W_c + b_c)

Since c_t W_v = Σ_s α_ts (e_s W_v), a single product per source computes all that the steps of a decoder read of it:

    k_s, v_s = e_s (W_a, W_v)                       key: what a query h_t is compared with; value: what is mixed
    score_ts = h_t · k_s
    a_t = h_t W_h + Σ_s α_ts v_s + b_c
    output_t = tanh(a_t)

Backward, where dW and db_c are sums over the batch rows too:

    output_t = tanh(a_t)                   da_t = d_output_t ⊙ (1 - output_t²)
    a_t = h_t W_h + Σ_s α_ts v_s + b_c     dh_t = da_t W_hᵀ        dW_h = Σ_t h_tᵀ da_t        db_c = Σ_t da_t
                                           dα_ts = da_t · v_s      dv_s = Σ_t α_ts da_t
    α_t = softmax(score_t)                 dscore_ts = α_ts (dα_ts - Σ_r α_tr dα_tr)
    score_ts = h_t · k_s                   dh_t += Σ_s dscore_ts k_s        dk_s = Σ_t dscore_ts h_t
    k_s, v_s = e_s (W_a, W_v)              de_s = (dk_s, dv_s) (W_a, W_v)ᵀ      (dW_a, dW_v) = Σ_s e_sᵀ (dk_s, dv_s)

So every step of the source is one step away from every step of the decoder: the gradient need not pass all the states
between them.

Edits here show with `--engine numpy`. `engine/kernels/attention.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from typing import NamedTuple

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices, Mask


class Source(NamedTuple):
    """What `attend` reads of a batch of sources, and what `backward` needs besides."""

    e: Array  # [N, E]: the encoder's outputs without the padding
    places: Indices  # [N]: where they are among the Ts · B
    padding: Mask  # [Ts, B, 1]
    kv: Array  # [Ts, B, 2H]: keys beside values; zeros in the padding
    W_kv: Array  # [E, 2H]: W_a beside W_v
    W_h: Array  # [H, H]
    b_c: Array  # [H]


Cache = tuple[Array, Source, Array, Array]


def forward(
    h: Array, encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace
) -> tuple[Array, Cache]:
    """The outputs [Td, B, H] for the queries h [Td, B, H], and the cache for `backward`: `project`, then `attend`."""
    return attend(h, project(encoded, lengths, W_a, W_c, b_c, workspace), workspace)


def project(encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace) -> Source:
    """Computes the keys and values of a batch of sources, once for any number of calls of `attend`.

    encoded [Ts, B, E]; W_a [E, H]; W_c [H + E, H]; b_c [H]. Of row b only the first lengths[b] steps are read; the
    others are padding. Raises `ValueError` for a length that is not from 1 to Ts.
    """
    (Ts, B, E), H = encoded.shape, W_a.shape[1]
    check_lengths(lengths, Ts)
    padding = np.arange(Ts)[:, None] >= lengths
    places = np.flatnonzero(~padding)
    e = _without_padding(encoded.reshape(Ts * B, E), places, workspace.scope("e"))
    W_kv = key_and_value_weights(W_a, W_c, workspace)
    # k, v = e (W_a, W_v)
    kv = np.matmul(e, W_kv, out=workspace.empty("kv", (len(e), 2 * H), e.dtype))
    kv = _with_padding(kv, places, Ts * B, workspace.scope("kv")).reshape(Ts, B, 2 * H)
    return Source(e, places, padding[:, :, None], kv, W_kv, W_c[:H], b_c)


def select_rows(source: Source, rows: Indices) -> Source:
    """The keys and values of some rows of the batch, for `attend` alone."""
    padding = source.padding[:, rows]
    return source._replace(places=np.flatnonzero(~padding), padding=padding, kv=source.kv[:, rows])


def check_lengths(lengths: Indices, Ts: int) -> None:
    """Raises `ValueError` unless all lengths are from 1 to Ts."""
    if lengths.min() < 1 or lengths.max() > Ts:
        raise ValueError(f"a source has a length of {lengths.min()} to {lengths.max()}, outside 1 to {Ts}")


def check_rows(h: Array, B: int) -> None:
    """Raises `ValueError` unless the queries [Td, B, H] have a row for each of B sources."""
    if h.shape[1] != B:
        raise ValueError(f"the queries have {h.shape[1]} rows, but there are {B} sources")


def attend(h: Array, source: Source, workspace: Workspace) -> tuple[Array, Cache]:
    """The outputs [Td, B, H] for the queries h [Td, B, H], and the cache for `backward`.

    No step depends on another one. So a decoder that draws one character at a time calls this for each of them, with
    Td = 1; and in a beam search the K beams of each source take the place of K steps, [K, B, H]. Raises `ValueError` if
    h does not have a row for each source.
    """
    (Td, B, H), Ts = h.shape, len(source.kv)
    check_rows(h, source.kv.shape[1])
    k, v = source.kv[:, :, :H], source.kv[:, :, H:]
    # score = h · k
    scores = workspace.empty("weights", (Ts, B, Td), h.dtype)
    _matmul_rows(k, h.transpose(2, 1, 0), out=scores)
    # α = softmax(score)
    weights = _softmax(scores, source)
    # a = h W_h + Σ α v + b_c
    a = workspace.empty("outputs", h.shape, h.dtype)
    np.matmul(h.reshape(Td * B, H), source.W_h, out=a.reshape(Td * B, H))
    a += _matmul_rows(weights.transpose(2, 1, 0), v, out=workspace.empty("product", h.shape, h.dtype))
    a += source.b_c
    # output = tanh(a)
    outputs = np.tanh(a, out=a)
    return outputs, (h, source, weights, outputs)


def weights(cache: Cache) -> Array:
    """The weights α [Td, B, Ts] in a cache of `forward` or `attend`: of each step, one for every step of the source."""
    return cache[2].transpose(2, 1, 0)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace) -> tuple[Array, Array, Array, Array, Array]:
    """The gradients of h, encoded, W_a, W_c and b_c, from the gradient d_outputs [Td, B, H]."""
    h, source, weights, outputs = cache
    (Td, B, H), Ts = h.shape, len(weights)
    k, v = source.kv[:, :, :H], source.kv[:, :, H:]
    # output = tanh(a),  tanh' = 1 - tanh²
    da = np.multiply(outputs, outputs, out=workspace.empty("da", h.shape, h.dtype))
    np.subtract(1, da, out=da)
    da *= d_outputs
    # a = h W_h + Σ α v + b_c
    da_steps = da.reshape(Td * B, H)
    dh = workspace.empty("dh", h.shape, h.dtype)
    np.matmul(da_steps, source.W_h.T, out=dh.reshape(Td * B, H))
    dW_h = h.reshape(Td * B, H).T @ da_steps
    db_c = da_steps.sum(axis=0)
    dkv = workspace.empty("dkv", source.kv.shape, h.dtype)
    dk, dv = dkv[:, :, :H], dkv[:, :, H:]
    _matmul_rows(weights, da, out=dv)
    d_weights = workspace.empty("d_weights", weights.shape, h.dtype)
    _matmul_rows(v, da.transpose(2, 1, 0), out=d_weights)
    # α = softmax(score)
    d_weights -= np.einsum("sbt,sbt->bt", weights, d_weights)
    d_scores = np.multiply(weights, d_weights, out=d_weights)
    # score = h · k
    _matmul_rows(d_scores, h, out=dk)
    dh += _matmul_rows(d_scores.transpose(2, 1, 0), k, out=workspace.empty("product", h.shape, h.dtype))
    # k, v = e (W_a, W_v)
    dkv = _without_padding(dkv.reshape(Ts * B, 2 * H), source.places, workspace.scope("dkv"))
    dW_kv = np.matmul(source.e.T, dkv, out=workspace.empty("dW_kv", source.W_kv.shape, h.dtype))
    de = np.matmul(dkv, source.W_kv.T, out=workspace.empty("de", source.e.shape, h.dtype))
    d_encoded = _with_padding(de, source.places, Ts * B, workspace.scope("de")).reshape(Ts, B, -1)
    return dh, d_encoded, *weight_gradients(dW_h, dW_kv, workspace), db_c


def key_and_value_weights(W_a: Array, W_c: Array, workspace: Workspace) -> Array:
    """W_kv [E, 2H]: W_a beside W_v, so that one product gives keys and values."""
    E, H = W_a.shape
    return np.concatenate((W_a, W_c[H:]), axis=1, out=workspace.empty("W_kv", (E, 2 * H), W_a.dtype))


def weight_gradients(dW_h: Array, dW_kv: Array, workspace: Workspace) -> tuple[Array, Array]:
    """dW_a [E, H] and dW_c [H + E, H] from dW_h [H, H] and dW_kv [E, 2H]."""
    E, H = len(dW_kv), len(dW_h)
    dW_a = workspace.empty("dW_a", (E, H), dW_h.dtype)
    dW_a[:] = dW_kv[:, :H]
    dW_c = workspace.empty("dW_c", (H + E, H), dW_h.dtype)
    return dW_a, np.concatenate((dW_h, dW_kv[:, H:]), out=dW_c)


def _matmul_rows(x: Array, y: Array, out: Array) -> Array:
    """The product of the matrices of each batch row: [I, B, J], from x [I, B, K] and y [K, B, J]."""
    np.matmul(x.swapaxes(0, 1), y.swapaxes(0, 1), out=out.swapaxes(0, 1))
    return out


def _softmax(scores: Array, source: Source) -> Array:
    """Replaces the scores [Ts, B, Td] by their softmax over the steps of the source that are not padding."""
    is_padded = len(source.places) < source.padding.size
    if is_padded:
        np.copyto(scores, -np.inf, where=source.padding)
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    if is_padded:
        np.copyto(scores, 0, where=source.padding)  # where another score is NaN, all weights are by now
    return scores


def _without_padding(x: Array, places: Indices, workspace: Workspace) -> Array:
    """The rows of x [Ts · B, …] at these places; x itself if these are all."""
    if len(places) == len(x):
        return x
    out = workspace.empty("rows", (len(places), x.shape[1]), x.dtype)
    # mode="clip" lets take write to `out` directly; the places are within bounds
    return np.take(x, places, axis=0, out=out, mode="clip")


def _with_padding(x: Array, places: Indices, n: int, workspace: Workspace) -> Array:
    """Undoes `_without_padding`: n rows, which are zero in the padding."""
    if len(places) == n:
        return x
    padded = workspace.zeros("padded", (n, x.shape[1]), x.dtype)
    padded[places] = x
    return padded
