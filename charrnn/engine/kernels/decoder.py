"""The compiled decoder: draws many characters with no Python between them, from the look-up to the draw.

The reference implementation is `sampling.decoder`, with the functions of `sampling.filters`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from charrnn.engine.kernels import gru, lstm, partner, rnn
from charrnn.engine.kernels.draw import draw
from charrnn.engine.kernels.filters import settings_of
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.narrow import Packed, layer_of, multiply, multiply_part, pack_weights, stack
from charrnn.engine.kernels.ngrams import mix, packed
from charrnn.engine.kernels.simd import copy
from charrnn.engine.threads import Threads, row_shards
from charrnn.layers.workspace import aligned_zeros
from charrnn.types import Array, Ids, Mask, Params

CELLS = ("rnn", "rnn_relu", "gru", "lstm")
RNN, RNN_RELU, GRU, LSTM = range(4)
N_SETTINGS = 7
"""The numbers of `sampling.filters.settings`."""
MIN_ROWS_PER_THREAD = 8
"""The fewest rows for which a thread of their own pays."""
MIN_SHARED_WEIGHTS = 1 << 18
"""The fewest weights of a product that is shared with a partner."""


class Decoder:
    """A model's packed weights and the states of B texts, which advance as characters are drawn; a shard per thread."""

    def __init__(
        self,
        cell: str,
        params: Params,
        state: Array,
        threads: int = 1,
        precision: str = "float32",
        ngrams: Any = None,
    ):
        """Starts from `state` [L, S, B, H]; uses at most `threads` threads. The precision is that of the weights.

        Predictions are mixed with those of a table of n-grams, if there is one: see `model.ngrams.NgramTable`.
        """
        self.ngrams = packed(ngrams)
        L, _, _, H = state.shape
        self.cell = CELLS.index(cell)

        def weights(name: str, b: Array | None, first: int = 0) -> Packed:
            return pack_weights(params[name], precision, b, first)

        W_hh = stack([weights(f"W_hh{layer}", params.get(f"b_hn{layer}"), 2 * H) for layer in range(L)])
        # The first layer looks its input up: the others are numbered from 0
        W_ih = stack([weights(f"W_ih{layer}", params[f"b{layer}"]) for layer in range(1, L)]) if L > 1 else W_hh
        self.weights = (
            np.ascontiguousarray(params["W_ih0"] + params["b0"]),
            W_hh,
            W_ih,
            weights("W_out", params["b_out"]),
        )
        self.V = len(params["b_out"])
        self.can_share = threads > 1 and H * self.weights[0].shape[1] >= MIN_SHARED_WEIGHTS
        self.threads = Threads(threads)
        self.most_shards = threads
        self.set_state(state)

    def set_state(self, state: Array) -> None:
        """Goes on with other texts, whose states are [L, S, B, H]."""
        B = state.shape[2]
        self.shards = row_shards(B, max(1, min(self.most_shards, B // MIN_ROWS_PER_THREAD)))
        self.states = [state[:, :, rows].copy() for rows in self.shards]
        self.buffers = [self._step_buffers(s.shape[2]) for s in self.states]
        self.partnership = partner.Partnership(self.threads)

    def _step_buffers(self, B: int) -> tuple[Array, ...]:
        """What every step of a shard overwrites: projected inputs, products with W_hh, scratch values, and logits."""
        table, (_, b_hh, *_), _, (_, b_out, *_) = self.weights
        widths = (table.shape[1], b_hh.shape[-1], self.states[0].shape[-1], b_out.shape[-1])
        return tuple(aligned_zeros((B, width), table.dtype) for width in widths)

    @property
    def state(self) -> Array:
        """The state [L, S, B, H] of the texts, before the last character drawn."""
        return np.concatenate(self.states, axis=2)

    def run(
        self,
        context: Ids,
        u: Array,
        temps: Sequence[float] | Array,
        settings: Sequence[float] | Sequence[Sequence[float]],
        mask: Mask | None = None,
        recent: Ids | None = None,
        contexts: Ids | None = None,
    ) -> tuple[Ids, Array]:
        """Draws one character for each of the random numbers u [N, B], after the characters `context` [B].

        `temps` are N temperatures or, for each text its own, [N, B]; `settings` the result of `filters.settings`, or
        that for each text. `mask` and `recent` are as in `filters.apply`. `contexts` [B, K] are those of the n-grams,
        the latest character first. Returns ids [N, B] and the model's own log-probabilities of them [N, B].
        """
        N, B = u.shape
        masks = np.empty((0, self.V), bool) if mask is None else np.array(np.broadcast_to(mask, (B, self.V)))
        lookback = 0 if recent is None else recent.shape[1]
        text = np.empty((B, lookback + N), np.int64)
        if recent is not None:
            text[:, :lookback] = recent
        last, temperatures = context.astype(np.int64), np.broadcast_to(np.reshape(temps, (N, -1)), (N, B))
        all_settings = np.broadcast_to(np.array(settings, float), (B, N_SETTINGS))
        before = np.zeros((B, 0), np.int64) if contexts is None else contexts.copy()

        def draw_rows(
            rows: slice, state: Array, buffers: tuple[Array, ...], board: Array, is_partner: bool
        ) -> tuple[Array, Array]:
            steps = slice(0 if is_partner else N)  # a partner draws nothing
            shard_u = np.ascontiguousarray(u[steps, rows])
            ids, logps = np.empty(shard_u.shape, np.int64), np.empty(shard_u.shape)
            _run(
                self.cell,
                self.weights,
                state,
                buffers,
                last[rows],
                self.ngrams,
                before[rows],
                shard_u,
                np.array(temperatures[steps, rows], float, order="C"),
                np.array(all_settings[rows]),
                masks[rows],
                text[rows],
                ids,
                logps,
                board,
                is_partner,
            )
            return ids, logps

        shards = self.shards, self.states, self.buffers
        if B == 1 and self.can_share:
            (shard,) = zip(*shards, strict=True)
            drawn = [self.partnership.run(partial(draw_rows, *shard), N)]
        else:
            drawn = self.threads.map(partial(draw_rows, board=partner.NO_BOARD, is_partner=False), *shards)
        ids: Ids = np.concatenate([ids for ids, _ in drawn], axis=1, dtype=context.dtype, casting="unsafe")
        return ids, np.concatenate([logps for _, logps in drawn], axis=1)


@kernel
def _run(
    cell: int,
    weights: tuple[Any, ...],
    state: Array,
    buffers: tuple[Array, ...],
    context: Ids,
    ngrams: tuple[Any, ...],
    contexts: Ids,
    u: Array,
    temps: Array,
    settings: Array,
    masks: Mask,
    text: Ids,
    ids: Ids,
    logps: Array,
    board: Array,
    is_partner: bool,
) -> None:
    """`Decoder.run` for a shard. No `masks` [0, V] or `recent` characters in `text` [B, lookback + N]: no such filter.

    temps [N, B]; settings [B, N_SETTINGS]. No `contexts` [B, 0]: no table. Overwrites state, context, contexts, the
    last N columns of text, ids and logps. A partner computes parts of products, until the board says that all is drawn.
    """
    if is_partner:
        part = partner.next_part(board)
        while part != partner.CLOSED:
            a, W, columns, c = _operands(board[partner.JOB] // 2, weights, state, buffers)
            multiply_part(a, W, columns, c, board[partner.JOB] % 2, part % partner.PARTS, partner.PARTS)
            board[partner.HELPED] += 1
            partner.finish(board)
            part = partner.next_part(board)
        return
    table = weights[0]
    x, hW, scratch, logits = buffers
    N, B = u.shape
    lookback = text.shape[1] - N
    GH, V = table.shape[1], masks.shape[1]
    K = contexts.shape[1]
    path = np.empty(K + 1, np.int64)
    row_buffers = np.empty(V), np.empty(V), np.empty(V, table.dtype), np.empty(V, table.dtype), np.empty(V, np.int64)
    for n in range(N):
        for layer in range(len(state)):
            if layer == 0:
                for row in range(B):
                    copy(GH, (x,), (row * GH,), (table,), (context[row] * GH,))
            else:
                _multiply(2 * layer, weights, state, buffers, n, board)
                for row in range(B):
                    copy(GH, (x,), (row * GH,), (hW,), (row * hW.shape[1],))
            _multiply(2 * layer + 1, weights, state, buffers, n, board)
            if cell == LSTM:
                lstm.step_in_place(x, hW, state[layer], scratch)
            elif cell == GRU:
                gru.step_in_place(x, hW, state[layer], scratch)
            else:
                rnn.step_in_place(x, hW, state[layer], cell == RNN_RELU)
        _multiply(2 * len(state), weights, state, buffers, n, board)
        for row in range(B):
            recent = text[row, n : n + lookback]
            if K:
                mix(logits[row, :V], ngrams, contexts[row], row_buffers[0], path)
            of_row = settings_of(settings, row)
            v, logp = draw(logits[row, :V], temps[n, row], u[n, row], of_row, masks, row, recent, row_buffers)
            ids[n, row] = context[row] = text[row, lookback + n] = v
            logps[n, row] = logp
            for k in range(K - 1, 0, -1):
                contexts[row, k] = contexts[row, k - 1]
            if K:
                contexts[row, 0] = v


@kernel
def _operands(job: int, weights: tuple[Any, ...], state: Array, buffers: tuple[Array, ...]) -> Any:
    """The factors of a product of a step, the columns of the second one, and where the result goes.

    The products with W_ih and W_hh of layer l are 2l and 2l + 1; the last one has the logits.
    """
    table, W_hh, W_ih, W_out = weights
    _, hW, _, logits = buffers
    layer, is_hidden = job // 2, job % 2
    if layer == len(state):
        return state[layer - 1, 0], W_out, len(table), logits
    if is_hidden:
        return state[layer, 0], layer_of(W_hh, layer), table.shape[1], hW
    return state[layer - 1, 0], layer_of(W_ih, layer - 1), table.shape[1], hW


@kernel
def _multiply(
    job: int, weights: tuple[Any, ...], state: Array, buffers: tuple[Array, ...], turn: int, board: Array
) -> None:
    """One of the products of a step (see `_operands`), with the partner if there is one and that pays."""
    a, W, N, c = _operands(job, weights, state, buffers)
    if not partner.is_shared(board) or a.shape[1] * N < MIN_SHARED_WEIGHTS:
        multiply(a, W, N, c, turn)
        return
    partner.post(board, partner.PARTS, 2 * job + turn % 2)
    part = partner.take(board)
    while part != partner.NONE:
        multiply_part(a, W, N, c, turn, part % partner.PARTS, partner.PARTS)
        partner.finish(board)
        part = partner.take(board)
    partner.wait(board)
