"""The beam search: the likeliest targets of several sources, found side by side.

A beam holds the K likeliest beginnings of a target. Each step extends all of them by each character and keeps the K
likeliest that go on; one that a newline ends leaves the beam. Targets are compared by their mean log-probability per
character, so that a long one is not worse for its length alone (Y. Wu et al., 2016, with α = 1). The greedy target,
which always takes the likeliest character, is among those compared, so the best one never scores below it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.errors import CheckpointError
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array, Ids, Indices

Step = Callable[[Ids, Array, Indices], tuple[Array, Array]]
"""`step(context [R], state [L, S, R, H], source [R])` → logits [R, V], next state: the prediction after one more
character of each row, which belongs to the target of a source, given by its index."""


@dataclass(frozen=True)
class Hypothesis:
    """A target that was found for a source."""

    ids: tuple[int, ...]
    """Its characters, without the newline."""
    logprob: float
    """In nats, of its characters and of the newline that ends it."""
    complete: bool
    """Whether a newline ends it; otherwise it was cut at the greatest length."""

    @property
    def score(self) -> float:
        """The mean log-probability per character, the newline included."""
        return self.logprob / max(1, len(self.ids) + self.complete)


def search(step: Step, context: Ids, state: Array, *, newline: int, beam: int, longest: int) -> list[list[Hypothesis]]:
    """The targets of N sources, the best first: at most `beam` of each, and at least one.

    The targets begin after the character `context` [N] in the state [L, S, N, H], and are cut after `longest`
    characters, unless a newline comes then. Raises `CheckpointError` if the model's predictions are NaN or infinite.
    """
    N = len(context)
    found: list[list[Hypothesis]] = [[] for _ in range(N)]
    _search_greedily(step, context, state, newline, longest, found)
    if beam > 1:
        _search_beams(step, context, state, newline, beam, longest, found)
    for hypotheses in found:
        distinct = {(h.ids, h.complete): h for h in hypotheses}
        hypotheses[:] = sorted(distinct.values(), key=lambda h: -h.score)[:beam]
    return found


def _log_probabilities(step: Step, context: Ids, state: Array, source: Indices) -> tuple[Array, Array]:
    """The log-probabilities [R, V] of the next character of each row, and the next state."""
    with np.errstate(all="ignore"):  # weights that are too large show in the result
        logits, state = step(context, state, source)
        logp = log_softmax(logits.astype(np.float64))
    if not np.isfinite(logp).all():
        raise CheckpointError("the model's predictions are NaN or infinite: its weights are too large")
    return logp, state


def _search_greedily(
    step: Step, context: Ids, state: Array, newline: int, longest: int, found: list[list[Hypothesis]]
) -> None:
    """Adds the greedy target of each source to those found."""
    source = np.arange(len(context))
    texts: list[list[int]] = [[] for _ in source]
    total = np.zeros(len(source))
    for length in range(longest + 1):
        if not len(source):
            break
        logp, state = _log_probabilities(step, context, state, source)
        best = logp.argmax(axis=1)
        ended = best == newline
        for row, n in enumerate(source):
            if ended[row]:
                found[n].append(Hypothesis(tuple(texts[n]), float(total[n] + logp[row, newline]), True))
        if length == longest:
            source = source[~ended]
            break
        total[source] += logp[np.arange(len(source)), best]
        source, context, state = source[~ended], best[~ended].astype(context.dtype), state[:, :, ~ended]
        for n, v in zip(source, context, strict=True):
            texts[n].append(int(v))
    for n in source:
        found[n].append(Hypothesis(tuple(texts[n]), float(total[n]), False))


def _search_beams(
    step: Step, context: Ids, state: Array, newline: int, K: int, longest: int, found: list[list[Hypothesis]]
) -> None:
    """Adds what a beam of K finds for each source. A source is done when K of its targets have ended."""
    N = len(context)
    source = np.arange(N)  # the sources that are not done; each has K rows, one after the other
    n_ended = np.zeros(N, np.int64)
    context, state = np.repeat(context, K), np.repeat(state, K, axis=2)
    texts = np.zeros((N * K, 0), context.dtype)
    total = np.full((N, K), -np.inf)  # of the beginnings; only the first row of a source exists at first
    total[:, 0] = 0
    for length in range(longest + 1):
        logp, state = _log_probabilities(step, context, state, np.repeat(source, K))
        n, V = len(source), logp.shape[1]
        reached = (total[:, :, None] + logp.reshape(n, K, V)).reshape(n, K * V)
        best = _largest(reached, 2 * K)  # at most K of them end, so at least K go on
        totals = np.take_along_axis(reached, best, axis=1)
        ends = best % V == newline
        for row, k in np.argwhere(ends[:, :K] & np.isfinite(totals[:, :K])):
            text = texts[row * K + best[row, k] // V]
            found[source[row]].append(Hypothesis(tuple(text.tolist()), float(totals[row, k]), True))
            n_ended[source[row]] += 1
        if length == longest:
            break
        going = np.argsort(ends, axis=1, kind="stable")[:, :K]
        best, total = (np.take_along_axis(a, going, axis=1) for a in (best, totals))
        is_open = (n_ended[source] < K) & np.isfinite(total[:, 0])
        parent = (best // V + np.arange(n)[:, None] * K)[is_open].ravel()
        source, total = source[is_open], total[is_open]
        context = (best[is_open] % V).ravel().astype(context.dtype)
        texts, state = np.column_stack((texts[parent], context)), state[:, :, parent]
        if not len(source):
            return
    for row, k in np.argwhere(np.isfinite(total)):
        if n_ended[source[row]] + k < K:
            text = texts[row * K + k]
            found[source[row]].append(Hypothesis(tuple(text.tolist()), float(total[row, k]), False))


def _largest(values: Array, k: int) -> Indices:
    """The places of the k largest values of each row, in descending order; of equal ones the first."""
    k = min(k, values.shape[1])
    found: Indices = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(values, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
