"""The compiled sampler: runs of characters with no Python between them, from the look-up to the draw.

What it computes is what `drawing` computes with the functions of `filters`, which are the ones to read.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from charrnn.engine.kernels import gru, lstm, rnn
from charrnn.engine.kernels.matmul import bias, pack, packed_matmul
from charrnn.engine.kernels.simd import copy, exponentials
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Ids, Params

RNN, GRU, LSTM = range(3)
MIN_ROWS_PER_THREAD = 8
"""Rows that are not worth a thread of their own."""


class Decoder:
    """A model's weights, packed, and B states that move on as characters are drawn: some rows in each thread."""

    def __init__(self, cell: str, params: Params, state: Array, threads: int = 1):
        """`state` [L, S, B, H] is where the samples begin."""
        L, _, B, H = state.shape
        self.cell = {"rnn": RNN, "gru": GRU, "lstm": LSTM}[cell]

        def packed(names: list[str]) -> Array:
            return np.stack([pack(params[name], Workspace()) for name in names])

        layers = range(L)
        W_hh = packed([f"W_hh{layer}" for layer in layers])
        # The first layer looks its input up: where the others have a product, it has a place that is never read
        W_ih = packed([f"W_ih{max(layer, 1)}" for layer in layers]) if L > 1 else W_hh[:, :0]
        W_out = pack(params["W_out"], Workspace())
        self.weights = (
            np.ascontiguousarray(params["W_ih0"] + params["b0"]),
            W_hh,
            np.stack([bias(W_hh[0], Workspace(), params.get(f"b_hn{layer}"), 2 * H) for layer in layers]),
            W_ih,
            np.stack([bias(W_hh[0], Workspace(), params[f"b{layer}"]) for layer in layers]),
            W_out,
            bias(W_out, Workspace(), params["b_out"]),
        )
        self.V = len(params["b_out"])
        n = max(1, min(threads, B // MIN_ROWS_PER_THREAD))
        self.shards = [slice(a, b) for a, b in itertools.pairwise(B * k // n for k in range(n + 1))]
        self.states = [state[:, :, rows].copy() for rows in self.shards]
        self.rooms = [self._room(s.shape[2]) for s in self.states]
        self.pool = ThreadPoolExecutor(n) if n > 1 else None

    def _room(self, B: int) -> tuple[Array, ...]:
        """What a thread overwrites at every step: inputs, sums of the gates, what a step has to spare, and logits."""
        table, W_hh, b_hh, _, _, _, b_out = self.weights
        sizes = (table.shape[1], b_hh.shape[-1], W_hh.shape[2], b_out.shape[-1])
        return tuple(np.zeros((B, size), table.dtype) for size in sizes)

    @property
    def state(self) -> Array:
        """Where the samples are [L, S, B, H]."""
        return np.concatenate(self.states, axis=2)

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
        masks = np.empty((0, self.V), bool) if mask is None else np.array(np.broadcast_to(mask, (B, self.V)))
        W = 0 if recent is None else recent.shape[1]
        text = np.empty((B, W + N), np.int64)
        if recent is not None:
            text[:, :W] = recent
        last, temperatures = context.astype(np.int64), np.array(temps, float)

        def draw(rows: slice, state: Array, room: tuple[Array, ...]) -> tuple[Array, Array]:
            own = np.ascontiguousarray(u[:, rows])
            ids, logps = np.empty(own.shape, np.int64), np.empty(own.shape)
            _run(
                self.cell,
                self.weights,
                state,
                room,
                last[rows],
                own,
                temperatures,
                settings,
                masks[rows],
                text[rows],
                ids,
                logps,
            )
            return ids, logps

        through = self.pool.map if self.pool else map
        drawn = list(through(draw, self.shards, self.states, self.rooms))
        ids: Ids = np.concatenate([ids for ids, _ in drawn], axis=1, dtype=context.dtype, casting="unsafe")
        return ids, np.concatenate([logps for _, logps in drawn], axis=1)


@njit(nogil=True, cache=True)
def _run(
    cell: int,
    weights: tuple[Array, ...],
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
    table, W_hh, b_hh, W_ih, b_ih, W_out, b_out = weights
    x, a, spare, logits = room
    N, B = u.shape
    before = text.shape[1] - N
    GH, V = table.shape[1], masks.shape[1]
    spares = np.empty(V), np.empty(V), np.empty(V, table.dtype), np.empty(V, table.dtype), np.empty(V, np.int64)
    for n in range(N):
        for layer in range(len(state)):
            if layer == 0:
                for row in range(B):
                    copy(GH, (x,), (row * GH,), (table,), (context[row] * GH,))
            else:
                packed_matmul(state[layer - 1, 0], W_ih[layer], GH, b_ih[layer], a)
                for row in range(B):
                    copy(GH, (x,), (row * GH,), (a,), (row * a.shape[1],))
            if cell == LSTM:
                lstm.step(x, W_hh[layer], b_hh[layer], state[layer], a, spare)
            elif cell == GRU:
                gru.step(x, W_hh[layer], b_hh[layer], state[layer], a, spare)
            else:
                rnn.step(x, W_hh[layer], b_hh[layer], state[layer], a, spare)
        packed_matmul(state[-1, 0], W_out, V, b_out, logits)
        for row in range(B):
            recent = text[row, n : n + before]
            v, logp = _draw(logits[row, :V], temps[n], u[n, row], settings, masks, row, recent, spares)
            ids[n, row] = context[row] = text[row, before + n] = v
            logps[n, row] = logp


@njit(nogil=True, cache=True)
def _draw(
    y: Array,
    temp: float,
    u: float,
    settings: tuple[Any, ...],
    masks: NDArray[np.bool_],
    row: int,
    recent: Ids,
    spares: tuple[Array, ...],
) -> tuple[int, float]:
    """Draws a character after logits y [V]: its id, and the model's own log-probability of it."""
    logp, upto, shifted, weight, lengths = spares
    V = len(y)
    top = y[0]
    for v in range(1, V):
        top = max(top, y[v])
    norm = np.log(_sum_up(y, top, 1.0, shifted, weight, upto))
    if len(masks) or len(recent) or _narrows(settings, V):
        for v in range(V):
            logp[v] = y[v] - top - norm
        if len(masks):
            _apply_mask(logp, masks[row])
        if len(recent):
            _loop_penalty(logp, recent, settings, lengths)
        _filter(logp, temp, settings)
        total = 0.0
        for v in range(V):
            total += np.exp(logp[v])
            upto[v] = total
    elif temp == 0:
        v = np.argmax(y)
        return v, y[v] - top - norm
    elif temp != 1:
        _sum_up(y, top, temp, shifted, weight, upto)
    v = _sample_categorical(upto, u)
    return v, y[v] - top - norm


@njit(nogil=True, cache=True)
def _narrows(settings: tuple[Any, ...], V: int) -> bool:
    """Whether anything comes after the temperature."""
    top_k, top_p, min_p, typical, _, _, _ = settings
    return bool(0 < top_k < V or top_p < 1 or min_p > 0 or typical < 1)


@njit(nogil=True, cache=True)
def _sum_up(logits: Array, top: float, temp: float, shifted: Array, weight: Array, upto: Array) -> float:
    """Sums exp((y - top) / temp) for the logits y: upto[v] are the sums up to v; the last of them is returned."""
    V = len(upto)
    for v in range(V):
        shifted[v] = (logits[v] - top) / temp
    exponentials(V, (weight,), (0,), (shifted,), (0,))
    total = 0.0
    for v in range(V):
        total += weight[v]
        upto[v] = total
    return total


@njit(nogil=True, cache=True)
def _normalise(logp: Array) -> None:
    """`softmax.log_softmax`, in place."""
    top = logp.max()
    total = 0.0
    for v in range(len(logp)):
        total += np.exp(logp[v] - top)
    logp -= top + np.log(total)


@njit(nogil=True, cache=True)
def _apply_mask(logp: Array, mask: NDArray[np.bool_]) -> None:
    """`filters.only`, in place on one row."""
    for v in range(len(logp)):
        if not mask[v]:
            logp[v] = -np.inf
    _normalise(logp)


@njit(nogil=True, cache=True)
def _loop_penalty(logp: Array, recent: Ids, settings: tuple[Any, ...], lengths: Ids) -> None:
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
def _keep_mass(logp: Array, order: Ids, p: float) -> None:
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
        _keep_mass(logp, np.argsort(-logp, kind="mergesort"), top_p)
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
        _keep_mass(logp, np.argsort(distance, kind="mergesort"), typical)


@njit(nogil=True, cache=True)
def _sample_categorical(upto: Array, u: float) -> int:
    """`drawing.choose`, for the sums [V] of one row."""
    total = upto[-1]
    goal = min(u * total, np.nextafter(total, 0.0))
    for v in range(len(upto)):
        if upto[v] > goal:
            return v
    return len(upto) - 1
