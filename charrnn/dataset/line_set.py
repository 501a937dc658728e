"""The line set: which lines the training text had, as digests that recognise a line but can't reproduce one."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint32]

MAX_LINES = 1 << 22
"""The most different lines whose digests are kept, which takes 16 MB; for more lines, none are kept."""


def line_digests(lines: Iterable[str]) -> Digests:
    """A number for each line: the 32-bit BLAKE2b of its UTF-8 bytes, as `b2sum -l 32` prints it, little-endian.

    Two different lines have the same digest with probability 1 / 2³².
    """
    found = bytearray()
    for line in lines:
        found += blake2b(line.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return np.frombuffer(found, "<u4")


@dataclass(frozen=True)
class LineSet:
    """The different lines of a text.

    A line of the text is always found. Another line is taken for one of the text with probability R / 2³², where R is
    the number of different lines: 1 in 500,000 for 8,000 lines, 1 in 1,000 for four million.
    """

    longest: int
    """The characters of the longest line."""
    digests: Digests | None = field(repr=False)
    """In ascending order, without duplicates; None for a text of more than `MAX_LINES` different lines."""
    usual: int | None = None
    """The characters of the longest line but for a few that are much longer than the rest; None if there are none."""

    @classmethod
    def from_digests(cls, longest: int, digests: Digests, usual: int | None = None) -> "LineSet":
        """The set of the lines with these digests, duplicates included."""
        distinct = np.unique(digests)
        usual = None if usual == longest else usual
        return cls(longest, distinct if len(distinct) <= MAX_LINES else None, usual)

    @property
    def default_length(self) -> int:
        """The characters after which a sampled line is cut if no length is given: twice the longest usual line."""
        return 2 * (self.longest if self.usual is None else self.usual)

    def to_json(self) -> dict[str, Any]:
        """The set as JSON data, the digests in base64."""
        text = None if self.digests is None else base64.b64encode(self.digests.astype("<u4").tobytes()).decode()
        usual = {} if self.usual is None else {"usual": self.usual}
        return {"longest": self.longest, "digests": text} | usual

    @classmethod
    def from_json(cls, data: Any) -> "LineSet":
        """Undoes `to_json`; raises `ValueError` for data that `to_json` can't have made."""
        try:
            longest, text, usual = data["longest"], data["digests"], data.get("usual")
            digests = None if text is None else np.frombuffer(base64.b64decode(text, validate=True), "<u4")
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("this is not a set of lines") from error
        if type(longest) is not int or not 0 < longest < 2**53:
            raise ValueError("the length of the longest line is out of range")
        if usual is not None and (type(usual) is not int or not 0 < usual < longest):
            raise ValueError("the length of the longest usual line is out of range")
        if digests is not None and (digests[1:] <= digests[:-1]).any():
            raise ValueError("the digests are not in order")
        return cls(longest, digests, usual)

    def __contains__(self, line: str) -> bool:
        if self.digests is None:
            return False
        (digest,) = line_digests([line])
        place = np.searchsorted(self.digests, digest)
        return bool(place < len(self.digests) and self.digests[place] == digest)
