"""The vocabulary: which characters there are, and the number of each."""

import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError
from charrnn.types import Ids

UNKNOWN = np.uint32(0xFFFFFFFF)
"""Stands in the encoding table where a character has no number."""


def smallest_type(V: int) -> np.dtype[Any]:
    """The smallest unsigned integer type that holds the ids 0 … V-1."""
    return np.min_scalar_type(max(V - 1, 0))


def code_points(text: str) -> NDArray[np.uint32]:
    """The characters of a text as numbers; lone surrogates, which `surrogateescape` makes, are characters too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def describe(character: str) -> str:
    """A character fit to be shown: `'ж' (U+0436 CYRILLIC SMALL LETTER ZHE)`; or the byte that a surrogate is for."""
    if "\udc80" <= character <= "\udcff":
        return f"the byte {ord(character) - 0xDC00:02X} (no UTF-8)"
    point = f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
    return f"'{character}' ({point})" if character.isprintable() else point


class Vocabulary:
    """Characters and their ids, in the order of the code points.

    `characters` is a sequence of distinct one-character strings, or None for the 256 bytes, whose ids are themselves.
    """

    def __init__(self, characters: Iterable[str] | None):
        self.is_bytes = characters is None
        self.characters: tuple[str, ...] = tuple(map(chr, range(256)) if characters is None else characters)
        if not self.characters or any(not isinstance(c, str) or len(c) != 1 for c in self.characters):
            raise VocabularyError("a vocabulary is a list of single characters")
        if len(set(self.characters)) != len(self.characters):
            raise VocabularyError("a character stands twice in the vocabulary")

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """The vocabulary of a text. Raises `VocabularyError` where the text is empty."""
        seen = np.zeros(0x110000, bool)
        for start in range(0, len(text), 1 << 20):
            seen[code_points(text[start : start + (1 << 20)])] = True
        return cls(map(chr, np.flatnonzero(seen)))

    def __len__(self) -> int:
        return len(self.characters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.is_bytes, self.characters) == (other.is_bytes, other.characters)

    def __hash__(self) -> int:
        return hash((self.is_bytes, self.characters))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which ids are stored."""
        return smallest_type(len(self))

    @cached_property
    def start(self) -> int:
        """The id that stands before the first character of a text: newline, else space, else 0.

        A text begins as a line does; so an unprimed sample, and the score of a text, take this for their context.
        """
        for character in "\n ":
            if character in self.characters:
                return self.characters.index(character)
        return 0

    @cached_property
    def _table(self) -> NDArray[np.uint32]:
        points = np.array([ord(c) for c in self.characters])
        table = np.full(int(points.max()) + 2, UNKNOWN, np.uint32)  # the last entry serves all higher code points
        table[points] = np.arange(len(self))
        return table

    def encode(self, text: str | bytes) -> Ids:
        """The ids [N] of a text. Raises `VocabularyError` that names the characters that are not known.

        For a vocabulary of bytes a text stands for its UTF-8; bytes for a vocabulary of characters are decoded from it.
        """
        if self.is_bytes:
            try:
                raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                stranger = describe(error.object[error.start])
                raise VocabularyError(f"no bytes stand for {stranger}: leave it out") from None
            return np.frombuffer(raw, np.uint8)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        ids = np.empty(len(text), self.dtype)
        for start in range(0, len(text), 1 << 20):
            points = code_points(text[start : start + (1 << 20)])
            found = self._table.take(points, mode="clip")
            if found.size and found.max() == UNKNOWN:
                raise VocabularyError(self._unknown(text))
            ids[start : start + len(points)] = found
        return ids

    def replace_unknown(self, text: str, policy: str) -> tuple[str, int]:
        """A text without strangers, and how many there were: `skip` leaves them out, `nearest` takes what is most like
        them, and with `error` they stay, to be refused by `encode`.

        Most like a character is the same one in the other case, then the letter or digit that it is made of, with the
        accents gone, then a plain dash, quote or space for one that is not; else it is left out too. Raises
        `ConfigError` for another policy.
        """
        if policy not in ("error", "skip", "nearest"):
            raise ConfigError(f"unknown can't be {policy!r}: choose one of error, skip, nearest")
        strangers = set() if self.is_bytes else set(text) - set(self.characters)
        if not strangers or policy == "error":
            return text, 0
        instead = {ord(c): self._nearest(c) if policy == "nearest" else "" for c in strangers}
        return text.translate(instead), sum(c in strangers for c in text)

    def _nearest(self, character: str) -> str:
        plain = unicodedata.normalize("NFKD", character)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        category = unicodedata.category(character)
        tries = [character.swapcase(), plain, plain.swapcase()]
        if category == "Pd":
            tries.append("-")
        if category in ("Pi", "Pf", "Ps", "Pe", "Po"):
            tries += ["'", '"'] if character in "‘’‚‛′" else ['"', "'"]
        if category.startswith("Z") or character in "\t\n":
            tries.append(" ")
        return next((text for text in tries if text and set(text) <= set(self.characters)), "")

    def select(self, text: str | bytes) -> tuple[Ids, NDArray[np.bool_]]:
        """The ids of those characters of a text [N] that are known, and which these are: a mask [N]."""
        if self.is_bytes:
            ids = self.encode(text)
            return ids, np.ones(len(ids), bool)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        found = self._table.take(code_points(text), mode="clip")
        known = found != UNKNOWN
        return found[known].astype(self.dtype), known

    def _unknown(self, text: str) -> str:
        strangers = sorted(set(text) - set(self.characters))
        named = ", ".join(map(describe, strangers[:3])) + (f" and {len(strangers) - 3} more" * (len(strangers) > 3))
        return f"the model has never seen {named}: leave these out, or train on a text that has them"

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; of bytes, those that are no UTF-8 become lone surrogates, as `surrogateescape` does."""
        text = "".join(self.characters[i] for i in ids)
        return text.encode("latin-1").decode("utf-8", "surrogateescape") if self.is_bytes else text
