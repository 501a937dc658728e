"""The compiled sampler: runs of characters with no Python between them, from the look-up to the draw.

What it computes is what `sampling` computes with the functions of `filters`, which are the ones to read.
"""

from typing import Any

import numpy as np
from numba import njit

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

    def run(self, context: Ids, u: Array, temp: float, top_k: int, top_p: float, min_p: float) -> tuple[Ids, Array]:
        """Draws a character for each of the random numbers u [N, B] after the characters `context` [B].

        Returns ids [N, B] and the model's own log-probabilities of them [N, B].
        """
        ids, logps = np.empty(u.shape, np.int64), np.empty(u.shape)
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
            (float(temp), int(top_k), float(top_p), float(min_p)),
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
    filters: tuple[Any, ...],
    ids: Ids,
    logps: Array,
) -> None:
    x, a, spare, logits = room
    N, B = u.shape
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
            _filter(logp, filters)
            v = _choose(logp, u[n, row])
            ids[n, row] = context[row] = v
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
def _filter(logp: Array, filters: tuple[Any, ...]) -> None:
    """`filters.apply`, in place on one row."""
    temp, top_k, top_p, min_p = filters
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
        order = np.argsort(-logp, kind="mergesort")
        before = 0.0
        for i in range(V):
            v = order[i]
            share = np.exp(logp[v])
            if before >= top_p:
                logp[v] = -np.inf
            before += share
        _normalise(logp)
    if min_p > 0:
        least = logp.max() + np.log(min_p)
        for v in range(V):
            if logp[v] < least:
                logp[v] = -np.inf
        _normalise(logp)


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
