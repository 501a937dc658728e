"""The trace: what happens inside a model while it reads a text, piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.errors import CorpusError
from charrnn.layers.workspace import Workspace
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.types import Array, Ids, Mask

MIN_PART, MAX_PARTS, WARM_UP = 4096, 32, 1024
"""Characters of a long text that are read as a part of it, side by side with others; how many parts there are at most;
and the characters before it that each part reads first, after which no state tells any more where it began."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Text:
    """A text as a model reads it: its characters, and the ids of those that the model knows.

    For a model of bytes a character may have several ids; what is known of it is what is known after the last.
    """

    model: Model
    text: str

    def __post_init__(self) -> None:
        if not len(self.ids):
            why = "the model knows none of its characters" if self.text else "it is empty"
            raise CorpusError(f"there is nothing to read in this text: {why}")

    @cached_property
    def _selected(self) -> tuple[Ids, NDArray[np.bool_]]:
        vocabulary = self.model.vocabulary
        if vocabulary.is_bytes:
            ids = vocabulary.encode(self.text)
            return ids, np.ones(len(self.text), bool)
        return vocabulary.select(self.text)

    @property
    def ids(self) -> Ids:
        """What is read [N]."""
        return self._selected[0]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which of the characters the model knows."""
        return self._selected[1]

    @cached_property
    def lengths(self) -> Indices:
        """How many ids each character has: one, or none if it is unknown; its bytes, for a model of bytes."""
        if not self.model.vocabulary.is_bytes:
            return self.known.astype(np.intp)
        return np.array([len(c.encode("utf-8", "surrogateescape")) for c in self.text], np.intp)

    @cached_property
    def last(self) -> Indices:
        """The place in `ids` of the last id of each character that is known."""
        return (np.cumsum(self.lengths) - 1)[self.known]

    @cached_property
    def rows(self) -> list[tuple[Indices, Indices, Indices]]:
        """What is read side by side, group by group: where each row begins to count [B], ends [B], begins to read [B].

        A row that begins to read where it counts has `vocabulary.start` before it and a fresh state: it is the
        beginning of the text, or a record of a model of records.
        """
        N = len(self.ids)
        if self.model.line_set is None:
            B = max(1, min(N // MIN_PART, MAX_PARTS))
            starts = np.arange(B) * -(-N // B)
            return [(starts, np.minimum(starts + -(-N // B), N), np.maximum(starts - WARM_UP, 0))]
        ends = np.flatnonzero(self.ids == self.model.vocabulary.start) + 1
        borders = np.unique(np.concatenate(([0], ends, [N])))
        starts, stops = borders[:-1], borders[1:]
        order = np.argsort(starts - stops, kind="stable")  # rows of like length, the longest first
        groups = [order[k : k + MAX_PARTS] for k in range(0, len(order), MAX_PARTS)]
        return [(starts[group], stops[group], starts[group]) for group in groups]


def beginning(model: Model, text: str, most: int) -> str:
    """So many characters of a text, from the first that the model knows on: what stands before is nothing to it."""
    if model.vocabulary.is_bytes:
        return text[:most]
    known = set(model.vocabulary.characters)
    start = next((n for n, character in enumerate(text) if character in known), 0)
    return text[start : start + most]


@dataclass(frozen=True)
class Piece:
    """T steps of B rows. Before step t of row b stood the id at place `places[t, b] - 1`, or `vocabulary.start`."""

    places: Indices
    """[T, B]: the place in `Text.ids` of what is read next: it is predicted here, and read in the step after this."""
    expected: Mask
    """[T, B]: whether the prediction counts: every place of the text does once."""
    logits: Array
    """[T, B, V] for what comes at the places."""
    units: Array
    """[L, T, B, H]: what the units stand at before that."""
    gates: list[dict[str, Array]]
    """Of each layer by name, [T, B, H]."""
    read: Mask
    """[T, B]: whether what the units stand at counts, as where they stand after the place before has been read.

    It does once for every place of the text; after a line end that parts two records it is how the second begins.
    """


def trace(text: Text) -> Iterator[Piece]:
    """Reads a text with the NumPy engine: in order, the state carried; a long one in parts, side by side.

    What a piece holds is valid until the next is asked for.
    """
    from threadpoolctl import threadpool_limits  # which nothing else of a look at a model needs

    with threadpool_limits(1):  # with so few rows, threads of BLAS are in each other's way
        for rows in text.rows:
            yield from _trace(text, *rows)


def _trace(text: Text, starts: Indices, stops: Indices, begins: Indices) -> Iterator[Piece]:
    """`trace` of a group of rows."""
    model, workspace, N = text.model, Workspace(), len(text.ids)
    state, fresh = model.zero_state(len(starts)), starts == begins
    T = max(1, CHARS_PER_READ // len(starts))
    steps = int((stops - begins).max()) + 1  # one more than there are characters: the last of them is read, too
    for t in range(0, steps, T):
        places = np.arange(t, min(t + T, steps))[:, None] + begins
        inputs = text.ids.take(places - 1, mode="clip")
        inputs[(places == begins) & fresh] = model.vocabulary.start
        logits, units, gates, state = network.forward_with_activations(
            model.params, inputs, state, model.config, workspace
        )
        expected = (places >= starts) & (places < stops)
        if model.line_set is None:
            read = (places > starts) & (places <= stops)
        else:
            read = (places > 0) & (places >= starts) & ((places < stops) | ((places == N) & (stops == N)))
        yield Piece(places, expected, logits, units, gates, read)
