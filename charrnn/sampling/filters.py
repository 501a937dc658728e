"""The filters of sampling: each maps log-probabilities [B, V] to log-probabilities [B, V].

They apply in the order in which they are listed in `apply`. What a filter rules out has log-probability -∞; what it
leaves is a distribution again.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SamplingConfig
from charrnn.errors import ConfigError
from charrnn.layers.softmax import log_softmax
from charrnn.types import Array

Recent = NDArray[np.integer[Any]]
"""The last characters of a text, V in the place of those it hasn't got."""

LOOKBACK = 512
"""Characters in which a loop is looked for."""
FREE_REPEAT = 8
"""Characters that may come again as they came before: names and turns of phrase are no loops."""
MAX_REPEAT = 64
"""Characters after which a loop counts as no longer."""


def apply_mask(logp: Array, mask: NDArray[np.bool_]) -> Array:
    """The characters that the mask [B, V] or [V] has, of which there must be one in each row."""
    return log_softmax(np.where(mask, logp, -np.inf))


def loop_penalty(logp: Array, lengths: Array, penalty: float) -> Array:
    """Each character that would lengthen a loop [B, V] loses `penalty` nats for every character past `FREE_REPEAT`."""
    return log_softmax(logp - penalty * np.maximum(lengths - FREE_REPEAT, 0))


def temperature(logp: Array, temp: float) -> Array:
    """p_v^(1/temp), normalised; 0 leaves the likeliest character alone, the first of them if there are several."""
    if temp == 0:
        greedy = np.full_like(logp, -np.inf)
        np.put_along_axis(greedy, logp.argmax(axis=-1, keepdims=True), 0, axis=-1)
        return greedy
    with np.errstate(over="ignore"):  # -∞ is right where a tiny temperature sends the unlikely
        return log_softmax((logp - logp.max(axis=-1, keepdims=True)) / temp)


def top_k(logp: Array, k: int) -> Array:
    """The k likeliest characters; of equally likely ones those that come first in the vocabulary."""
    if k >= logp.shape[-1]:
        return logp
    return _keep_characters(logp, _by_probability(logp)[:, :k])


def top_p(logp: Array, p: float) -> Array:
    """The likeliest characters, as many as reach probability p together: the nucleus (Holtzman et al., 2020)."""
    return _keep_mass(logp, _by_probability(logp), p)


def min_p(logp: Array, p: float) -> Array:
    """The characters at least p times as probable as the likeliest one (Nguyen et al., 2024)."""
    return log_softmax(np.where(logp >= logp.max(axis=-1, keepdims=True) + np.log(p), logp, -np.inf))


def typical(logp: Array, p: float) -> Array:
    """The characters whose surprise is nearest to the expected one, the entropy, as many as reach probability p.

    Locally typical sampling (Meister et al., 2023).
    """
    surprise = -np.where(logp > -np.inf, logp, -1e300)  # finite, so that 0 · ∞ doesn't arise
    entropy = (np.exp(logp) * surprise).sum(axis=-1, keepdims=True)
    return _keep_mass(logp, np.argsort(np.abs(surprise - entropy), axis=-1, kind="stable"), p)


def apply(
    logp: Array,
    config: SamplingConfig,
    temp: float | None = None,
    mask: NDArray[np.bool_] | None = None,
    recent: Recent | None = None,
) -> Array:
    """Applies, in this order, the filters that are set: mask, penalty, temperature, top-k, top-p, min-p, typical.

    `mask` [B, V] or [V] says which characters may come at all; `recent` [B, LOOKBACK], which the penalty looks at,
    holds the text so far, with V where it is shorter; `temp` goes before the configuration's, which may be a range.
    """
    if mask is not None:
        logp = apply_mask(logp, mask)
    if config.penalty > 0 and recent is not None:
        logp = loop_penalty(logp, np.stack([repeat_lengths(row, logp.shape[-1]) for row in recent]), config.penalty)
    if (temp := config.temp if temp is None else temp) != 1:
        logp = temperature(logp, temp)
    if config.top_k > 0:
        logp = top_k(logp, config.top_k)
    if config.top_p < 1:
        logp = top_p(logp, config.top_p)
    if config.min_p > 0:
        logp = min_p(logp, config.min_p)
    if config.typical < 1:
        logp = typical(logp, config.typical)
    return logp


def settings(config: SamplingConfig) -> tuple[int, float, float, float, float, int, int]:
    """The filters' settings as plain numbers, for an engine that has filters of its own."""
    return config.top_k, config.top_p, config.min_p, config.typical, config.penalty, FREE_REPEAT, MAX_REPEAT


def repeat_lengths(recent: Recent, V: int) -> Recent:
    """For each character [V], how long an end of the text `recent` [N] stood in it before, followed by that character.

    At most `MAX_REPEAT`. An id of V, or above, is no character and part of no loop.
    """
    lengths = np.zeros(V + 1, np.int64)
    last = len(recent) - 1
    here = np.flatnonzero(recent[:last] == recent[last]) if last >= 0 and recent[last] < V else recent[:0]
    k = 1
    while len(here) and k <= MAX_REPEAT:  # at each place the k characters up to it are the last k
        lengths[recent[here + 1]] = k
        here = here[here >= k]
        here = here[recent[here - k] == recent[last - k]] if k <= last and recent[last - k] < V else here[:0]
        k += 1
    return lengths[:V]


def mask(config: SamplingConfig, characters: Sequence[str], ends: Sequence[str] = ()) -> NDArray[np.bool_] | None:
    """The characters [V] that `allow` and `ban` leave, or None for all. Raises `ConfigError` where they leave none.

    `ends`, with which a text stops, need not be allowed: they are no part of it.
    """
    if not config.allow and not config.ban:
        return None
    left = parse_charset(config.allow, characters) if config.allow else np.ones(len(characters), bool)
    left |= [c in ends for c in characters]
    left &= ~parse_charset(config.ban, characters)
    if not left.any():
        raise ConfigError("--allow and --ban leave no character of the model's vocabulary")
    return left


def parse_charset(expression: str, characters: Sequence[str]) -> NDArray[np.bool_]:
    r"""Which of the characters [V] an expression of `allow` or `ban` names: `abc`, `a-z`, `\n`, `\-`."""
    ranges = [(a, z or a) for a, z in _ranges(expression)]
    return np.array([any(a <= c <= z for a, z in ranges) for c in characters])


def _ranges(text: str) -> list[tuple[str, str]]:
    """The single characters and the ranges of an expression; a hyphen at either end is itself, as after a backslash."""
    one = r"(\\.|[^\\]|\\$)"
    return [(_unescaped(a), _unescaped(z)) for a, z in re.findall(rf"{one}(?:-{one})?", text, re.DOTALL)]


def _unescaped(text: str) -> str:
    return {"\\n": "\n", "\\t": "\t", "\\r": "\r"}.get(text, text[-1:])


def _by_probability(logp: Array) -> Array:
    """The characters of each row [B, V], likeliest first."""
    return np.argsort(-logp, axis=-1, kind="stable")


def _keep_mass(logp: Array, order: Array, p: float) -> Array:
    """The distribution [B, V] left of the first characters in that order [B, V] that reach probability p together."""
    before = np.cumsum(np.exp(np.take_along_axis(logp, order, axis=-1)), axis=-1, dtype=np.float64)
    before = np.concatenate((np.zeros_like(before[:, :1]), before[:, :-1]), axis=-1)
    kept = np.zeros(logp.shape, bool)
    np.put_along_axis(kept, order, before < p, axis=-1)
    return log_softmax(np.where(kept, logp, -np.inf))


def _keep_characters(logp: Array, characters: Array) -> Array:
    """The distribution [B, V] left of `logp` when only the given characters [B, K] of each row may come."""
    left = np.full_like(logp, -np.inf)
    np.put_along_axis(left, characters, np.take_along_axis(logp, characters, axis=-1), axis=-1)
    return log_softmax(left)
