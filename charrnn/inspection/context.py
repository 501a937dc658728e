"""The context: how far back a model's predictions depend on the text, and what its gates do.

Three measurements. The gradient: how much the loss at a character changes with the state k characters before, which is
what learning across k characters has to work with; it shrinks with every step back (S. Hochreiter, 1991; Y. Bengio, P.
Simard, P. Frasconi, 1994). The loss by length: how well a model predicts a character when it has read only the n
before it. The gates: how often each is closed or open (A. Karpathy, J. Johnson, L. Fei-Fei, 2016).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.errors import CheckpointError, CorpusError, counted
from charrnn.inspection.trace import Text, trace
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.resources.blas import limit
from charrnn.types import Array, Ids, Indices

MAX_LAG = 256
"""The most characters back to which gradients are computed; a context has at most twice as many."""
GRADIENT_TARGETS, LOSS_TARGETS = 64, 256
"""The characters of the text whose gradients, and whose losses, are averaged."""
CONTEXTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
"""The lengths of context that are measured."""
CLOSED_BELOW, OPEN_ABOVE = 0.1, 0.9
"""The values below which a gate is closed, and above which it is open."""
SHARES = (0.1, 0.01, 1e-4)
"""The shares of the gradient one step back whose k is reported."""


@blas.limit()
def context(model: Model, text: str) -> dict[str, Any]:
    """How far back the predictions depend on a text, as plain data; for a model of bytes, in bytes.

    `gradient`: for each k the norm of ∂loss_t/∂h_{t-k} over all layers, in nats, averaged over characters t of the
    text; and the k from which it stays `below` each of `SHARES` of that at k = 1, or None if that is farther back than
    was measured. `loss_by_length`: for each n the mean loss, in nats, at characters of which the model has read only
    the n before. `targets`: the number of characters that are averaged. `gates`: for each layer and gate the
    share of steps in which it is closed (below 0.1) and open (above 0.9), of each unit. The largest k and n are half of
    the text at most; for a model of lines, what a tenth of the characters have before them in their line. Raises
    `CorpusError` for a text that is too short, and `CheckpointError` for a model with infinite losses or gradients:
    nothing bounds those of ReLU.
    """
    read = Text(model, text)
    before = _ids_before(read)
    if _max_lag(read, before, MAX_LAG) < 1:
        raise CorpusError("this text is too short to measure the context: give a longer one")
    with limit(), np.errstate(all="ignore"):  # what is NaN or infinite is found below
        gradient, loss_by_length = _gradient(read, before), _loss_by_length(read, before)
    if not np.isfinite(gradient["norm"] + loss_by_length["loss"]).all():
        raise CheckpointError("the model's losses or gradients are NaN or infinite: its weights are too large")
    return {
        "unit": model.vocabulary.unit,
        "read": len(read.ids),
        "gradient": gradient,
        "loss_by_length": loss_by_length,
        "gates": _gates(read),
    }


def unit_names(found: Iterable[dict[str, Any]]) -> str:
    """The units of the data of several models: characters, bytes, or both."""
    return " or ".join(dict.fromkeys(f"{data['unit']}s" for data in found))


def place_numbers(numbers: Iterable[int]) -> str:
    """Over how many places the curves of several models are averaged."""
    *others, last = dict.fromkeys(numbers)
    return "".join(f"{n:,} or " for n in others) + counted(last, "places")


def gradient_norms(read: Text, ends: Indices, before: Indices, max_lag: int) -> Array:
    """The norms [K, B] of ∂loss_t/∂h_{t-k} at the characters t in `ends` [B], over the h of all layers, for k from 1 to
    `max_lag`.

    `before` [N] is the number of ids from which each can be predicted. The state `max_lag` ids before has read all
    those before it, or `MAX_LAG` of them.
    """
    model, ids, places = read.model, read.ids, ends - max_lag
    state = _state(model, ids, places, before[places], MAX_LAG)
    inputs = ids[places + np.arange(max_lag)[:, None]]
    return model.language_model.state_gradient_norms(model.params, inputs, ids[ends], state)


def _state(model: Model, ids: Ids, places: Indices, before: Indices, limit: int) -> Array:
    """The state [L, S, B, H] at some places [B], after the `before` [B] ids that precede each, but at most `limit`."""
    state = model.zero_state(len(places))
    for n in np.unique(before):
        (rows,) = np.nonzero(before == n)
        inputs = ids.take(places[rows] + np.arange(-min(n + 1, limit), 0)[:, None], mode="clip")
        if n < limit:
            inputs[0] = model.start  # the text, or the line, begins here
        state[:, :, rows] = _read(model, inputs, model.zero_state(len(rows)))[1]
    return state


def _read(model: Model, inputs: Ids, state: Array) -> tuple[Array, Array]:
    """The logits [B, V] and the state after reading the ids [T, B]."""
    workspace, (n, B) = Workspace(), inputs.shape
    T = max(1, CHARS_PER_READ // B)
    for t in range(0, n, T):
        logits, state = model.forward(inputs[t : t + T], state, workspace)
    return logits[-1], state


def _ids_before(read: Text) -> Indices:
    """The number of ids before each, in the same text or line [N]: it can be predicted from these."""
    n = np.arange(len(read.ids))
    if not read.model.reads_lines:
        return n
    ends = read.ids == read.model.start
    begins = np.maximum.accumulate(np.where(np.concatenate(([False], ends[:-1])), n, 0))
    return n - begins


def _max_lag(read: Text, before: Indices, limit: int) -> int:
    """The largest lag with enough characters that have so many ids before them."""
    return min(limit, int(np.quantile(before, 0.9)) if read.model.reads_lines else len(before) // 2)


def _targets(before: Indices, min_before: int, limit: int) -> Indices:
    """At most `limit` places with at least `min_before` ids before them, spread evenly over the text."""
    fit = np.flatnonzero(before >= min_before)
    return fit[np.linspace(0, len(fit) - 1, min(limit, len(fit))).astype(np.intp)]


def _lags(stop: int) -> list[int]:
    """From 1 to `stop`, each a quarter larger than the one before, and by at least 1."""
    lags = [1]
    while lags[-1] < stop:
        lags.append(min(max(lags[-1] + 1, lags[-1] * 5 // 4), stop))
    return lags


def _gradient(read: Text, before: Indices) -> dict[str, Any]:
    """The part `gradient` of `context`; all k are measured at the same characters."""
    max_lag = _max_lag(read, before, MAX_LAG)
    ends = _targets(before, max_lag, GRADIENT_TARGETS)
    norms, lags = gradient_norms(read, ends, before, max_lag).mean(axis=1), _lags(max_lag)
    below = {f"{share:g}": _below_from(norms, share * norms[0]) for share in SHARES}
    return {"k": lags, "norm": [float(norms[k - 1]) for k in lags], "below": below, "targets": len(ends)}


def _below_from(norms: Array, limit: float) -> int | None:
    """The k, from 1, from which the norms [K] stay below a limit; None if the last one does not."""
    (others,) = np.nonzero(~(norms < limit))
    k = int(others[-1]) + 2 if len(others) else 1
    return k if k <= len(norms) else None


def _loss_by_length(read: Text, before: Indices) -> dict[str, Any]:
    """The part `loss_by_length` of `context`; all n are measured at the same characters."""
    model, ids = read.model, read.ids
    longest = _max_lag(read, before, 2 * MAX_LAG)
    targets = _targets(before, longest, LOSS_TARGETS)
    lengths = [n for n in CONTEXTS if n < longest] + [longest]
    losses = []
    for n in lengths:
        logits, _ = _read(model, ids[targets + np.arange(-n, 0)[:, None]], model.zero_state(len(targets)))
        losses.append(float(model.engine.softmax.token_nll(logits, ids[targets]).mean(dtype=np.float64)))
    return {"n": lengths, "loss": losses, "targets": len(targets)}


def _gates(read: Text) -> list[dict[str, Any]]:
    """The part `gates` of `context`: for each layer and gate the units' shares of steps [H]."""
    config, steps = read.model.config, 0
    closed: dict[tuple[int, str], Array] = {}
    opened: dict[tuple[int, str], Array] = {}
    for piece in trace(read):
        steps += int(piece.read.sum())
        for layer, gates in enumerate(piece.gates):
            for name, gate in gates.items():
                zero, values = np.zeros(config.hidden_size), gate[piece.read]
                closed[layer, name] = closed.get((layer, name), zero) + (values < CLOSED_BELOW).sum(axis=0)
                opened[layer, name] = opened.get((layer, name), zero) + (values > OPEN_ABOVE).sum(axis=0)
    return [
        {"layer": layer, "gate": name, "closed": (closed[layer, name] / steps).tolist()}
        | {"open": (opened[layer, name] / steps).tolist()}
        for layer, name in closed
    ]
