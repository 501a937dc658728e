"""The trace: what happens inside a model while it reads a text, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.errors import CheckpointError, CorpusError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.types import Array, Ids, Indices, Mask

MIN_PART = 4096
"""The fewest characters of a long text that are read as a part of it, side by side with other parts."""
MAX_ROWS = 32
"""The most parts of a text, or lines, that are read side by side."""
WARM_UP = 1024
"""Characters that a part first reads before its own: after that many, the state does not depend on where it began."""


@dataclass(frozen=True)
class Text:
    """A text as a model reads it: its characters, and the ids of those that the model knows.

    For a model of bytes a character may have several ids; its values are those after the last of them. Raises
    `CorpusError` for a text of which nothing can be read.
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
        """The ids that are read: [N]."""
        return self._selected[0]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which of the characters the model knows."""
        return self._selected[1]

    @cached_property
    def lengths(self) -> Indices:
        """The number of ids of each character: 1, or 0 if it is unknown; for a model of bytes, its bytes."""
        if not self.model.vocabulary.is_bytes:
            return self.known.astype(np.intp)
        return np.array([len(c.encode("utf-8", "surrogateescape")) for c in self.text], np.intp)

    @cached_property
    def last(self) -> Indices:
        """The place in `ids` of the last id of each known character."""
        return (np.cumsum(self.lengths) - 1)[self.known]

    @cached_property
    def groups(self) -> list[tuple[Indices, Indices, Indices]]:
        """The rows that are read side by side, group by group: the places where each row starts to count [B], stops
        [B], and begins to read [B].

        A row that begins to read where it starts to count has `Model.start` before it and a zero state: it is the
        beginning of the text or, for a model of lines, of a line.
        """
        N = len(self.ids)
        if self.model.reads_lines:
            ends = np.flatnonzero(self.ids == self.model.start) + 1
            borders = np.unique(np.concatenate(([0], ends, [N])))
            starts, stops = borders[:-1], borders[1:]
            order = np.argsort(starts - stops, kind="stable")  # rows of similar length, the longest first
            groups = [order[k : k + MAX_ROWS] for k in range(0, len(order), MAX_ROWS)]
            return [(starts[group], stops[group], starts[group]) for group in groups]
        B = max(1, min(N // MIN_PART, MAX_ROWS))
        starts = np.arange(B) * -(-N // B)
        return [(starts, np.minimum(starts + -(-N // B), N), np.maximum(starts - WARM_UP, 0))]


def excerpt(model: Model, text: str, limit: int) -> str:
    """At most `limit` characters of a text, from the first that the model knows."""
    if model.vocabulary.is_bytes:
        return text[:limit]
    known = set(model.vocabulary.characters)
    start = next((n for n, character in enumerate(text) if character in known), 0)
    return text[start : start + limit]


@dataclass(frozen=True)
class Piece:
    """T steps of B rows. Step t of row b reads the id at place `places[t, b] - 1`, or `Model.start`."""

    places: Indices
    """[T, B]: the place in `Text.ids` of the next id: it is predicted in this step, and read in the next."""
    predicted: Mask
    """[T, B]: whether the prediction counts: it does once for every place of the text."""
    logits: Array
    """[T, B, V]: the predictions for the ids at the places."""
    activations: Array
    """[L, T, B, H]: of the units, after the step."""
    gates: list[dict[str, Array]]
    """[T, B, H]: of each layer, by name."""
    read: Mask
    """[T, B]: whether the activations count, as those after the place before was read.

    They do once for every place of the text. Those of a newline that ends a line of the `lines` layout are the ones
    with which the next line begins.
    """


def trace(text: Text) -> Iterator[Piece]:
    """Reads a text with the NumPy engine: in order, the state carried; a long text in parts, side by side.

    The arrays of a piece are valid until the next piece is taken. Raises `CheckpointError` if the model's predictions
    are NaN or infinite.
    """
    return blas.limited(piece for group in text.groups for piece in _trace(text, *group))


def _trace(text: Text, starts: Indices, stops: Indices, begins: Indices) -> Iterator[Piece]:
    """`trace` of one group of rows."""
    model, workspace, N = text.model, Workspace(), len(text.ids)
    state, from_start = model.zero_state(len(starts)), starts == begins
    T = max(1, CHARS_PER_READ // len(starts))
    steps = int((stops - begins).max()) + 1  # one more than there are characters: the last one is read, too
    for t in range(0, steps, T):
        places = np.arange(t, min(t + T, steps))[:, None] + begins
        inputs = text.ids.take(places - 1, mode="clip")
        inputs[(places == begins) & from_start] = model.start
        with np.errstate(all="ignore"):  # what is NaN or infinite is found below
            logits, activations, gates, state = model.language_model.forward_with_activations(
                model.params, inputs, state, workspace
            )
        if not np.isfinite(logits).all():
            raise CheckpointError("the model's predictions are NaN or infinite: its weights are too large")
        predicted = (places >= starts) & (places < stops)
        if model.reads_lines:
            read = (places > 0) & (places >= starts) & ((places < stops) | ((places == N) & (stops == N)))
        else:
            read = (places > starts) & (places <= stops)
        yield Piece(places, predicted, logits, activations, gates, read)
