"""Groups: a stream of items, or of texts, in lists of a given size, so that memory holds one list at a time.

An item that is an error takes nothing from those before it: they come first, in a shorter list.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, starmap
from typing import TypeVar

from charrnn.errors import ConfigError

Item = TypeVar("Item")
Found = TypeVar("Found")
Text = TypeVar("Text", bound=str | bytes)


def in_groups(items: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The items in lists of n; the last one, and one before an error, may be shorter."""
    rest = iter(items)
    for first in rest:
        yield from up_to_error(chain((first,), islice(rest, n - 1)))


def in_blocks(items: Iterable[Item], size: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """The items in lists that end with the item by which their sizes add up to a limit; otherwise as `in_groups`."""
    rest = iter(items)

    def block(first: Item) -> Iterator[Item]:
        total = 0
        for item in chain((first,), rest):
            yield item
            total += size(item)
            if total >= limit:
                return

    for first in rest:
        yield from up_to_error(block(first))


def up_to_error(items: Iterable[Item]) -> Iterator[list[Item]]:
    """All items in one list; if an error comes in the place of one, the list of those before it, and then the error."""
    found: list[Item] = []
    try:
        found.extend(items)  # which keeps what it has before an error
    except Exception:
        yield found
        raise
    yield found


def map_batches(function: Callable[[int, Item], Found], batches: Iterable[Sequence[Item]]) -> Iterator[list[Found]]:
    """For each batch what a function makes of the number of an item, from 1 in the first batch, and the item.

    If that is an error, it comes after what the function has made of the items before.
    """
    done = 0
    for batch in batches:
        yield from up_to_error(function(number, item) for number, item in enumerate(batch, done + 1))
        done += len(batch)


def texts_in_groups(texts: Iterable[Text], n: int, what: str) -> Iterator[list[Text]]:
    """The texts in lists of n. Raises `ConfigError` for anything else; `what` is the function that they are for."""
    return in_groups(checked_texts(texts, what), n)


def checked_texts(texts: Iterable[Text], what: str, kinds: tuple[type, ...] = (str,)) -> Iterator[Text]:
    """The texts, of these kinds. Raises `ConfigError` for anything else; `what` is the function that they are for."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ConfigError(f"{what} takes several texts: give a list of them, not {kind_of(texts)}")

    def checked(number: int, text: Text) -> Text:
        if not isinstance(text, kinds):
            advice = ": decode it first" if isinstance(text, bytes) else ""
            raise ConfigError(f"{what} takes texts, and number {number:,} is {kind_of(text)}{advice}")
        return text

    return starmap(checked, enumerate(texts, 1))


def kind_of(value: object) -> str:
    """What a value is, for an error."""
    names = {str: "a single text", bytes: "bytes", type(None): "None"}
    return names.get(type(value), f"a value of the type {type(value).__name__}")
