"""The compiled learner: reads a text in segments, and learns from each, with no Python between them.

The reference implementation is `scoring.learner`. Here the weights stay packed, as panels, and learn there.
"""

from collections.abc import Callable, Mapping
from copy import copy as copy_of
from functools import partial
from typing import Any

import numpy as np

from charrnn.engine.kernels.dot import transposed_product
from charrnn.engine.kernels.embedding import flat_indices
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.learner_buffers import Buffers
from charrnn.engine.kernels.learner_cells import Cache, backward, forward, gradients, new_cache
from charrnn.engine.kernels.learner_weights import Weights, learn_matrix, learn_rows
from charrnn.engine.kernels.matmul import packed_matmul
from charrnn.engine.kernels.simd import copy, fused
from charrnn.engine.kernels.softmax import exponentials_of_row
from charrnn.engine.protocols import Factors
from charrnn.types import Array, Ids, Mask, Params

PACKED = ("W_hh", "W_ih", "W_out")
"""The matrices of products; the others are looked up, or added."""


class Learner:
    """The weights of one reading, the trained ones beside them, and its state [L, S, 1, H]."""

    def __init__(
        self,
        cell: str,
        params: Params,
        state: Array,
        factors: Mapping[str, Factors],
        segment: int,
        boost: Callable[[Any], Any],
    ):
        """Begins with some parameters and a state. `boost` is that of `scoring.learner`."""
        L, _, _, H = state.shape
        V, GH, self.dtype = len(params["b_out"]), len(params["b0"]), state.dtype
        self.segment, self.boost = segment, boost
        self.cell, self.state, self.steps = cell.removesuffix("_relu"), state.copy(), 0
        layers = range(L)
        self.names = {
            "W_hh": [f"W_hh{layer}" for layer in layers],
            "W_ih": [f"W_ih{layer}" for layer in layers[1:]],
            "W_out": ["W_out"],
            "W_ih0": ["W_ih0"],
            "b": [f"b{layer}" for layer in layers],
            "b_hn": [f"b_hn{layer}" for layer in layers if f"b_hn{layer}" in params],
            "b_out": ["b_out"],
        }
        self.weights = tuple(
            Weights.of(
                [np.atleast_2d(params[name]) for name in names], [factors[name] for name in names], key in PACKED
            )
            for key, names in self.names.items()
            for names in [names or ["b_out"]]  # which stands for none, and is small
        )
        self.shapes = {name: p.shape for name, p in params.items()}
        self._new_cache = partial(new_cache, cell, L, segment, H, self.dtype)
        self._new_buffers = partial(Buffers.of, L, segment, H, GH, V, self.dtype)
        self.cache, self.buffers = self._new_cache(), self._new_buffers()

    @property
    def params(self) -> Params:
        """The parameters as they are now."""
        found: Params = {}
        for names, weights in zip(self.names.values(), self.weights, strict=True):
            for n, name in enumerate(names):
                found[name] = weights.unpacked(n, self.shapes[name][-1]).reshape(self.shapes[name])
        return {name: found[name] for name in self.shapes}

    def trained_reader(self) -> "Learner":
        """A reader of the trained weights, from a state of zeros, which shares their memory and may not learn."""
        reader = copy_of(self)
        reader.weights = tuple(weights._replace(now=weights.trained) for weights in self.weights)
        reader.state, reader.steps = np.zeros_like(self.state), 0
        reader.cache, reader.buffers = self._new_cache(), self._new_buffers()
        return reader

    def forget(self) -> None:
        """Goes back to the parameters and a state of zeros."""
        for weights in self.weights:
            if weights.now is not weights.trained:
                weights.now[...] = weights.trained
        self.state[...] = 0
        self.steps = 0

    def read(self, passage: tuple[Ids, Ids, Mask], learns: bool = True) -> Array:
        """As `scoring.learner.Learner.read`."""
        (inputs, targets, resets), (V,) = passage, self.shapes["b_out"]
        ids, nats = (flat_indices(inputs, V), flat_indices(targets, V)), np.empty(len(targets), self.dtype)
        own, done = (self.cache, self.weights, self.state, self.buffers), 0
        while done < len(nats):
            rest, first = (array[done:] for array in (*ids, resets)), done
            boosts = self._boosts(len(nats) - done, learns)
            done += READERS[self.cell](*own, *rest, self.segment, boosts, nats[done:])
            self.steps += learns * (done - first) // self.segment
            if not np.isfinite(nats[first:done].sum()):
                self.forget()
        return nats

    def _boosts(self, N: int, learns: bool) -> Array:
        """How far the steps of the next N characters go; none if it does not learn from them."""
        steps = np.arange(self.steps, self.steps + N // self.segment if learns else 0)
        boosts: Array = self.boost(steps).astype(self.dtype)
        return boosts


inner_kernel = partial(kernel, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""A kernel that only kernels call: what Python would need to call it takes longer to compile than all the rest."""
_add = fused(lambda x, y: (x + y,), 1)


@kernel
def _text_end(resets: Mask, first: int, stop: int) -> int:
    """The place after the last character of the text that the first one belongs to, at most `stop`."""
    end = first + 1
    while end < stop and not resets[end]:
        end += 1
    return end


@inner_kernel
def _read(
    cache: Cache,
    weights: tuple[Any, ...],
    state: Array,
    buffers: Buffers,
    inputs: Ids,
    targets: Ids,
    resets: Mask,
    segment: int,
    boosts: Array,
    nats: Array,
) -> int:
    """Reads segments, and learns from as many as there are `boosts`, which say how far their steps go.

    The last segment may be shorter if it is not learned from.

    Returns how many characters it has read: not all if those of a segment have NaN or infinite nats, the last it reads.
    """
    N = len(targets)
    for first in range(0, N, segment):
        stop = min(first + segment, N)
        _predict(cache, weights, state, buffers, inputs[first:stop], resets[first:stop])
        if not _losses(buffers, targets[first:stop], nats[first:stop]):
            return stop
        n = first // segment
        if n < len(boosts):
            _learn(cache, weights, buffers, inputs[first:stop], resets[first:stop], boosts[n])
    return N


@inner_kernel
def _predict(cache: Cache, weights: tuple[Any, ...], state: Array, buffers: Buffers, inputs: Ids, resets: Mask) -> None:
    """The logits of a segment; the state goes on."""
    W_hh, W_ih, W_out, W_ih0, b, b_hn, b_out = weights
    h, before, outputs, x = buffers.h, buffers.before, buffers.outputs, buffers.x
    y, sums, rows = buffers.y, buffers.sums, buffers.rows
    T, L, H, GH, V = len(inputs), len(state), state.shape[3], x.shape[1], y.shape[1]
    bias, hW = rows[:1], rows[2:3]
    for layer in range(L):
        if layer == 0:
            for t in range(T):
                _add(GH, (x,), (t * GH,), (W_ih0.now, b.now), (inputs[t] * GH, 0))
        else:
            copy(GH, (bias,), (0,), (b.now,), (layer * GH,))
            is_whole = GH % W_ih.now.shape[3] == 0
            packed_matmul(outputs[layer - 1, :T], W_ih.now[layer - 1], GH, bias, (x if is_whole else sums)[:T], 0)
            for t in range(0 if is_whole else T):
                copy(GH, (x,), (t * GH,), (sums,), (t * sums.shape[1],))
        bias[:] = 0
        if GH == 3 * H:
            copy(H, (bias,), (2 * H,), (b_hn.now,), (layer * H,))
        first, place = 0, 0
        while first < T:
            stop = _text_end(resets, first, T)
            if resets[first]:
                state[layer] = 0
            forward(cache, (layer, first, stop, place), x, h, state[layer], (W_hh.now[layer], bias, hW))
            n, start = (stop - first) * H, (layer * h.shape[1] + place) * H
            copy(n, (before,), ((layer * before.shape[1] + first) * H,), (h,), (start,))
            copy(n, (outputs,), ((layer * before.shape[1] + first) * H,), (h,), (start + H,))
            first, place = stop, place + stop - first + 1
    copy(V, (bias,), (0,), (b_out.now,), (0,))
    packed_matmul(outputs[L - 1, :T], W_out.now[0], V, bias, sums[:T], 0)
    for t in range(T):
        copy(V, (y,), (t * V,), (sums,), (t * sums.shape[1],))


@kernel(error_model="numpy")
def _losses(buffers: Buffers, targets: Ids, nats: Array) -> bool:
    """-log p of each target; the logits become their gradients. Whether all are finite."""
    y = buffers.y
    total_nats = 0.0
    for t in range(len(targets)):
        total, at_target = exponentials_of_row(y, t, targets[t])
        nats[t] = np.log(total) - at_target
        total_nats += nats[t]
        for v in range(y.shape[1]):
            y[t, v] /= y.dtype.type(total)
        y[t, targets[t]] -= 1
    return bool(np.isfinite(total_nats))


@inner_kernel
def _learn(
    cache: Cache,
    weights: tuple[Any, ...],
    buffers: Buffers,
    inputs: Ids,
    resets: Mask,
    boost: float,
) -> None:
    """A step with all weights, from the gradients of the logits."""
    W_hh, W_ih, W_out, W_ih0, b, b_hn, b_out = weights
    h, before, outputs, da = buffers.h, buffers.before, buffers.outputs, buffers.da
    d, y, sums, rows = buffers.d, buffers.y, buffers.sums, buffers.rows
    left, right, products = buffers.left, buffers.right, buffers.products
    T, L, H, GH, V = len(inputs), len(before), before.shape[2], da.shape[1], y.shape[1]
    of_vector = np.zeros(T, np.intp)
    # y = h W_out + b_out
    transposed_product(y[:T], W_out.now[0], V, sums)
    learn_matrix(W_out, 0, outputs[L - 1], y[:T], boost, left, right, products)
    learn_rows(b_out, 0, of_vector, y, 0, boost, right)
    for layer in range(L - 1, -1, -1):
        for t in range(T):
            copy(H, (d,), (t * H,), (sums,), (t * sums.shape[1],))
        # outputs, state = forward(x, state)
        first, place = 0, 0
        while first < T:
            stop = _text_end(resets, first, T)
            backward(cache, (layer, first, stop, place), d, h, (W_hh.now[layer], buffers.row), rows[1:3], da)
            first, place = stop, place + stop - first + 1
        dx, d_hW = gradients(cache, layer, da)
        learn_matrix(W_hh, layer, before[layer], d_hW[:T], boost, left, right, products)
        if GH == 3 * H:
            learn_rows(b_hn, layer, of_vector, d_hW, 2 * H, boost, right)
        learn_rows(b, layer, of_vector, dx, 0, boost, right)
        if layer:
            # x = outputs[layer - 1] W_ih + b
            transposed_product(dx[:T], W_ih.now[layer - 1], GH, sums)
            learn_matrix(W_ih, layer - 1, outputs[layer - 1], dx[:T], boost, left, right, products)
        else:
            # x = W_ih0[inputs] + b
            learn_rows(W_ih0, 0, inputs, dx, 0, boost, right)


# One for each cell, so that the names of compiled code say which it is


@kernel
def _read_lstm(*arguments: Any) -> Any:
    return _read(*arguments)


@kernel
def _read_gru(*arguments: Any) -> Any:
    return _read(*arguments)


@kernel
def _read_rnn(*arguments: Any) -> Any:
    return _read(*arguments)


READERS = {"lstm": _read_lstm, "gru": _read_gru, "rnn": _read_rnn}
