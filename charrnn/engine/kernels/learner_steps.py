"""The steps of the compiled learner: the gradients of a segment, and what each layer's weights learn from them.

While the gradients go back through the lower layers, a `partner` may take the steps of the weights above them. It comes
when the trained model's reader, which has its core, has read its part.
"""

from typing import Any

import numpy as np

from charrnn.engine.kernels import partner
from charrnn.engine.kernels.dot import transposed_product
from charrnn.engine.kernels.kernel import inner_kernel, kernel
from charrnn.engine.kernels.learner_buffers import Buffers
from charrnn.engine.kernels.learner_cells import Cache, backward, gradients
from charrnn.engine.kernels.learner_weights import learn_matrix, learn_rows
from charrnn.engine.kernels.simd import copy
from charrnn.types import Array, Ids, Mask

PATIENCE = 20
"""How many times as long the threads wait for each other as for parts of products, which are smaller."""


@kernel
def text_end(resets: Mask, first: int, stop: int) -> int:
    """The place after the last character of the text that the first one belongs to, at most `stop`."""
    end = first + 1
    while end < stop and not resets[end]:
        end += 1
    return end


@inner_kernel
def learn(
    cache: Cache,
    weights: tuple[Any, ...],
    buffers: Buffers,
    inputs: Ids,
    resets: Mask,
    boost: float,
    board: Array,
) -> None:
    """A step with all weights, from the gradients of the logits.

    A layer's weights take their step once the gradients below them are known: at once, or, with a partner, when one of
    the two threads has time for it. Layer L is the output layer.
    """
    W_hh, W_ih, W_out = weights[:3]
    h, d, y, sums, rows = buffers.h, buffers.d, buffers.y, buffers.sums, buffers.rows
    T, L, H, GH, V = len(inputs), len(h), h.shape[3], buffers.x.shape[1], y.shape[1]
    scratch = buffers.left[0], buffers.right[0], buffers.products[0]
    is_shared = partner.is_shared(board)
    for layer in range(L, -1, -1):
        if layer == L:
            # y = h W_out + b_out
            transposed_product(y[:T], W_out.now[0], V, sums)
        else:
            for t in range(T):
                copy(H, (d,), (t * H,), (sums,), (t * sums.shape[1],))
            # outputs, state = forward(x, state)
            first, place, da = 0, 0, buffers.da[layer]
            while first < T:
                stop = text_end(resets, first, T)
                backward(cache, (layer, first, stop, place), d, h, (W_hh.now[layer], buffers.row), rows[1:3], da)
                first, place = stop, place + stop - first + 1
            if layer:
                # x = outputs[layer - 1] W_ih + b
                transposed_product(gradients(cache, layer, da)[0][:T], W_ih.now[layer - 1], GH, sums)
        if is_shared:
            partner.post(board, 1, 0)
        else:
            _step(cache, weights, buffers, inputs, boost, layer, scratch)
    if is_shared:
        part = partner.take(board)
        while part != partner.NONE:
            _step(cache, weights, buffers, inputs, boost, L - part % (L + 1), scratch)
            partner.finish(board)
            part = partner.take(board)
        partner.wait(board, PATIENCE)


@inner_kernel
def help_with_steps(
    cache: Cache, weights: tuple[Any, ...], buffers: Buffers, inputs: Ids, segment: int, boosts: Array, board: Array
) -> None:
    """Takes steps of weights as a partner: `learn` posts one for each layer in each segment, from above."""
    L = len(buffers.h)
    scratch = buffers.left[1], buffers.right[1], buffers.products[1]
    part = partner.next_part(board, PATIENCE)
    while part != partner.CLOSED:
        n = part // (L + 1)
        read = inputs[n * segment : (n + 1) * segment]
        _step(cache, weights, buffers, read, boosts[n], L - part % (L + 1), scratch)
        board[partner.HELPED] += 1
        partner.finish(board)
        part = partner.next_part(board, PATIENCE)


@inner_kernel
def _step(
    cache: Cache,
    weights: tuple[Any, ...],
    buffers: Buffers,
    inputs: Ids,
    boost: float,
    layer: int,
    scratch: tuple[Array, Array, Array],
) -> None:
    """The step of a layer's weights. `scratch` is what `learn_matrix` overwrites, which each thread has for itself."""
    W_hh, W_ih, W_out, W_ih0, b, b_hn, b_out = weights
    outputs, y = buffers.outputs, buffers.y
    left, right, products = scratch
    T, L, H, GH = len(inputs), len(outputs), outputs.shape[2], buffers.x.shape[1]
    of_vector = np.zeros(T, np.intp)
    if layer == L:
        # y = h W_out + b_out
        learn_matrix(W_out, 0, outputs[L - 1], y[:T], boost, left, right, products)
        learn_rows(b_out, 0, of_vector, y, 0, boost, right)
        return
    dx, d_hW = gradients(cache, layer, buffers.da[layer])
    learn_matrix(W_hh, layer, buffers.before[layer], d_hW[:T], boost, left, right, products)
    if GH == 3 * H:
        learn_rows(b_hn, layer, of_vector, d_hW, 2 * H, boost, right)
    learn_rows(b, layer, of_vector, dx, 0, boost, right)
    if layer:
        # x = outputs[layer - 1] W_ih + b
        learn_matrix(W_ih, layer - 1, outputs[layer - 1], dx[:T], boost, left, right, products)
    else:
        # x = W_ih0[inputs] + b
        learn_rows(W_ih0, 0, inputs, dx, 0, boost, right)
