"""The compiled learner: reads a text in segments, and learns from each, with no Python between them.

The reference implementation is `scoring.learner`. Here the weights stay packed, as panels, and learn there.
"""

from collections.abc import Callable, Mapping
from copy import copy as copy_of
from functools import partial
from typing import Any

import numpy as np

from charrnn.engine.kernels import partner
from charrnn.engine.kernels.embedding import flat_indices
from charrnn.engine.kernels.kernel import inner_kernel, kernel
from charrnn.engine.kernels.learner_buffers import Buffers
from charrnn.engine.kernels.learner_cells import Cache, forward, new_cache
from charrnn.engine.kernels.learner_steps import help_with_steps, learn, text_end
from charrnn.engine.kernels.learner_weights import Weights
from charrnn.engine.kernels.matmul import packed_matmul
from charrnn.engine.kernels.simd import copy, fused
from charrnn.engine.kernels.softmax import exponentials_of_row
from charrnn.engine.protocols import Factors
from charrnn.engine.threads import Threads
from charrnn.layers.workspace import aligned_copy
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
        self.diverged = self.has_learned = False
        """`has_learned` says that the weights may differ from the trained ones."""

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
        return self._with(tuple(weights._replace(now=weights.trained) for weights in self.weights))

    def fresh(self) -> "Learner":
        """A learner that begins as this one did, and shares the trained weights with it."""
        return self._with(tuple(weights._replace(now=aligned_copy(weights.trained)) for weights in self.weights))

    def _with(self, weights: tuple[Weights, ...]) -> "Learner":
        """A reader with these weights, from a state of zeros."""
        reader = copy_of(self)
        reader.weights, reader.state, reader.steps = weights, np.zeros_like(self.state), 0
        reader.cache, reader.buffers = self._new_cache(), self._new_buffers()
        reader.diverged = reader.has_learned = False
        return reader

    def forget(self) -> None:
        """Goes back to the parameters and a state of zeros."""
        for weights in self.weights if self.has_learned else ():
            weights.now[...] = weights.trained
        self.state[...] = 0
        self.steps, self.diverged, self.has_learned = 0, False, False

    def read(self, passage: tuple[Ids, Ids, Mask], learns: bool = True, threads: Threads | None = None) -> Array:
        """As `scoring.learner.Learner.read`; one of several threads may take some steps of weights meanwhile."""
        (inputs, targets, resets), (V,) = passage, self.shapes["b_out"]
        ids, nats = (flat_indices(inputs, V), flat_indices(targets, V)), np.empty(len(targets), self.dtype)
        own, done = (self.cache, self.weights, self.state, self.buffers), 0
        while done < len(nats):
            rest, first = (array[done:] for array in (*ids, resets)), done
            boosts = self._boosts(len(nats) - done, learns)
            self.has_learned |= learns  # before it does, since an interruption may come at any time
            work = partial(READERS[self.cell], *own, *rest, self.segment, boosts, nats[done:])
            done += partner.with_partner(work, threads)
            self.steps += learns * (done - first) // self.segment
            if learns and not np.isfinite(nats[first:done].sum()):
                self.forget()
                self.diverged = True
        return nats

    def _boosts(self, N: int, learns: bool) -> Array:
        """How far the steps of the next N characters go; none if it does not learn from them."""
        steps = np.arange(self.steps, self.steps + N // self.segment if learns else 0)
        boosts: Array = self.boost(steps).astype(self.dtype)
        return boosts


_add = fused(lambda x, y: (x + y,), 1)


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
    board: Array,
    is_partner: bool,
) -> int:
    """Reads segments, and learns from as many as there are `boosts`, which say how far their steps go.

    The last segment may be shorter if it is not learned from. A partner takes steps of weights, until the board says
    that all is read.

    Returns how many characters it has read: not all if those of a segment have NaN or infinite nats, the last it reads.
    """
    N = len(targets)
    if is_partner:
        help_with_steps(cache, weights, buffers, inputs, segment, boosts, board)
        return 0
    for first in range(0, N, segment):
        stop = min(first + segment, N)
        _predict(cache, weights, state, buffers, inputs[first:stop], resets[first:stop])
        if not _losses(buffers, targets[first:stop], nats[first:stop]):
            return stop
        n = first // segment
        if n < len(boosts):
            learn(cache, weights, buffers, inputs[first:stop], resets[first:stop], boosts[n], board)
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
            stop = text_end(resets, first, T)
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
