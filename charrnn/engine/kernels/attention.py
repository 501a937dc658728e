"""The compiled version of `layers.attention`: products with weights for the whole batch, all else row after row.

In the scores of a row the steps of the decoder lie side by side. So they fill the vector registers, and the softmax
over the source adds whole registers.
"""

from typing import NamedTuple

import numpy as np

from charrnn.engine.kernels.dot import row_products
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import matmul, matmul_with_panels, pack, padded_bias
from charrnn.engine.kernels.outer import outer
from charrnn.engine.kernels.simd import Vector, copy, exp, fused, lanes, tanh
from charrnn.engine.kernels.strided import copy_rows, pack_rows, strided_matmul, weighted_sum
from charrnn.engine.kernels.tile import panel_width
from charrnn.layers.attention import check_lengths, check_rows, key_and_value_weights, weight_gradients
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices


class Source(NamedTuple):
    """What `attend` reads of a batch of sources, and what `backward` needs besides.

    Step s of row b is at first[b] + s · stride of the N: row after row without the padding, or as in `encoded`.
    """

    e: Array  # [N, E]: the encoder's outputs
    kv: Array  # [N, 2H]: keys beside values
    W_kv: Array  # [E, 2H]: W_a beside W_v
    W_h: Array  # [H, H]
    panels: Array  # W_h, packed for all the calls of `attend`
    bias: Array  # b_c, for a product with the panels
    first: Indices  # [B]
    stride: int
    lengths: Indices  # [B]
    Ts: int


Cache = tuple[Array, Source, Array, Array]


def forward(
    h: Array, encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace
) -> tuple[Array, Cache]:
    """As `layers.attention.forward`."""
    return attend(h, project(encoded, lengths, W_a, W_c, b_c, workspace), workspace)


def project(encoded: Array, lengths: Indices, W_a: Array, W_c: Array, b_c: Array, workspace: Workspace) -> Source:
    """As `layers.attention.project`."""
    (Ts, B, E), encoded = encoded.shape, np.ascontiguousarray(encoded)
    check_lengths(lengths, Ts)
    lengths = lengths.astype(np.intp)
    if lengths.min() == Ts:
        e, first, stride = encoded.reshape(Ts * B, E), np.arange(B), B
    else:
        e = workspace.empty("e", (int(lengths.sum()), E), encoded.dtype)
        first, stride = np.cumsum(lengths) - lengths, 1
        _remove_padding(encoded.reshape(Ts * B, E), first, lengths, e)
    W_kv, W_h = key_and_value_weights(W_a, W_c, workspace), W_c[: W_a.shape[1]]
    # k, v = e (W_a, W_v)
    kv, panels = matmul(e, W_kv, workspace.scope("kv")), pack(W_h, workspace.scope("W_h"))
    bias = padded_bias(panels, workspace.scope("W_h"), b_c)
    return Source(e, kv, W_kv, W_h, panels, bias, first, stride, lengths, Ts)


def attend(h: Array, source: Source, workspace: Workspace) -> tuple[Array, Cache]:
    """As `layers.attention.attend`."""
    (Td, B, H), size = h.shape, lanes(h.itemsize)
    check_rows(h, len(source.lengths))
    h = np.ascontiguousarray(h).reshape(Td * B, H)
    weights = workspace.empty("weights", (B * source.Ts, -(-Td // size) * size), h.dtype)
    # a = h W_h + Σ α v + b_c, so far without the sum
    outputs = matmul_with_panels(h, source.panels, H, source.bias, workspace.scope("outputs"))
    places = (source.first, source.stride, source.lengths)
    _attend(h, source.kv, *places, weights, outputs, *_buffers(source.Ts, Td, weights, H, workspace))
    return outputs.reshape(Td, B, H), (h, source, weights, outputs)


def weights(cache: Cache) -> Array:
    """As `layers.attention.weights`."""
    h, source, weights, _ = cache
    B = len(source.lengths)
    return weights.reshape(B, source.Ts, -1)[:, :, : len(h) // B].transpose(2, 0, 1)


def backward(d_outputs: Array, cache: Cache, workspace: Workspace) -> tuple[Array, Array, Array, Array, Array]:
    """As `layers.attention.backward`."""
    h, source, weights, outputs = cache
    (Td, B, H), Ts = d_outputs.shape, source.Ts
    da = workspace.empty("da", h.shape, h.dtype)
    _activation_back(outputs, np.ascontiguousarray(d_outputs).reshape(h.shape), da)
    # a = h W_h + Σ α v + b_c
    dh = matmul(da, source.W_h, workspace.scope("dh"), transposed=True)
    dW_h, db_c = outer(h, da, workspace.scope("dW_h")), da.sum(axis=0)
    dkv = workspace.empty("dkv", source.kv.shape, h.dtype)
    places = (source.first, source.stride, source.lengths)
    _attend_back(h, source.kv, *places, weights, da, dh, dkv, *_buffers(Ts, Td, weights, H, workspace))
    # k, v = e (W_a, W_v)
    dW_kv = outer(source.e, dkv, workspace.scope("dW_kv"))
    d_encoded = matmul(dkv, source.W_kv, workspace.scope("de"), transposed=True)
    if len(d_encoded) < Ts * B:
        de, d_encoded = d_encoded, workspace.empty("d_encoded", (Ts * B, d_encoded.shape[1]), h.dtype)
        _restore_padding(de, source.first, source.lengths, d_encoded)
    dW_a, dW_c = weight_gradients(dW_h, dW_kv, workspace)
    return dh.reshape(Td, B, H), d_encoded.reshape(Ts, B, -1), dW_a, dW_c, db_c


def _buffers(Ts: int, Td: int, weights: Array, H: int, workspace: Workspace) -> tuple[Array, ...]:
    """What is overwritten for each row: rows, panels of rows, scores, products and sums; and zeros."""
    dtype, lane_steps, width = weights.dtype, weights.shape[1], panel_width(weights.dtype)
    panels, steps = -(-H // width), max(Ts, Td)
    return (
        workspace.empty("rows", (Td, H), dtype),
        workspace.zeros("panels", (panels, steps, width), dtype),  # the tiles also read the columns that no row fills
        workspace.zeros("scores", (Ts, lane_steps), dtype),  # from Td on, they are computed with, but not used
        workspace.empty("product", (steps, panels * width), dtype),
        workspace.empty("sums", (2, lane_steps), dtype),
        workspace.zeros("zeros", (1, width), dtype),
    )


# The formulas of the softmax and of the output


def _exponential(score: Vector, highest: Vector, total: Vector) -> tuple[Vector, ...]:
    """exp(score - highest), and the total with it."""
    exponential = exp(score - highest)
    return exponential, total + exponential


def _softmax_back(weight: Vector, d_weight: Vector, total: Vector) -> tuple[Vector, ...]:
    """The gradient of a score; the total is Σ α dα over the source."""
    # α = softmax(score)
    return (weight * (d_weight - total),)


def _output(a: Vector, context: Vector) -> tuple[Vector, ...]:
    """The output, from h W_h + b_c and Σ α v."""
    return (tanh(a + context),)


def _output_back(output: Vector, d_output: Vector) -> tuple[Vector, ...]:
    """da."""
    # output = tanh(a),  tanh' = 1 - tanh²
    return (d_output * (1 - output * output),)


_fused_maximum = fused(lambda highest, score: (highest.maximum(score),), 1)
_fused_exponential = fused(_exponential, 2)
_fused_quotient = fused(lambda x, y: (x / y,), 1)
_fused_dot = fused(lambda total, x, y: (total + x * y,), 1)
_fused_softmax_back = fused(_softmax_back, 1)
_fused_output = fused(_output, 1)
_fused_output_back = fused(_output_back, 1)
_fused_sum = fused(lambda x, y: (x + y,), 1)


@kernel
def _attend(
    h: Array,
    kv: Array,
    firsts: Indices,
    stride: int,
    lengths: Indices,
    weights: Array,
    outputs: Array,
    rows: Array,
    panels: Array,
    scores: Array,
    product: Array,
    sums: Array,
    zeros: Array,
) -> None:
    """Fills `weights` [B · Ts, Td, rounded up to whole registers].

    `outputs` [Td · B, H] holds h W_h + b_c, and the outputs afterwards.
    """
    B, H = len(lengths), h.shape[1]
    Td, Ts, size = len(h) // B, len(weights) // B, weights.shape[1]
    for b in range(B):
        n, k, k_stride, w = lengths[b], firsts[b] * 2 * H, stride * 2 * H, b * Ts * size
        # score = h · k
        copy_rows(Td, H, h, b * H, B * H, rows, 0, H)
        row_products(n, kv, k, k_stride, Td, rows, 0, H, H, scores)
        # α = softmax(score)
        _softmax(n, scores, weights, w, sums)
        weights[b * Ts + n : (b + 1) * Ts] = 0
        # a = h W_h + Σ α v + b_c
        if Td == 1:  # packing would take longer than the product
            weighted_sum(n, H, weights, w, size, kv, k + H, k_stride, product[0])
        else:
            pack_rows(n, H, kv, k + H, k_stride, panels)
            strided_matmul(Td, n, weights, w, 1, size, panels, H, zeros, product)
        # output = tanh(a)
        for t in range(Td):
            m = (t * B + b) * H
            _fused_output(H, (outputs,), (m,), (outputs, product), (m, t * product.shape[1]))


@kernel
def _softmax(n: int, scores: Array, weights: Array, w: int, sums: Array) -> None:
    """Writes the softmax over n rows of the scores to the weights, from the flat index w on; overwrites the sums."""
    size = scores.shape[1]
    copy(size, (sums,), (0,), (scores,), (0,))
    sums[1] = 0
    for s in range(1, n):
        _fused_maximum(size, (sums,), (0,), (sums, scores), (0, s * size))
    for s in range(n):
        row = s * size
        _fused_exponential(size, (weights, sums), (w + row, size), (scores, sums, sums), (row, 0, size))
    for s in range(n):
        row = w + s * size
        _fused_quotient(size, (weights,), (row,), (weights, sums), (row, size))


@kernel
def _activation_back(outputs: Array, d_outputs: Array, da: Array) -> None:
    _fused_output_back(da.size, (da,), (0,), (outputs, d_outputs), (0, 0))


@kernel
def _attend_back(
    h: Array,
    kv: Array,
    firsts: Indices,
    stride: int,
    lengths: Indices,
    weights: Array,
    da: Array,
    dh: Array,
    dkv: Array,
    rows: Array,
    panels: Array,
    d_scores: Array,
    product: Array,
    sums: Array,
    zeros: Array,
) -> None:
    """Fills `dkv` [N, 2H]; `dh` [Td · B, H] holds the gradient through h W_h, and all of it afterwards."""
    B, H = len(lengths), h.shape[1]
    Td, Ts, size = len(h) // B, len(weights) // B, weights.shape[1]
    for b in range(B):
        n, k, k_stride, w = lengths[b], firsts[b] * 2 * H, stride * 2 * H, b * Ts * size
        # a = h W_h + Σ α v + b_c
        copy_rows(Td, H, da, b * H, B * H, rows, 0, H)
        row_products(n, kv, k + H, k_stride, Td, rows, 0, H, H, d_scores)
        pack_rows(Td, H, rows, 0, H, panels)
        strided_matmul(n, Td, weights, w, size, 1, panels, H, zeros, product)
        copy_rows(n, H, product, 0, product.shape[1], dkv, k + H, k_stride)
        # α = softmax(score)
        sums[0] = 0
        for s in range(n):
            row = s * size
            _fused_dot(size, (sums,), (0,), (sums, weights, d_scores), (0, w + row, row))
        for s in range(n):
            row = s * size
            _fused_softmax_back(size, (d_scores,), (row,), (weights, d_scores, sums), (w + row, row, 0))
        # score = h · k
        pack_rows(Td, H, h, b * H, B * H, panels)
        strided_matmul(n, Td, d_scores, 0, size, 1, panels, H, zeros, product)
        copy_rows(n, H, product, 0, product.shape[1], dkv, k, k_stride)
        pack_rows(n, H, kv, k, k_stride, panels)
        strided_matmul(Td, n, d_scores, 0, 1, size, panels, H, zeros, product)
        for t in range(Td):
            m = (t * B + b) * H
            _fused_sum(H, (dh,), (m,), (dh, product), (m, t * product.shape[1]))


# The padding


@kernel
def _remove_padding(x: Array, firsts: Indices, lengths: Indices, out: Array) -> None:
    """Copies the steps of x [Ts · B, E] that are not padding to out [N, E], row after row."""
    B, E = len(lengths), x.shape[1]
    for b in range(B):
        copy_rows(lengths[b], E, x, b * E, B * E, out, firsts[b] * E, E)


@kernel
def _restore_padding(x: Array, firsts: Indices, lengths: Indices, out: Array) -> None:
    """Undoes `_remove_padding`: out [Ts · B, E] is zero in the padding."""
    B, E = len(lengths), x.shape[1]
    for b in range(B):
        copy_rows(lengths[b], E, x, firsts[b] * E, E, out, b * E, B * E)
        out[lengths[b] * B + b :: B] = 0
