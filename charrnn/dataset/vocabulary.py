"""The vocabulary: the characters that a model knows, and the id of each."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import one_of
from charrnn.dataset import marks
from charrnn.dataset.encoding_detection import encoding_advice
from charrnn.dataset.text_form import clusters
from charrnn.errors import VocabularyError
from charrnn.types import Ids

TAB = "\t"
"""Ends the source of a pair."""
UNKNOWN = np.uint32(0xFFFFFFFF)
"""Marks a character without an id in the encoding table."""
ENCODE_BLOCK = 1 << 20
"""Characters to encode at once, so that the intermediate arrays stay small."""
POLICIES = ("error", "skip", "nearest")
"""The ways in which `Vocabulary.replace_unknown` treats unknown characters."""
MAX_SAMPLE = 1 << 14
"""The characters on either side of an invalid byte from which the encoding of a text is guessed."""
MAX_NAMED = 3
"""The most unknown characters that an error names."""


def smallest_type(V: int) -> np.dtype[Any]:
    """The smallest unsigned integer type that holds the ids 0 … V-1."""
    return np.min_scalar_type(max(V - 1, 0))


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points [N] of a text. Lone surrogates, which `surrogateescape` makes, are characters too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def describe(character: str) -> str:
    """A character in printable form, `'ж' (U+0436 CYRILLIC SMALL LETTER ZHE)`; a lone surrogate as its byte."""
    if "\udc80" <= character <= "\udcff":
        return f"the byte {ord(character) - 0xDC00:02X} (not UTF-8)"
    point = f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
    return f"'{character}' ({point})" if character.isprintable() else point


def _raw(text: str) -> bytes:
    """The bytes from which the beginning of a text was decoded as UTF-8, if it was."""
    first = next((n for n, c in enumerate(text) if "\udc80" <= c <= "\udcff"), 0)
    sample = text[max(0, first - MAX_SAMPLE) : first + MAX_SAMPLE]
    return "".join(c for c in sample if not "\ud800" <= c < "\udc80" and not "\udcff" < c <= "\udfff").encode(
        "utf-8", "surrogateescape"
    )


class Vocabulary:
    """The characters, by their ids: `characters[id]`.

    `characters` are distinct one-character strings, or None for the 256 bytes, whose ids are their values. Raises
    `VocabularyError` for anything else.
    """

    def __init__(self, characters: Iterable[str] | None):
        self.is_bytes = characters is None
        self.characters: tuple[str, ...] = tuple(map(chr, range(256)) if characters is None else characters)
        if not self.characters or any(not isinstance(c, str) or len(c) != 1 for c in self.characters):
            raise VocabularyError("a vocabulary is a list of single characters")
        if len(set(self.characters)) != len(self.characters):
            raise VocabularyError("the vocabulary has a character twice")

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """The characters of a text, in the order of their code points. Raises `VocabularyError` for an empty text."""
        seen = np.zeros(0x110000, bool)
        for start in range(0, len(text), ENCODE_BLOCK):
            seen[code_points(text[start : start + ENCODE_BLOCK])] = True
        return cls(map(chr, np.flatnonzero(seen)))

    def extended(self, characters: Iterable[str]) -> "Vocabulary":
        """The vocabulary with more characters: those that it has keep their ids."""
        return Vocabulary((*self.characters, *characters))

    def __len__(self) -> int:
        return len(self.characters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.is_bytes, self.characters) == (other.is_bytes, other.characters)

    def __hash__(self) -> int:
        return hash((self.is_bytes, self.characters))

    @property
    def unit(self) -> str:
        """What its texts are counted in, for messages; the plural ends in s."""
        return "byte" if self.is_bytes else "character"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the ids."""
        return smallest_type(len(self))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.characters)

    @cached_property
    def start(self) -> int:
        """The id of the context before the first character of a text: newline, else space, else 0.

        A text begins like a line, so a sample without a prime and the score of a text both start from this id. Records
        other than lines have another one: see `Model.start`.
        """
        return self.start_after("\n")

    def start_after(self, end: str) -> int:
        """The id of the context before a text that begins as if one had just ended, with this character."""
        return next((self.characters.index(c) for c in (end, "\n", " ") if c in self.characters), 0)

    @cached_property
    def _points(self) -> NDArray[np.uint32]:
        return code_points("".join(self.characters))

    @cached_property
    def _table(self) -> NDArray[np.uint32]:
        table = np.full(int(self._points.max()) + 2, UNKNOWN, np.uint32)  # the last entry is for all higher code points
        table[self._points] = np.arange(len(self))
        return table

    def encode(self, text: str | bytes) -> Ids:
        """The ids [N] of a text. Raises a `VocabularyError` that names the unknown characters.

        A vocabulary of bytes encodes a text as UTF-8; a vocabulary of characters decodes bytes as UTF-8.
        """
        if self.is_bytes:
            try:
                raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                character = describe(error.object[error.start])
                raise VocabularyError(f"{character} can't be encoded as UTF-8: leave it out") from None
            return np.frombuffer(raw, np.uint8)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        ids = np.empty(len(text), self.dtype)
        for start in range(0, len(text), ENCODE_BLOCK):
            points = code_points(text[start : start + ENCODE_BLOCK])
            found = self._table.take(points, mode="clip")
            if found.size and found.max() == UNKNOWN:
                raise self._unknown_error(text)
            ids[start : start + len(points)] = found
        return ids

    def replace_unknown(self, text: str, policy: str) -> tuple[str, int]:
        """A text without its unknown characters, and their number.

        - `error` leaves them in the text, for `encode` to reject, and counts none
        - `skip` leaves them out
        - `nearest` replaces each by the most similar known character: the same letter in the other normal form of
          Unicode (é or e + U+0301), then in the other case, then the letter or digit without accents; a quotation
          mark, dash, space or ellipsis by the known one of another kind, straight quotes by ones that open or close as
          what stands before them says; a character to which none is similar is left out

        Raises `ConfigError` for another policy.
        """
        one_of("unknown", policy, POLICIES)
        known = self._known
        unknown = set() if self.is_bytes else set(text) - known
        if not unknown or policy == "error":
            return text, 0
        n_unknown = sum(c in unknown for c in text)
        if policy == "skip":
            return text.translate(dict.fromkeys(map(ord, unknown), "")), n_unknown
        if marks.joins_dots(known):
            text = text.replace(marks.DOTS, "…")
        text = "".join(self._in_known_form(cluster, known) for cluster in clusters(text))
        return self._with_nearest(text, set(text) - known), n_unknown

    def _with_nearest(self, text: str, unknown: set[str]) -> str:
        """A text with the nearest known characters in place of the unknown ones."""
        placed = {c for c in unknown if marks.depends_on_place(c, self._known)}

        def mark(found: re.Match[str]) -> str:
            return self.nearest(found[0], text[max(0, found.start() - marks.MAX_NESTED - 1) : found.start()])

        if placed:
            text = re.sub(f"[{re.escape(''.join(placed))}]", mark, text)
        return text.translate({ord(c): self.nearest(c) for c in unknown - placed})

    def _in_known_form(self, text: str, known: frozenset[str]) -> str:
        """A text in the normal form in which all its characters are known; as it is if there is none."""
        if known.issuperset(text):
            return text
        forms = (unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
        return next((form for form in forms if known.issuperset(form)), text)

    def nearest(self, character: str, before: str | None = None) -> str:
        """The known characters that are most similar to an unknown one; empty if there are none.

        `before` is the text before it, which says whether a quotation mark opens or closes: see `marks.nearest`.
        """
        if mark := marks.nearest(character, self._known, before):
            return mark
        plain = unicodedata.normalize("NFKD", character)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
        candidates = [character.swapcase(), plain, plain.swapcase()]
        if unicodedata.category(character) in ("Pi", "Pf", "Ps", "Pe", "Po"):  # a mark of another kind
            candidates += ['"', "'"]
        return next((text for text in candidates if text and self._known.issuperset(text)), "")

    def select(self, text: str | bytes) -> tuple[Ids, NDArray[np.bool_]]:
        """The ids of the known characters of a text, and a mask [N] that selects these among all N characters."""
        if self.is_bytes:
            ids = self.encode(text)
            return ids, np.ones(len(ids), bool)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        found = self._table.take(code_points(text), mode="clip")
        known = found != UNKNOWN
        return (found if known.all() else found[known]).astype(self.dtype), known

    def _unknown_error(self, text: str) -> VocabularyError:
        """The error for a text with unknown characters."""
        unknown = sorted(set(text) - set(self.characters))
        named = ", ".join(map(describe, unknown[:MAX_NAMED]))
        if len(unknown) > MAX_NAMED:
            named += f" and {len(unknown) - MAX_NAMED} more"
        advice = "train on a text that has them, or leave them out"
        if on_bytes := self.advice_on_bytes(text):
            advice = f"{on_bytes}, {advice}"
        return VocabularyError(f"the model has never seen {named}: {advice}")

    def advice_on_bytes(self, text: str) -> str:
        """What to do about the unknown characters of a text that are bytes, since it is in another encoding.

        Empty if none are.
        """
        try:
            text.encode()  # many times as fast as a look at each character
        except UnicodeEncodeError:
            unknown = set() if self.is_bytes else set(text) - self._known
            return encoding_advice(_raw(text)) if any("\udc80" <= c <= "\udcff" for c in unknown) else ""
        return ""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids. Bytes that are not UTF-8 become lone surrogates, as with `surrogateescape`."""
        wanted = ids if isinstance(ids, np.ndarray) else np.array([*ids])
        if not wanted.size:
            return ""
        points = self._points.take(wanted)
        text = points.tobytes().decode("utf-32-le", "surrogatepass")
        return text.encode("latin-1").decode("utf-8", "surrogateescape") if self.is_bytes else text
