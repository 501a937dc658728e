"""Groups: a stream of items in lists of a given size, so that memory holds one list at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_groups(items: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The items in lists of n; the last one may be shorter."""
    rest = iter(items)
    return iter(lambda: [*islice(rest, n)], [])  # up to the first empty one
