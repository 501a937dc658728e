"""The baselines: the bits that a compressor and a table of contexts need for a text, to compare a loss with."""

import lzma
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.types import Ids

MAX_ORDER = 6
"""The most characters of context in the table; longer contexts gain nothing on a few megabytes."""
MAX_CHARS = 2_000_000
"""The most characters of a text to measure, which takes some seconds."""
HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio: multiplying by it spreads keys that are close (D. Knuth, TAOCP 3, 6.4)."""

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Baselines:
    """Bits per character that other methods need for the validation text, once they have seen the training text."""

    xz: float
    """By `xz -9`: LZMA, which finds repetitions."""
    table: float
    """By counting how often each character follows each context of up to `MAX_ORDER` characters, as in PPM."""


def measure(training: Ids, validation: Ids, vocabulary: Vocabulary) -> Baselines:
    """The baselines of a validation text [M] after a training text [N]; give at most `MAX_CHARS` of each."""
    errors = "surrogateescape" if vocabulary.is_bytes else "surrogatepass"
    text, continuation = (vocabulary.decode(ids).encode("utf-8", errors) for ids in (training, validation))
    bits = 8 * (_compressed(text + continuation) - _compressed(text))
    return Baselines(bits / len(validation), context_bits(training, validation))


def _compressed(text: bytes) -> int:
    """The size in bytes of a text that `xz -9` has compressed."""
    return len(lzma.compress(text, preset=9))


def context_bits(training: Ids, validation: Ids, order: int = MAX_ORDER) -> float:
    """Bits per character of M ids by contexts of up to `order` ids, counted in N training ids.

        p_k(x | context of k) = (n(context, x) - D + D d(context) p_{k-1}(x | context of k - 1)) / n(context)

    n counts occurrences or, for contexts shorter than the longest, the different ids before them; d is the number of
    different ids that follow a context; p_{-1} is uniform. The discount D is n₁ / (n₁ + 2 n₂), from how many n are 1
    and 2, or a half if none is 1. This is Kneser & Ney smoothing (1995), interpolated (S. Chen & J. Goodman, 1999).
    """
    V = int(max(training.max(initial=0), validation.max(initial=0))) + 1
    p = np.full(len(validation), 1 / V)
    ids = np.concatenate((training, validation)).astype(np.uint64)
    here = slice(len(training), None)
    contexts = np.zeros(len(ids), np.uint64)
    for k in range(order + 1):
        longer = contexts.copy()
        longer[k + 1 :] = _hash(contexts[k + 1 :], ids[: -k - 1])
        events = _hash(contexts, ids)
        counted = np.arange(k, len(training))
        if k < order:
            counted = k + 1 + np.unique(_hash(longer, ids)[k + 1 : len(training)], return_index=True)[1]
        seen, first, n = np.unique(events[counted], return_index=True, return_counts=True)
        distinct, which, d = np.unique(contexts[counted[first]], return_inverse=True, return_counts=True)
        once, twice = np.count_nonzero(n == 1), np.count_nonzero(n == 2)
        discount = once / (once + 2 * twice) if once else 0.5
        place, found = _look_up(distinct, contexts[here])
        total, kinds = np.bincount(which, weights=n)[place], d[place]
        event, there = _look_up(seen, events[here])
        mass = np.where(there, n[event] - discount, 0) + discount * kinds * p
        p = np.where(found, mass / total, p)
        contexts = longer
    return float(np.log2(1 / p).mean())


def _hash(key: Keys, ids: Keys) -> Keys:
    """A 64-bit key for each pair of a key and an id: no two of several million collide."""
    key_: Keys = (key ^ (ids + np.uint64(1))) * HASH_MULTIPLIER
    return key_ ^ (key_ >> np.uint64(29))


def _look_up(table: Keys, keys: Keys) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The place of each key in a sorted table, and whether it is there."""
    place = np.searchsorted(table, keys).clip(max=max(0, len(table) - 1))
    return place, table[place] == keys
