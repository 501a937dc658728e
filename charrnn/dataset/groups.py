"""Groups: a stream of items, or of texts, in lists of a given size, so that memory holds one list at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from charrnn.errors import ConfigError

Item = TypeVar("Item")


def in_groups(items: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The items in lists of n; the last one may be shorter."""
    rest = iter(items)
    return iter(lambda: [*islice(rest, n)], [])  # up to the first empty one


def texts_in_groups(texts: Iterable[str], n: int, what: str) -> Iterator[list[str]]:
    """The texts in lists of n. Raises `ConfigError` for anything else; `what` is the function that they are for."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ConfigError(f"{what} takes several texts: give a list of them, not {_kind(texts)}")
    return in_groups((_checked(text, number, what) for number, text in enumerate(texts, 1)), n)


def _checked(text: object, number: int, what: str) -> str:
    if not isinstance(text, str):
        advice = ": decode it first" if isinstance(text, bytes) else ""
        raise ConfigError(f"{what} takes texts, and number {number:,} is {_kind(text)}{advice}")
    return text


def _kind(value: object) -> str:
    """What a value is, for an error."""
    names = {str: "a single text", bytes: "bytes", type(None): "None"}
    return names.get(type(value), f"of the type {type(value).__name__}")
