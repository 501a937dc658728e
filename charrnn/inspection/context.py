"""The remembrance: how far back a network's predictions reach, and what its gates do.

Three looks at the same thing. The gradient: how much the loss of a character would change with the state k characters
before, which is what learning across k characters has to work with. It shrinks with every step that it goes back (S.
Hochreiter, 1991; Y. Bengio, P. Simard, P. Frasconi, 1994). The context: how well a character is predicted by a network
that has read only the n before it. The gates: how often each is shut or open (A. Karpathy, J. Johnson, L. Fei-Fei,
2016).
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.errors import CorpusError
from charrnn.inspection.trace import Indices, Text, trace
from charrnn.layers.workspace import Workspace
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.types import Array, Ids

MAX_LAG = 256
"""Characters back to which gradients are followed; a context has up to twice as many."""
GRADIENT_TARGETS, LOSS_TARGETS = 64, 256
"""Characters of the text whose gradients, and whose losses, are averaged."""
CONTEXTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
"""Characters of context that are tried."""
CLOSED_BELOW, OPEN_ABOVE = 0.1, 0.9
"""A gate below the one is saturated left, above the other right."""
SHARES = (0.1, 0.01)
"""Of the gradient a single step back."""


def context(model: Model, text: str) -> dict[str, Any]:
    """How far back the model remembers while it reads a text, as plain data; for a model of bytes, in bytes.

    `gradient`: for each k the norm of ∂loss_t/∂h_{t-k}, over all layers, in nats, averaged over characters t of the
    text; and the k from which on it is less than a tenth, and a hundredth, of what it is at k = 1, or None where that
    is farther than was followed. `context`: for each n the mean loss, in nats, of characters of which the model has
    read only the n before. `gates`: of each layer and gate the share of steps in which each unit's is shut and open,
    below 0.1 and above 0.9. Back goes as far as half of the text is, or as a tenth of the characters of records have
    others before them. Raises `CorpusError` for a text that is too short.
    """
    read = Text(model, text)
    before = _before(read)
    if _farthest(read, before, MAX_LAG) < 1:
        raise CorpusError("this text is too short to look back in: give a longer one")
    return {
        "unit": "byte" if model.vocabulary.is_bytes else "character",
        "read": len(read.ids),
        "gradient": _gradient(read, before),
        "context": _loss_by_context(read, before),
        "gates": _gates(read),
    }


def units_of(told: Iterable[dict[str, Any]]) -> str:
    """What some models read that `context` has told of: characters, bytes, or both."""
    return " or ".join(dict.fromkeys(f"{data['unit']}s" for data in told))


def gradient_norms(read: Text, ends: Indices, before: Indices, farthest: int) -> Callable[[int], Array]:
    """|∂loss_t/∂h_{t-k}| of the characters t at `ends` [B], over the h of all layers together, in nats [B], for a k.

    `before` [N] says how many ids each can be predicted from; no k is above `farthest`, and in front of that the state
    has read all, or `MAX_LAG` of them.
    """
    model, ids, places = read.model, read.ids, ends - farthest
    states = {farthest: _state(model, ids, places, before[places], MAX_LAG)}

    def norms(k: int) -> Array:
        if k not in states:
            nearest = min(n for n in states if n > k)
            states[k] = _read(model, ids[ends - nearest + np.arange(nearest - k)[:, None]], states[nearest])[1]
        inputs = ids[ends - k + np.arange(k)[:, None]]
        d_state = network.state_gradient(model.params, inputs, ids[ends], states[k], model.config, model.engine)
        found: Array = np.sqrt(np.square(d_state[:, 0].astype(np.float64)).sum(axis=(0, 2)))
        return found

    return norms


def _state(model: Model, ids: Ids, places: Indices, before: Indices, most: int) -> Array:
    """The state [L, S, B, H] in front of some places [B], after so many ids [B] that stand before, or after `most`."""
    state = model.zero_state(len(places))
    for n in np.unique(before):
        (rows,) = np.nonzero(before == n)
        inputs = ids.take(places[rows] + np.arange(-min(n + 1, most), 0)[:, None], mode="clip")
        if n < most:
            inputs[0] = model.vocabulary.start  # nothing but the beginning stands before these
        state[:, :, rows] = _read(model, inputs, model.zero_state(len(rows)))[1]
    return state


def _read(model: Model, inputs: Ids, state: Array) -> tuple[Array, Array]:
    """Reads the ids [T, B] after a state: the logits [B, V] at their end, and the state then."""
    workspace, (n, B) = Workspace(), inputs.shape
    T = max(1, CHARS_PER_READ // B)
    for t in range(0, n, T):
        logits, state = model.forward(inputs[t : t + T], state, workspace)
    return logits[-1], state


def _before(read: Text) -> Indices:
    """How many ids stand before each, in the same text or record [N]: these it can be predicted from."""
    n = np.arange(len(read.ids))
    if read.model.line_set is None:
        return n
    ends = read.ids == read.model.vocabulary.start
    begins = np.maximum.accumulate(np.where(np.concatenate(([False], ends[:-1])), n, 0))
    return n - begins


def _farthest(read: Text, before: Indices, most: int) -> int:
    """How far back is looked: so far that there are characters enough to look back from."""
    return min(most, len(before) // 2 if read.model.line_set is None else int(np.quantile(before, 0.9)))


def _chosen(before: Indices, least: int, most: int) -> Indices:
    """So many places at most with so much before them, evenly over the text."""
    fit = np.flatnonzero(before >= least)
    return fit[np.linspace(0, len(fit) - 1, min(most, len(fit))).astype(np.intp)]


def _steps(most: int) -> list[int]:
    """From 1 to `most`, each a quarter more than the one before, but at least one more."""
    steps = [1]
    while steps[-1] < most:
        steps.append(min(max(steps[-1] + 1, steps[-1] * 5 // 4), most))
    return steps


def _gradient(read: Text, before: Indices) -> dict[str, Any]:
    """`context` of the gradient; all k are for the same characters."""
    farthest = _farthest(read, before, MAX_LAG)
    ends = _chosen(before, farthest, GRADIENT_TARGETS)

    norms = gradient_norms(read, ends, before, farthest)

    @cache
    def norm(k: int) -> float:
        return float(norms(k).mean())

    def falls_below(share: float) -> int | None:
        return _since(lambda k: norm(k) < share * norm(1), steps)

    steps = _steps(farthest)
    found = {k: norm(k) for k in reversed(steps)}  # the farthest first: from there a state is read on to the next
    falls = {f"{share:g}": falls_below(share) for share in SHARES}
    return {"k": steps, "norm": [found[k] for k in steps], "below": falls, "over": len(ends)}


def _since(holds: Callable[[int], bool], steps: list[int]) -> int | None:
    """The number, of the steps or between two of them, from which on something holds for good; None where none is."""
    last = next((n for n in reversed(range(len(steps))) if not holds(steps[n])), None)
    if last is None:
        return steps[0]
    if last + 1 == len(steps):
        return None
    no, yes = steps[last], steps[last + 1]
    while yes - no > 1:
        middle = (no + yes) // 2
        no, yes = (no, middle) if holds(middle) else (middle, yes)
    return yes


def _loss_by_context(read: Text, before: Indices) -> dict[str, Any]:
    """`context` of the context; all n are for the same characters."""
    model, ids = read.model, read.ids
    farthest = _farthest(read, before, 2 * MAX_LAG)
    targets = _chosen(before, farthest, LOSS_TARGETS)
    counts = [n for n in CONTEXTS if n < farthest] + [farthest]
    losses = []
    for n in counts:
        logits, _ = _read(model, ids[targets + np.arange(-n, 0)[:, None]], model.zero_state(len(targets)))
        losses.append(float(model.engine.softmax.token_nll(logits, ids[targets]).mean(dtype=np.float64)))
    return {"n": counts, "loss": losses, "over": len(targets)}


def _gates(read: Text) -> list[dict[str, Any]]:
    """`context` of the gates, a row for each layer and gate: units' shares of steps [H]."""
    config, steps = read.model.config, 0
    shut: dict[tuple[int, str], Array] = {}
    opened: dict[tuple[int, str], Array] = {}
    for piece in trace(read):
        steps += int(piece.read.sum())
        for layer, gates in enumerate(piece.gates):
            for name, gate in gates.items():
                zero, values = np.zeros(config.hidden_size), gate[piece.read]
                shut[layer, name] = shut.get((layer, name), zero) + (values < CLOSED_BELOW).sum(axis=0)
                opened[layer, name] = opened.get((layer, name), zero) + (values > OPEN_ABOVE).sum(axis=0)
    return [
        {"layer": layer, "gate": name, "shut": (shut[layer, name] / steps).tolist()}
        | {"open": (opened[layer, name] / steps).tolist()}
        for layer, name in shut
    ]
