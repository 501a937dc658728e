"""The filters of sampling: each maps log-probabilities [B, V] to log-probabilities [B, V].

They apply in the order in which they are listed in `apply`. What a filter rules out has log-probability -∞; what it
leaves is a distribution again.
"""

import numpy as np

from charrnn.cells.softmax import log_softmax
from charrnn.config import SamplingConfig
from charrnn.notation import Array


def temperature(logp: Array, temp: float) -> Array:
    """p_v^(1/temp), normalised; 0 leaves the likeliest character alone, the first of them if there are several."""
    if temp == 0:
        only = np.full_like(logp, -np.inf)
        np.put_along_axis(only, logp.argmax(axis=-1, keepdims=True), 0, axis=-1)
        return only
    with np.errstate(over="ignore"):  # -∞ is right where a tiny temperature sends the unlikely
        return log_softmax((logp - logp.max(axis=-1, keepdims=True)) / temp)


def top_k(logp: Array, k: int) -> Array:
    """The k likeliest characters; of equally likely ones those that come first in the vocabulary."""
    if k >= logp.shape[-1]:
        return logp
    return _keep(logp, _by_probability(logp)[:, :k])


def top_p(logp: Array, p: float) -> Array:
    """The likeliest characters, as many as reach probability p together: the nucleus (Holtzman et al., 2020)."""
    order = _by_probability(logp)
    before = np.cumsum(np.exp(np.take_along_axis(logp, order, axis=-1)), axis=-1, dtype=np.float64)
    before = np.concatenate((np.zeros_like(before[:, :1]), before[:, :-1]), axis=-1)
    kept = np.zeros(logp.shape, bool)
    np.put_along_axis(kept, order, before < p, axis=-1)
    return log_softmax(np.where(kept, logp, -np.inf))


def min_p(logp: Array, p: float) -> Array:
    """The characters at least p times as probable as the likeliest one (Nguyen et al., 2024)."""
    return log_softmax(np.where(logp >= logp.max(axis=-1, keepdims=True) + np.log(p), logp, -np.inf))


def apply(logp: Array, config: SamplingConfig) -> Array:
    """Applies, in this order, the filters that are set: temperature, top-k, top-p, min-p."""
    if config.temp != 1:
        logp = temperature(logp, config.temp)
    if config.top_k > 0:
        logp = top_k(logp, config.top_k)
    if config.top_p < 1:
        logp = top_p(logp, config.top_p)
    if config.min_p > 0:
        logp = min_p(logp, config.min_p)
    return logp


def _by_probability(logp: Array) -> Array:
    """The characters of each row [B, V], likeliest first."""
    return np.argsort(-logp, axis=-1, kind="stable")


def _keep(logp: Array, characters: Array) -> Array:
    """The distribution [B, V] left of `logp` when only the given characters [B, K] of each row may come."""
    left = np.full_like(logp, -np.inf)
    np.put_along_axis(left, characters, np.take_along_axis(logp, characters, axis=-1), axis=-1)
    return log_softmax(left)
