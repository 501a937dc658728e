"""The compiled sampler: runs of characters with no Python between them, from the look-up to the draw.

What it computes is what `sampling` computes with the functions of `filters`, which are the ones to read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from charrnn.cells.compiled import gru, lstm, rnn
from charrnn.cells.compiled.product import pack, product
from charrnn.memory import Memory
from charrnn.notation import Array, Ids, Params

RNN, GRU, LSTM = range(3)


class Sampler:
    """A model's weights, packed, and B states that move on as characters are drawn."""

    def __init__(self, cell: str, params: Params, state: Array):
        """`state` [L, S, B, H] is where the samples begin."""
        L, _, B, H = state.shape
        self.cell = {"rnn": RNN, "gru": GRU, "lstm": LSTM}[cell]
        self.table = params["W_ih0"] + params["b0"]
        self.state = state.copy()

        def packed(names: list[str]) -> Array:
            return np.stack([pack(params[name], Memory()) for name in names])

        layers = range(L)
        self.W_hh = packed([f"W_hh{layer}" for layer in layers])
        # The first layer looks its input up: where the others have a product, it has a place that is never read
        self.W_ih = packed([f"W_ih{max(layer, 1)}" for layer in layers]) if L > 1 else self.W_hh[:, :0]
        self.b = np.stack([params[f"b{layer}"] for layer in layers])
        self.b_hn = np.stack([params.get(f"b_hn{layer}", np.zeros(H, self.b.dtype)) for layer in layers])
        self.W_out, self.b_out = pack(params["W_out"], Memory()), params["b_out"]
        widths = {n: p.shape[-3] * p.shape[-1] for n, p in (("gates", self.W_hh), ("logits", self.W_out))}
        self.a = np.zeros((B, widths["gates"]), self.b.dtype)
        self.x = np.zeros((B, self.b.shape[1]), self.b.dtype)
        self.spare = np.zeros((B, H), self.b.dtype)
        self.logits = np.zeros((B, widths["logits"]), self.b.dtype)

    def run(
        self,
        context: Ids,
        u: Array,
        temps: Sequence[float],
        settings: tuple[float, ...],
        mask: NDArray[np.bool_] | None = None,
        recent: Ids | None = None,
    ) -> tuple[Ids, Array]:
        """Draws a character for each of the random numbers u [N, B] after the characters `context` [B].

        `temps` are N temperatures, `settings` what `filters.settings` makes of a configuration, `mask` and `recent` as
        `filters.apply` has them. Returns ids [N, B] and the model's own log-probabilities of them [N, B].
        """
        N, B = u.shape
        V = len(self.b_out)
        ids, logps = np.empty(u.shape, np.int64), np.empty(u.shape)
        masks = np.empty((0, V), bool) if mask is None else np.array(np.broadcast_to(mask, (B, V)))
        W = 0 if recent is None else recent.shape[1]
        text = np.empty((B, W + N), np.int64)
        if recent is not None:
            text[:, :W] = recent
        _run(
            self.cell,
            self.table,
            self.W_hh,
            self.W_ih,
            self.b,
            self.b_hn,
            self.W_out,
            self.b_out,
            self.state,
            (self.x, self.a, self.spare, self.logits),
            context.astype(np.int64),
            u,
            np.array(temps, float),
            settings,
            masks,
            text,
            ids,
            logps,
        )
        return ids.astype(context.dtype), logps


@njit(nogil=True, cache=True)
def _run(
    cell: int,
    table: Array,
    W_hh: Array,
    W_ih: Array,
    b: Array,
    b_hn: Array,
    W_out: Array,
    b_out: Array,
    state: Array,
    room: tuple[Array, ...],
    context: Ids,
    u: Array,
    temps: Array,
    settings: tuple[Any, ...],
    masks: NDArray[np.bool_],
    text: Ids,
    ids: Ids,
    logps: Array,
) -> None:
    x, a, spare, logits = room
    N, B = u.shape
    before = text.shape[1] - N
    lengths = np.zeros(len(b_out), np.int64)
    GH = b.shape[1]
    V = len(b_out)
    logp = np.empty(V)
    for n in range(N):
        for layer in range(len(state)):
            if layer == 0:
                for row in range(B):
                    x[row] = table[context[row]]
            else:
                product(state[layer - 1, 0], W_ih[layer], a)
                for row in range(B):
                    x[row] = a[row, :GH] + b[layer]
            if cell == LSTM:
                lstm.step(x, W_hh[layer], b_hn[layer], state[layer], a, spare)
            elif cell == GRU:
                gru.step(x, W_hh[layer], b_hn[layer], state[layer], a, spare)
            else:
                rnn.step(x, W_hh[layer], b_hn[layer], state[layer], a, spare)
        product(state[-1, 0], W_out, logits)
        for row in range(B):
            for v in range(V):
                logp[v] = logits[row, v] + b_out[v]
            _normalise(logp)
            own = logp.copy()
            if len(masks):
                _only(logp, masks[row])
            if before:
                _discourage(logp, text[row, n : n + before], settings, lengths)
            _filter(logp, temps[n], settings)
            v = _choose(logp, u[n, row])
            ids[n, row] = context[row] = text[row, before + n] = v
            logps[n, row] = own[v]


@njit(nogil=True, cache=True)
def _normalise(logp: Array) -> None:
    """`softmax.log_softmax`, in place."""
    top = logp.max()
    total = 0.0
    for v in range(len(logp)):
        total += np.exp(logp[v] - top)
    logp -= top + np.log(total)


@njit(nogil=True, cache=True)
def _only(logp: Array, mask: NDArray[np.bool_]) -> None:
    """`filters.only`, in place on one row."""
    for v in range(len(logp)):
        if not mask[v]:
            logp[v] = -np.inf
    _normalise(logp)


@njit(nogil=True, cache=True)
def _discourage(logp: Array, recent: Ids, settings: tuple[Any, ...], lengths: Ids) -> None:
    """`filters.loops` and `filters.discourage`, in place on one row."""
    _, _, _, _, penalty, loop, longest = settings
    V, last = len(logp), len(recent) - 1
    if recent[last] >= V:
        return
    lengths[:] = 0
    for i in range(last):
        k = 0
        while k < longest and k <= i and recent[i - k] == recent[last - k] and recent[i - k] < V:
            k += 1
        if k:
            lengths[recent[i + 1]] = max(lengths[recent[i + 1]], k)
    for v in range(V):
        logp[v] -= penalty * max(lengths[v] - loop, 0)
    _normalise(logp)


@njit(nogil=True, cache=True)
def _until(logp: Array, order: Ids, p: float) -> None:
    """`filters._until`, in place on one row."""
    before = 0.0
    for i in range(len(order)):
        v = order[i]
        share = np.exp(logp[v])
        if before >= p:
            logp[v] = -np.inf
        before += share
    _normalise(logp)


@njit(nogil=True, cache=True)
def _filter(logp: Array, temp: float, settings: tuple[Any, ...]) -> None:
    """The filters of `filters.apply` from the temperature on, in place on one row."""
    top_k, top_p, min_p, typical, _, _, _ = settings
    V = len(logp)
    if temp == 0:
        v = np.argmax(logp)
        logp[:] = -np.inf
        logp[v] = 0
    elif temp != 1:
        top = logp.max()
        for v in range(V):
            logp[v] = (logp[v] - top) / temp
        _normalise(logp)
    if 0 < top_k < V:
        order = np.argsort(-logp, kind="mergesort")
        for i in range(top_k, V):
            logp[order[i]] = -np.inf
        _normalise(logp)
    if top_p < 1:
        _until(logp, np.argsort(-logp, kind="mergesort"), top_p)
    if min_p > 0:
        least = logp.max() + np.log(min_p)
        for v in range(V):
            if logp[v] < least:
                logp[v] = -np.inf
        _normalise(logp)
    if typical < 1:
        entropy = 0.0
        for v in range(V):
            if logp[v] > -np.inf:
                entropy -= np.exp(logp[v]) * logp[v]
        distance = np.empty(V)
        for v in range(V):
            distance[v] = np.abs(-logp[v] - entropy)
        _until(logp, np.argsort(distance, kind="mergesort"), typical)


@njit(nogil=True, cache=True)
def _choose(logp: Array, u: float) -> int:
    """`sampling.choose`, for one row."""
    total = 0.0
    for v in range(len(logp)):
        total += np.exp(logp[v])
    goal = min(u * total, np.nextafter(total, 0.0))
    upto = 0.0
    for v in range(len(logp)):
        upto += np.exp(logp[v])
        if upto > goal:
            return v
    return len(logp) - 1
