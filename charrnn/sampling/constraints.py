"""The constraints of sampling: each says, before every character, which ones may come if the text is to be right."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.corpus import Corpus
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError
from charrnn.sampling.filters import Recent

Mask = NDArray[np.bool_]
"""[V]: which characters may come."""

ConstraintFactory = Callable[[Recent], Sequence["Constraint"]]
"""Makes the constraints of a text that goes on from some characters."""


class Constraint(Protocol):
    """What one text must be like; it follows the text as it grows."""

    def allowed(self) -> Mask:
        """Which characters [V] may come next; none where the text can't go on."""

    def add(self, v: int) -> None:
        """The text goes on with character v."""


REGEX_TIMEOUT = 2.0
"""Seconds that a regular expression may take to say whether a character may come: some take longer than a life."""


class Match:
    """The text as a whole matches a regular expression.

    A character may come if some text that begins like this one with it does match: the `regex` library calls that a
    partial match. A character that ends a text, such as the end of a line, may come when the text matches.
    """

    def __init__(self, pattern: str, vocabulary: Vocabulary, ends: Sequence[str] = ()):
        """Raises `ConfigError` for what is no regular expression, or without the library, and for a model of bytes."""
        if vocabulary.is_bytes:
            raise ConfigError("--match is for models of characters: this one is of bytes")
        try:
            import regex
        except ImportError:
            raise ConfigError("--match needs the library regex: pip install 'charrnn[match]'") from None
        try:
            self.pattern: Any = regex.compile(pattern)
        except regex.error as error:
            raise ConfigError(f"{pattern!r} is no regular expression: {error}") from None
        self.characters, self.ends = vocabulary.characters, ends
        self.text = ""

    def complete(self) -> bool:
        """Whether the text, as it is, matches. Raises `SamplingError` where that takes too long to find out."""
        return self._fits(self.text)

    def allowed(self) -> Mask:
        return np.array(
            [self.complete() if c in self.ends else self._fits(self.text + c, partial=True) for c in self.characters]
        )

    def _fits(self, text: str, partial: bool = False) -> bool:
        try:
            return self.pattern.fullmatch(text, partial=partial, timeout=REGEX_TIMEOUT) is not None
        except TimeoutError:
            raise SamplingError("the regular expression takes too long: one with fewer nested repeats may do") from None

    def add(self, v: int) -> None:
        self.text += self.characters[v]


HASH_BLOCK = 1 << 22
"""Characters of a corpus that are hashed at once: what that takes for a while is no more for a larger one."""


class Copies:
    """The pieces of N + 1 characters that stand in a corpus, as hashes: what a text must not hold to copy at most N.

    The hash of x₀ … x_N is Σ (x_i + 1) b^(N-i) modulo 2⁶⁴ (R. Karp, M. Rabin, 1987), so that the next one follows from
    the one before. 8 bytes for every distinct piece; what collides by chance is banned as well.
    """

    BASE = np.uint64(0x9E3779B97F4A7C15)

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary, N: int):
        if N < 1:
            raise ConfigError(f"max_copy must be at least 1, not {N}")
        self.N, self.V = N, len(vocabulary)
        known = {c: v for v, c in enumerate(vocabulary.characters)}
        strange = self.V  # a character that the model doesn't know is in no text of it
        numbers = np.array([known.get(c, strange) for c in corpus.vocabulary.characters], np.uint64)
        self.hashes, waiting = np.empty(0, np.uint64), [np.empty(0, np.uint64)]
        for start in range(0, len(corpus.ids), HASH_BLOCK):
            piece = numbers[corpus.ids[start : start + HASH_BLOCK + N]] + np.uint64(1)
            waiting.append(np.unique(_windows(piece, N + 1)))
            # Merged when they are as many as those that were: so each is sorted a few times only
            if sum(map(len, waiting)) >= len(self.hashes) or start + HASH_BLOCK >= len(corpus.ids):
                self.hashes, waiting = np.unique(np.concatenate((self.hashes, *waiting))), []

    def followers(self, window: Recent) -> Mask:
        """Which characters [V] would make, of the last N characters, a piece that stands in the corpus."""
        before = _windows(window.astype(np.uint64) + np.uint64(1), self.N)  # [1]
        candidates = before * self.BASE + np.arange(1, self.V + 1, dtype=np.uint64)
        at = np.minimum(np.searchsorted(self.hashes, candidates), max(len(self.hashes) - 1, 0))
        return self.hashes[at] == candidates if len(self.hashes) else np.zeros(self.V, bool)


def _windows(values: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """The hashes of all windows of some length, made of those of half that length, as powers are made of squares."""
    if len(values) < length:
        return values[:0]
    if length == 1:
        return values
    half = _windows(values, length // 2)
    shift = length // 2
    both = half[:-shift] * _power(shift) + half[shift:]
    return both if length % 2 == 0 else both[:-1] * Copies.BASE + values[2 * shift :]


def _power(n: int) -> np.uint64:
    return np.uint64(pow(int(Copies.BASE), n, 2**64))


class NoCopy:
    """No more than N characters in a row stand in the corpus like that; those that the text goes on from count."""

    def __init__(self, copies: Copies, before: Recent):
        self.copies = copies
        self.window = [int(v) for v in before[-copies.N :]]

    def allowed(self) -> Mask:
        if len(self.window) < self.copies.N:
            return np.ones(self.copies.V, bool)
        return ~self.copies.followers(np.array(self.window))

    def add(self, v: int) -> None:
        self.window = [*self.window, v][-self.copies.N :]
