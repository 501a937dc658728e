"""The text encoder: the ids of a text that comes in parts, and its vocabulary, in one pass."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.files import READ_BLOCK
from charrnn.dataset.vocabulary import Vocabulary, code_points, smallest_type
from charrnn.types import Ids


class TextEncoder:
    """Encodes a text of any length in one pass: a character gets the next id when it first occurs.

    Once all characters are known, `finish` puts the ids in the order of the code points. Memory holds the ids, in the
    smallest type that fits, and only one part of the text at a time.
    """

    def __init__(self) -> None:
        self.points: list[int] = []  # id → code point
        self.ids = bytearray()
        self.dtype = smallest_type(0)
        self._build_tables()

    def _build_tables(self) -> None:
        self.unknown = np.iinfo(self.dtype).max
        self.table = np.full(0x110000, self.unknown, self.dtype)  # code point → id
        self.table[self.points] = np.arange(len(self.points))
        self.ascii = self.table[:256].tobytes() if self.dtype == np.uint8 else b""
        self.known = bytes(point for point in self.points if point < 128)

    def add(self, text: str) -> None:
        """Encodes the next part of the text."""
        if self.ascii and text.isascii():  # `translate` of bytes is faster than arrays
            raw = text.encode("ascii")
            if new := raw.translate(None, self.known):
                self._add_characters(np.frombuffer(new, np.uint8))
            if self.ascii:
                self.ids += raw.translate(self.ascii)
                return
        points = code_points(text)
        ids = self.table.take(points, mode="clip")  # none is out of bounds: "clip" only saves the check
        if ids.size and ids.max() == self.unknown:
            self._add_characters(points[ids == self.unknown])
            ids = self.table.take(points, mode="clip")
        self.ids += ids.data

    def _add_characters(self, points: NDArray[np.unsignedinteger[Any]]) -> None:
        """Gives new characters their ids; widens the type of the ids if these and the unknown marker need it."""
        self.points += np.unique(points).tolist()
        if (wider := smallest_type(len(self.points) + 1)) != self.dtype:
            self.ids = bytearray(np.frombuffer(self.ids, self.dtype).astype(wider).data.cast("B"))
            self.dtype = wider
        self._build_tables()

    def finish(self) -> tuple[Ids, Vocabulary]:
        """The ids [N] of the whole text, and its vocabulary."""
        ids = np.frombuffer(self.ids, self.dtype)
        order = np.argsort(self.points)
        rank = np.empty(len(order), smallest_type(len(order)))
        rank[order] = np.arange(len(order))
        sorted_ids = renumber(ids, rank, out=ids if ids.dtype == rank.dtype else None)
        return sorted_ids, Vocabulary(sorted(map(chr, self.points)) or " ")


def renumber(ids: Ids, numbers: Ids, out: Ids | None = None) -> Ids:
    """numbers[ids], block by block: NumPy makes an index of eight bytes from each id."""
    found = np.empty_like(ids, numbers.dtype) if out is None else out
    for start in range(0, len(ids), READ_BLOCK):
        found[start : start + READ_BLOCK] = numbers.take(ids[start : start + READ_BLOCK], mode="clip")
    return found
