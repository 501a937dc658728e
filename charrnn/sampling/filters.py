"""The sampling filters: each maps log-probabilities [B, V] to log-probabilities [B, V].

`apply` lists them in the order in which they apply. A character that a filter rules out has the log-probability -∞; the
remaining characters are a distribution again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SamplingConfig
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array, Mask

Recent = NDArray[np.integer[Any]]
"""The last characters of a text, padded with V where the text is shorter."""

LOOKBACK = 512
"""Characters that are searched for repetitions."""
FREE_REPEAT = 8
"""Characters that may be repeated without a penalty: names and turns of phrase are not loops."""
MAX_REPEAT = 64
"""The length at which a repetition stops counting as longer."""


def apply(
    logp: Array,
    config: SamplingConfig,
    temp: float | None = None,
    mask: Mask | None = None,
    recent: Recent | None = None,
) -> Array:
    """Applies the filters that are set, in the order of this table; to add a filter, add a line.

    `mask` [B, V] or [V] says which characters may come at all. `recent` [B, LOOKBACK] is the text so far, for the loop
    penalty. `temp` replaces the temperature of the configuration, which may be the start of a range.

    An engine with a compiled decoder applies the same filters, in the same order, from the numbers in `settings`.
    """
    temp = config.temp if temp is None else temp
    filters: tuple[tuple[bool, Callable[..., Array], tuple[Any, ...]], ...] = (
        # applies if                                         filter        its settings
        (mask is not None,                                   apply_mask,   (mask,)),
        (config.loop_penalty > 0 and recent is not None,     loop_penalty, (recent, config.loop_penalty)),
        (temp != 1,                                          temperature,  (temp,)),
        (config.top_k > 0,                                   top_k,        (config.top_k,)),
        (config.top_p < 1,                                   top_p,        (config.top_p,)),
        (config.min_p > 0,                                   min_p,        (config.min_p,)),
        (config.typical < 1,                                 typical,      (config.typical,)),
    )  # fmt: skip
    for applies, filter, filter_settings in filters:
        if applies:
            logp = filter(logp, *filter_settings)
    return logp


def settings(config: SamplingConfig) -> tuple[int, float, float, float, float, int, int]:
    """The filters' settings as plain numbers, for an engine with a compiled decoder."""
    return config.top_k, config.top_p, config.min_p, config.typical, config.loop_penalty, FREE_REPEAT, MAX_REPEAT


# The filters


def apply_mask(logp: Array, mask: Mask) -> Array:
    """Keeps the characters in the mask [B, V] or [V], which must have at least one in each row."""
    return log_softmax(np.where(mask, logp, -np.inf))


def loop_penalty(logp: Array, recent: Recent, penalty: float) -> Array:
    """Takes `penalty` nats from a character for each character past `FREE_REPEAT` of the repetition it would extend.

    `recent` [B, LOOKBACK] is the text so far.
    """
    lengths = np.stack([repeat_lengths(row, logp.shape[-1]) for row in recent])
    return log_softmax(logp - penalty * np.maximum(lengths - FREE_REPEAT, 0))


def temperature(logp: Array, temp: float) -> Array:
    """p_v^(1/temp), normalised; 0 keeps only the likeliest character, the first of them if there are several."""
    if temp == 0:
        greedy = np.full_like(logp, -np.inf)
        np.put_along_axis(greedy, logp.argmax(axis=-1, keepdims=True), 0, axis=-1)
        return greedy
    with np.errstate(over="ignore"):  # a tiny temperature rightly sends unlikely characters to -∞
        return log_softmax((logp - logp.max(axis=-1, keepdims=True)) / temp)


def top_k(logp: Array, k: int) -> Array:
    """Keeps the k likeliest characters; of equally likely ones, those that come first in the vocabulary."""
    if k >= logp.shape[-1]:
        return logp
    return _keep_characters(logp, _by_probability(logp)[:, :k])


def top_p(logp: Array, p: float) -> Array:
    """Keeps the nucleus: the likeliest characters whose probabilities add up to p (Holtzman et al., 2020)."""
    return _keep_mass(logp, _by_probability(logp), p)


def min_p(logp: Array, p: float) -> Array:
    """Keeps the characters at least p times as probable as the likeliest one (Nguyen et al., 2024)."""
    return log_softmax(np.where(logp >= logp.max(axis=-1, keepdims=True) + np.log(p), logp, -np.inf))


def typical(logp: Array, p: float) -> Array:
    """Keeps the characters whose surprisal is nearest to the entropy and whose probabilities add up to p.

    Locally typical sampling (Meister et al., 2023).
    """
    surprisal = -np.where(logp > -np.inf, logp, -1e300)  # finite, so that 0 · ∞ does not arise
    entropy = (np.exp(logp) * surprisal).sum(axis=-1, keepdims=True)
    return _keep_mass(logp, np.argsort(np.abs(surprisal - entropy), axis=-1, kind="stable"), p)


def _by_probability(logp: Array) -> Array:
    """The characters of each row [B, V], likeliest first."""
    return np.argsort(-logp, axis=-1, kind="stable")


def _keep_mass(logp: Array, order: Array, p: float) -> Array:
    """Keeps the first characters in the given order [B, V] whose probabilities add up to p."""
    before = np.cumsum(np.exp(np.take_along_axis(logp, order, axis=-1)), axis=-1, dtype=np.float64)
    before = np.concatenate((np.zeros_like(before[:, :1]), before[:, :-1]), axis=-1)
    kept = np.zeros(logp.shape, bool)
    np.put_along_axis(kept, order, before < p, axis=-1)
    return log_softmax(np.where(kept, logp, -np.inf))


def _keep_characters(logp: Array, characters: Array) -> Array:
    """Keeps only the given characters [B, K] of each row."""
    kept = np.full_like(logp, -np.inf)
    np.put_along_axis(kept, characters, np.take_along_axis(logp, characters, axis=-1), axis=-1)
    return log_softmax(kept)


def repeat_lengths(recent: Recent, V: int) -> Recent:
    """For each character [V], the length of the longest suffix of `recent` [N] that it has followed before.

    At most `MAX_REPEAT`. An id of V or above is padding, and never part of a repetition.
    """
    lengths = np.zeros(V + 1, np.int64)
    last = len(recent) - 1
    here = np.flatnonzero(recent[:last] == recent[last]) if last >= 0 and recent[last] < V else recent[:0]
    k = 1
    while len(here) and k <= MAX_REPEAT:  # at each place, the k characters that end there are the last k of the text
        lengths[recent[here + 1]] = k
        here = here[here >= k]
        here = here[recent[here - k] == recent[last - k]] if k <= last and recent[last - k] < V else here[:0]
        k += 1
    return lengths[:V]
