"""Compiled versions of the sampling filters, each in place on one row of log-probabilities [V].

`sampling.filters` is the reference implementation, and explains what each filter does. `settings` are the numbers that
`sampling.filters.settings` returns for a configuration.
"""

from typing import Any

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.types import Array, Ids, Mask


@kernel
def settings_of(settings: Array, row: int) -> tuple[Any, ...]:
    """The settings of a row of [B, 7], with whole numbers where `sampling.filters.settings` has them."""
    of_row = settings[row]
    return int(of_row[0]), of_row[1], of_row[2], of_row[3], of_row[4], int(of_row[5]), int(of_row[6])


@kernel
def any_filter(settings: tuple[Any, ...], V: int) -> bool:
    """Whether a filter is set that comes after the temperature."""
    top_k, top_p, min_p, typical, _, _, _ = settings
    return bool(0 < top_k < V or top_p < 1 or min_p > 0 or typical < 1)


@kernel
def apply_mask(logp: Array, mask: Mask) -> None:
    """As `filters.apply_mask`."""
    for v in range(len(logp)):
        if not mask[v]:
            logp[v] = -np.inf
    _normalise(logp)


@kernel
def loop_penalty(logp: Array, recent: Ids, settings: tuple[Any, ...], lengths: Ids) -> None:
    """As `filters.loop_penalty` and `filters.repeat_lengths`; `lengths` [V] is overwritten."""
    _, _, _, _, penalty, free_repeat, max_repeat = settings
    V, last = len(logp), len(recent) - 1
    if recent[last] >= V:
        return
    lengths[:] = 0
    for i in range(last):
        k = 0
        while k < max_repeat and k <= i and recent[i - k] == recent[last - k] and recent[i - k] < V:
            k += 1
        if k:
            lengths[recent[i + 1]] = max(lengths[recent[i + 1]], k)
    for v in range(V):
        logp[v] -= penalty * max(lengths[v] - free_repeat, 0)
    _normalise(logp)


@kernel
def apply_after_penalty(logp: Array, temp: float, settings: tuple[Any, ...]) -> None:
    """The filters of `filters.apply` from the temperature on."""
    top_k, top_p, min_p, typical, _, _, _ = settings
    V = len(logp)
    if temp == 0:
        v = np.argmax(logp)
        logp[:] = -np.inf
        logp[v] = 0
    elif temp != 1:
        logp_max = logp.max()
        for v in range(V):
            logp[v] = (logp[v] - logp_max) / temp
        _normalise(logp)
    if 0 < top_k < V:
        order = np.argsort(-logp, kind="mergesort")
        for i in range(top_k, V):
            logp[order[i]] = -np.inf
        _normalise(logp)
    if top_p < 1:
        _keep_mass(logp, np.argsort(-logp, kind="mergesort"), top_p)
    if min_p > 0:
        threshold = logp.max() + np.log(min_p)
        for v in range(V):
            if logp[v] < threshold:
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


@kernel
def _keep_mass(logp: Array, order: Ids, p: float) -> None:
    """As `filters._keep_mass`."""
    mass_before = 0.0
    for i in range(len(order)):
        v = order[i]
        mass = np.exp(logp[v])
        if mass_before >= p:
            logp[v] = -np.inf
        mass_before += mass
    _normalise(logp)


@kernel
def _normalise(logp: Array) -> None:
    """As `softmax.log_softmax`."""
    logp_max = logp.max()
    total = 0.0
    for v in range(len(logp)):
        total += np.exp(logp[v] - logp_max)
    logp -= logp_max + np.log(total)
