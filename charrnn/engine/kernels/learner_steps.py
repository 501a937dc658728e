"""The steps of the compiled learner: the gradients of a segment, and what each layer's weights learn from them.

While the gradients go back through the lower layers, a `partner` may take the steps of the weights above them.
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

    What each layer has learned is added to its weights as soon as the layers below need them no more; by the partner,
    if there is one that has time for it before all gradients are known.
    """
    W_hh, W_ih, W_out = weights[:3]
    h, d, y, sums, rows = buffers.h, buffers.d, buffers.y, buffers.sums, buffers.rows
    T, L, H, GH, V = len(inputs), len(h), h.shape[3], buffers.x.shape[1], y.shape[1]
    is_shared = partner.is_shared(board)
    # y = h W_out + b_out
    transposed_product(y[:T], W_out.now[0], V, sums)
    for layer in range(L - 1, -1, -1):
        if is_shared:
            partner.post(board, 1, 0)
        else:
            _step(cache, weights, buffers, inputs, boost, layer + 1, 0)
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
        part = partner.take(board)
        while part != partner.NONE:
            _step(cache, weights, buffers, inputs, boost, L - part % L, 0)
            partner.finish(board)
            part = partner.take(board)
    _step(cache, weights, buffers, inputs, boost, 0, 0)
    if is_shared:
        partner.wait(board)


@inner_kernel
def help_with_steps(
    cache: Cache, weights: tuple[Any, ...], buffers: Buffers, inputs: Ids, segment: int, boosts: Array, board: Array
) -> None:
    """Takes steps of weights as a partner: `learn` posts one for each layer in each segment."""
    L = len(buffers.h)
    part = partner.next_part(board)
    while part != partner.CLOSED:
        n = part // L
        _step(cache, weights, buffers, inputs[n * segment : (n + 1) * segment], boosts[n], L - part % L, 1)
        board[partner.HELPED] += 1
        partner.finish(board)
        part = partner.next_part(board)


@inner_kernel
def _step(
    cache: Cache, weights: tuple[Any, ...], buffers: Buffers, inputs: Ids, boost: float, layer: int, thread: int
) -> None:
    """The step of a layer's weights; the decoder's layer is the last. `thread` is 0, or 1 for the partner."""
    W_hh, W_ih, W_out, W_ih0, b, b_hn, b_out = weights
    outputs, y = buffers.outputs, buffers.y
    left, right, products = buffers.left[thread], buffers.right[thread], buffers.products[thread]
    T, L, H, GH = len(inputs), len(outputs), outputs.shape[2], buffers.x.shape[1]
    of_vector = np.zeros(T, np.intp)
    if layer == L:
        learn_matrix(W_out, 0, outputs[L - 1], y[:T], boost, left, right, products)
        learn_rows(b_out, 0, of_vector, y, 0, boost, right)
        return
    dx, d_hW = gradients(cache, layer, buffers.da[layer])
    learn_matrix(W_hh, layer, buffers.before[layer], d_hW[:T], boost, left, right, products)
    if GH == 3 * H:
        learn_rows(b_hn, layer, of_vector, d_hW, 2 * H, boost, right)
    learn_rows(b, layer, of_vector, dx, 0, boost, right)
    if layer:
        learn_matrix(W_ih, layer - 1, outputs[layer - 1], dx[:T], boost, left, right, products)
    else:
        learn_rows(W_ih0, 0, inputs, dx, 0, boost, right)
