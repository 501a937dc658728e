"""The yardstick: what a compressor and a table of contexts need for a text, to read the loss of a network by."""

import lzma
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.types import Ids

MAX_ORDER = 6
"""Characters of context that the table knows at most; with more it gains nothing on a few megabytes."""
MAX_CHARS = 2_000_000
"""Characters of a text that are measured in some seconds."""
HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio: multiplying by it spreads keys that lie close (D. Knuth, TAOCP 3, 6.4)."""

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Baselines:
    """What the same characters, after the same text to learn from, cost elsewhere; in bits per character."""

    xz: float
    """By `xz -9`: LZMA, which finds what was there before."""
    table: float
    """By the frequencies of what follows up to `MAX_ORDER` characters, as PPM knows them."""


def measure(learned: Ids, held_out: Ids, vocabulary: Vocabulary) -> Baselines:
    """Measures a held-out text [M] after one to learn from [N], either of `MAX_CHARS` at the most to be done in time."""
    errors = "surrogateescape" if vocabulary.is_bytes else "surrogatepass"
    text, continuation = (vocabulary.decode(ids).encode("utf-8", errors) for ids in (learned, held_out))
    bits = 8 * (_compressed(text + continuation) - _compressed(text))
    return Baselines(bits / len(held_out), context_bits(learned, held_out))


def _compressed(text: bytes) -> int:
    """The bytes that `xz -9` makes of a text."""
    return len(lzma.compress(text, preset=9))


def context_bits(learned: Ids, held_out: Ids, order: int = MAX_ORDER) -> float:
    """Bits per character of M held-out ids by contexts of up to `order` ids, counted in N others.

        p_k(x | context of k) = (n(context, x) - D + D d(context) p_{k-1}(x | context of k - 1)) / n(context)

    n counts how often something stands there, or for contexts below the longest after how many different ids; d is
    how many different ids follow a context; p_{-1} is uniform. The discount D is n₁ / (n₁ + 2 n₂), of how many n's are
    1 and 2, or a half where none is 1. It is the smoothing of Kneser & Ney (1995), interpolated (S. Chen & J. Goodman,
    1999).
    """
    V = int(max(learned.max(initial=0), held_out.max(initial=0))) + 1
    p = np.full(len(held_out), 1 / V)
    running = np.concatenate((learned, held_out)).astype(np.uint64)
    here = slice(len(learned), None)
    contexts = np.zeros(len(running), np.uint64)
    for k in range(order + 1):
        longer = contexts.copy()
        longer[k + 1 :] = _mixed(contexts[k + 1 :], running[: -k - 1])
        events = _mixed(contexts, running)
        counted = np.arange(k, len(learned))
        if k < order:
            counted = k + 1 + np.unique(_mixed(longer, running)[k + 1 : len(learned)], return_index=True)[1]
        seen, first, n = np.unique(events[counted], return_index=True, return_counts=True)
        known, which, d = np.unique(contexts[counted[first]], return_inverse=True, return_counts=True)
        once, twice = np.count_nonzero(n == 1), np.count_nonzero(n == 2)
        discount = once / (once + 2 * twice) if once else 0.5
        place, found = _looked_up(known, contexts[here])
        total, kinds = np.bincount(which, weights=n)[place], d[place]
        event, there = _looked_up(seen, events[here])
        mass = np.where(there, n[event] - discount, 0) + discount * kinds * p
        p = np.where(found, mass / total, p)
        contexts = longer
    return float(np.log2(1 / p).mean())


def _mixed(key: Keys, ids: Keys) -> Keys:
    """A key for each pair of a key and an id: 64 bits, so that no two of some million meet."""
    mixed: Keys = (key ^ (ids + np.uint64(1))) * HASH_MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


def _looked_up(table: Keys, keys: Keys) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each key would stand in a sorted table, and whether it is there."""
    place = np.searchsorted(table, keys).clip(max=max(0, len(table) - 1))
    return place, table[place] == keys
