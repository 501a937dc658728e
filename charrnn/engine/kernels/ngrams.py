"""The n-gram table, compiled: its predictions, mixed with those of the network.

The reference implementation is `model.ngrams`.
"""

from typing import Any

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.types import Array, Ids

ARRAYS = ("oldest", "child_starts", "follower_starts", "followers", "counts", "totals")


def packed(table: Any) -> tuple[Any, ...]:
    """The arrays of a `model.ngrams.NgramTable`, its discounts and its weight; empty arrays for None.

    All get the same types, so that one kernel serves tables of all sizes.
    """
    if table is None:
        return (*(np.zeros(0, np.int32) for _ in ARRAYS), np.zeros(0), 0.0)
    arrays = (getattr(table, name).astype(np.int32) for name in ARRAYS)
    return (*arrays, table.discounts.astype(np.float64), float(table.weight))


@kernel(error_model="numpy")
def mix(logits: Array, table: tuple[Any, ...], context: Ids, exps: Array, path: Ids) -> None:
    """The logits [V] become log p of the mixture after a context [K], the latest character first; V: none.

    `exps` [≥ V] and `path` [≥ K + 1] are overwritten.
    """
    oldest, child_starts, follower_starts, followers, counts, totals, discounts, weight = table
    V = len(logits)
    highest = logits[0]
    for v in range(1, V):
        highest = max(highest, logits[v])
    total = 0.0
    for v in range(V):
        exps[v] = np.exp(float(logits[v] - highest))
        total += exps[v]
    # From the longest context to the shortest, `share` is that of the table's mixture that is left for them
    n = _path(oldest, child_starts, context, V, path)
    share = weight
    scale = (1 - weight) / total
    for v in range(V):
        exps[v] *= scale
    for k in range(n - 1, -1, -1):
        node = path[k]
        first, stop = follower_starts[node], follower_starts[node + 1]
        part = share / totals[node]
        for e in range(first, stop):
            exps[followers[e]] += part * max(counts[e] - discounts[k], 0.0)
        share = part * discounts[k] * (stop - first)
    for v in range(V):
        logits[v] = np.log(exps[v] + share / V)


@kernel
def _path(oldest: Ids, child_starts: Ids, context: Ids, V: int, path: Ids) -> int:
    """Writes the contexts in the table, from the empty one to the longest, to `path`; returns how many there are."""
    node = path[0] = 0
    for k in range(len(context)):
        character = context[k]
        low, stop = child_starts[node], child_starts[node + 1]
        high = stop
        while low < high:
            middle = (low + high) // 2
            if oldest[middle] < character:
                low = middle + 1
            else:
                high = middle
        if low == stop or oldest[low] != character or character >= V:
            return k + 1
        node = path[k + 1] = low
    return len(context) + 1
