"""What a model of records knows of the text it was made from: which lines there were, by their digests."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint32]

MAX_LINES = 1 << 22
"""Lines that are known at the most: their digests then take 16 MB. Of a text that has more, none are."""


def line_digests(lines: Iterable[str]) -> Digests:
    """A number for each line: the BLAKE2b of 32 bits of its UTF-8, which `b2sum -l 32` prints, little-endian.

    Different lines have the same one once in 4,294,967,296 times.
    """
    found = bytearray()
    for line in lines:
        found += blake2b(line.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return np.frombuffer(found, "<u4")


@dataclass(frozen=True)
class LineSet:
    """The lines of a text, as a set that knows each again and can't tell any.

    A line that stands in the text is always found in it. One that doesn't is taken for one that does with probability
    R / 2³² where there are R different lines: 1 in 500,000 for 8,000 of them, 1 in 1,000 for four million.
    """

    longest: int
    """Characters of the longest line."""
    line_digests: Digests | None = field(repr=False)
    """In ascending order, each once; None where there were more than `MAX_LINES`."""

    @classmethod
    def of(cls, longest: int, line_digests: Digests) -> "LineSet":
        """What is known of lines that have these digests."""
        distinct = np.unique(line_digests)
        return cls(longest, distinct if len(distinct) <= MAX_LINES else None)

    @property
    def enough(self) -> int:
        """Characters at which a record that is drawn is cut, where nothing else is said: twice the longest line."""
        return 2 * self.longest

    def to_json(self) -> dict[str, Any]:
        """The same as data, with the digests in base64."""
        text = None if self.digests is None else base64.b64encode(self.digests.astype("<u4").tobytes()).decode()
        return {"longest": self.longest, "digests": text}

    @classmethod
    def from_json(cls, data: Any) -> "LineSet":
        """Undoes `to_json`; raises `ValueError` for data that it has not written."""
        try:
            longest, text = data["longest"], data["digests"]
            line_digests = None if text is None else np.frombuffer(base64.b64decode(text, validate=True), "<u4")
        except (TypeError, KeyError) as error:
            raise ValueError("this is not what is known of lines") from error
        if type(longest) is not int or not 0 < longest < 2**53:
            raise ValueError("the length of the longest line is none")
        if line_digests is not None and (line_digests[1:] <= line_digests[:-1]).any():
            raise ValueError("the digests are not in order")
        return cls(longest, line_digests)

    def __contains__(self, line: str) -> bool:
        if self.digests is None:
            return False
        (digest,) = line_digests([line])
        place = np.searchsorted(self.digests, digest)
        return bool(place < len(self.digests) and self.digests[place] == digest)
