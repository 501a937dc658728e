"""The tensors of a table of n-grams in the model's file: small whole numbers, from which its tree is built again."""

from typing import Any

import numpy as np

from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.config import MAX_NGRAM
from charrnn.dataset.vocabulary import smallest_type
from charrnn.model.ngrams import NgramTable
from charrnn.types import Array, Indices, Params

KEY = "ngrams"
"""The metadata key of what the tensors do not say, and the beginning of their names."""
OF_CONTEXTS, OF_FOLLOWERS = ("oldest", "children", "kinds"), ("followers", "counts")
"""The tensors [M] and [E]: a context's oldest character, and how many children and followers it has; the followers."""
MAX_SIZE = 2**31 - 1
"""The most contexts, followers or occurrences."""


def to_tensors(table: NgramTable | None) -> Params:
    """The tensors; none without a table."""
    if table is None:
        return {}
    upto = smallest_type(table.V + 1)
    children, kinds = (np.diff(starts).astype(upto) for starts in (table.child_starts, table.follower_starts))
    arrays = (table.oldest, children, kinds, table.followers, table.counts)
    return {name: np.ascontiguousarray(array) for name, array in zip(_names(), arrays, strict=True)}


def to_json(table: NgramTable | None) -> dict[str, Any]:
    """The key `ngrams` for the metadata; none without a table."""
    return {} if table is None else {KEY: table.about()}


def names_in(file: TensorFile) -> list[str]:
    """The names of the tensors that a file with this metadata has."""
    return _names() if file.has(KEY) else []


def read(file: TensorFile, V: int) -> NgramTable | None:
    """The table, for a vocabulary of V characters; None if the file has none.

    Raises `CheckpointError` if the numbers are no tree, or are out of range.
    """
    if not file.has(KEY):
        return None
    order, (M, E), discounts, weight, loss = _settings(file)
    sizes = dict.fromkeys(OF_CONTEXTS, M) | dict.fromkeys(OF_FOLLOWERS, E)
    found = file.integers({f"{KEY}.{name}": (size,) for name, size in sizes.items()})
    oldest, children, kinds, followers, counts = (found[name] for name in _names())
    child_starts, follower_starts = _starts(1, children), _starts(0, kinds)
    table = NgramTable(
        V,
        order,
        oldest,
        child_starts.astype(np.uint32),
        follower_starts.astype(np.uint32),
        followers,
        counts,
        discounts,
        weight,
        loss,
    )
    is_tree = child_starts[-1] == M and follower_starts[-1] == E and (child_starts[:-1] > np.arange(M)).all()
    in_range = oldest.max() < V and followers.max() < V and kinds.min() > 0 and counts.min() > 0
    if not (is_tree and in_range and counts.sum(dtype=np.int64) <= MAX_SIZE):
        raise file.damaged(KEY)
    if not all((np.diff(keys) > 0).all() for keys in (table.child_keys, table.follower_keys)):
        raise file.damaged(KEY)
    return table


def _settings(file: TensorFile) -> tuple[int, tuple[int, int], Array, float, float | None]:
    """What the metadata says: the order, the sizes M and E, the discounts, the weight and the loss."""
    data = file.json(KEY)
    try:
        order, sizes = data["order"], (data["contexts"], data["followers"])
        discounts, weight, loss = data["discounts"], data["weight"], data["loss"]
        numbers = [*discounts, weight, 0.0 if loss is None else loss]
    except (TypeError, KeyError):
        raise file.damaged(KEY) from None
    whole = all(type(n) is int for n in (order, *sizes)) and all(type(x) in (int, float) for x in numbers)
    if not whole or not (1 <= order < MAX_NGRAM and all(1 <= n <= MAX_SIZE for n in sizes)):
        raise file.damaged(KEY)
    # False for NaN and infinity, and for whole numbers that are too large to be floating-point ones
    in_range = all(0 < D <= 1 for D in discounts) and 0 <= weight <= 1 and 0 <= numbers[-1] <= MAX_SIZE
    if len(discounts) != order + 1 or not in_range:
        raise file.damaged(KEY)
    return order, sizes, np.array(discounts, np.float64), float(weight), None if loss is None else float(loss)


def _starts(first: int, counts: Indices) -> Indices:
    """Where lists of so many entries [M] begin, and where the last one ends: [M + 1]."""
    return np.concatenate(([first], first + np.cumsum(counts, dtype=np.int64)))


def _names() -> list[str]:
    return [f"{KEY}.{name}" for name in (*OF_CONTEXTS, *OF_FOLLOWERS)]
