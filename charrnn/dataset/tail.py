"""The tail of a continuous text: whether it is of another kind than the rest, so that it says little about the rest."""

import numpy as np

from charrnn.types import Array, Ids

CLASSES = 65
"""The characters that are told apart: the most frequent ones, and all others together."""
MIN_TAIL, MAX_PART = 1000, 200_000
"""The fewest characters of a tail that says anything, and the most characters of a part that are counted."""
SAMPLES = 20
"""The pieces of a longer part that are counted."""
PARTS = 9
"""The most parts of the rest that the tail is compared with."""
MAX_RATIO, MIN_DIFFERENCE = 3.0, 0.1
"""By what factor, and by how many nats, the tail must differ more from the rest than other parts do."""
MAX_DIVERGENCE = 0.2
"""A tail whose characters differ so much, in nats, is of another kind even if other parts differ as much."""


def differs(rest: Ids, tail: Ids, V: int) -> bool:
    """Whether the end of a text is of another kind than the rest of it; V is the size of the vocabulary.

    Each part of the text, as long as the tail, is compared with all others together: by the frequencies of the
    characters, and of the characters after each other one. The measure is the Kullback-Leibler divergence of the part
    from the others. Parts of a novel differ by its topics, and short ones by chance, and so may the tail. But if it
    differs much more than they do, it is in another language or form; or if it differs very much, and so do all parts,
    the text is sorted, or a collection of unlike texts.
    """
    n = len(tail)
    parts = min(PARTS, len(rest) // max(n, 1))
    if n < MIN_TAIL or parts < 2:
        return False
    starts = [len(rest) * k // parts for k in range(parts)]
    counts = _pair_counts([_sample(part) for part in (*(rest[start : start + n] for start in starts), tail)], V)
    total = counts.sum(axis=0)
    *others, (characters, pairs) = (_divergences(part, total - part) for part in counts)
    typical = float(np.median([pairs for _, pairs in others]))
    is_outlier = pairs > MAX_RATIO * typical and pairs > typical + MIN_DIFFERENCE
    by_chance = CLASSES / (2 * min(n, MAX_PART))
    return is_outlier or characters > MAX_DIVERGENCE + by_chance


def _sample(part: Ids) -> Ids:
    """A part or, if it is longer than `MAX_PART`, pieces of it at even distances."""
    if len(part) <= MAX_PART:
        return part
    size = MAX_PART // SAMPLES
    return np.concatenate([part[a : a + size] for a in np.arange(SAMPLES) * (len(part) - size) // (SAMPLES - 1)])


def _pair_counts(parts: list[Ids], V: int) -> Array:
    """How often each class of characters follows each one in each part: [parts, C, C]."""
    order = np.argsort(-sum(np.bincount(part, minlength=V) for part in parts), kind="stable")
    class_of = np.full(V, CLASSES - 1)
    class_of[order[: CLASSES - 1]] = np.arange(len(order[: CLASSES - 1]))
    found = []
    for part in parts:
        classes = class_of[part]
        found.append(np.bincount(classes[:-1] * CLASSES + classes[1:], minlength=CLASSES**2))
    return np.array(found, np.float64).reshape(-1, CLASSES, CLASSES)


def _divergences(part: Array, rest: Array) -> tuple[float, float]:
    """The divergence of the characters of a part from those of the rest, and of the characters after each one, in nats.

    Both are counts of pairs [C, C]; those of the rest are smoothed with its single characters.
    """
    n, after = part.sum(), rest.sum(axis=0) + 0.5
    q = after / after.sum()
    smoothing = 2 * np.sqrt(CLASSES)
    q_after = (rest + smoothing * q) / (rest.sum(axis=1, keepdims=True) + smoothing)
    p = part.sum(axis=0) / n
    p_after = part / np.maximum(part.sum(axis=1, keepdims=True), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        characters = np.where(p > 0, p * np.log(p / q), 0).sum()
        pairs = np.where(part > 0, part * np.log(p_after / q_after), 0).sum() / n
    return float(characters), float(pairs)
