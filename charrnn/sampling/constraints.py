"""The constraints of sampling: each says, before every character, which characters may come next."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.sampling.filters import Recent
from charrnn.types import Mask

if TYPE_CHECKING:
    from charrnn.dataset.corpus import Corpus

ConstraintFactory = Callable[[Recent], Sequence["Constraint"]]
"""Makes the constraints of one text, which continues the given characters."""


class Constraint(Protocol):
    """A condition on one text; it follows the text as it grows."""

    def allowed(self, left: int = -1) -> Mask:
        """The characters [V] that may come next; none if the text can't continue.

        `left` is how many may still come; -1: any number.
        """

    def add(self, v: int) -> None:
        """Adds character v to the text."""


@runtime_checkable
class WholeTextConstraint(Constraint, Protocol):
    """A condition on the whole text, which ends only where it holds."""

    def begin(self, mask: Mask, stops: Sequence[str], length: int, min_length: int = 0) -> None:
        """Begins a text of characters in `mask` [V] that ends at its length (-1: never) or before a stop text.

        No stop text ends it before `min_length`; of those that end at the same place, the longest does.
        """

    def complete(self) -> bool:
        """Whether the condition holds for the text as it is."""

    def always_ends(self) -> bool:
        """Whether a text without a length is certain to come to a place where it is complete and can't go on."""

    def is_certain(self) -> bool:
        """Whether a text with no other constraint is certain not to fail."""


MIN_KNOWN, MIN_KNOWN_NGRAMS = 0.5, 0.01
"""The smallest shares of the characters, and of the (N + 1)-grams, of a corpus that a model has to know."""
HASH_BLOCK = 1 << 22
"""Characters of a corpus that are hashed at once, which bounds the RAM for the hashes of one block."""


class CorpusNgrams:
    """The different (N + 1)-grams of a corpus, as hashes: a text that copies at most N characters has none of them.

    The hash of x₀ … x_N is Σ (x_i + 1) b^(N-i) modulo 2⁶⁴ (R. Karp, M. Rabin, 1987), so that each follows from the one
    before. Each takes 8 bytes. An n-gram whose hash collides with one of these is banned too.
    """

    BASE = np.uint64(0x9E3779B97F4A7C15)

    def __init__(self, corpus: "Corpus", vocabulary: Vocabulary, N: int):
        """Raises `ConfigError` for an N below 1; `CorpusError` for a corpus of which too little is known to the model:
        then the text is probably in another encoding, and whatever was copied from it would not be noticed.
        """
        if N < 1:
            raise ConfigError(f"max_copy must be at least 1, not {N}")
        self.N, self.V = N, len(vocabulary)
        known = {c: v for v, c in enumerate(vocabulary.characters)}
        unknown = self.V  # a character that the model never writes
        ids = np.array([known.get(c, unknown) for c in corpus.vocabulary.characters], np.uint64)
        self.hashes, pending = np.empty(0, np.uint64), [np.empty(0, np.uint64)]
        n_known = n_ngrams = 0
        for start in range(0, len(corpus.ids), HASH_BLOCK):
            block = ids[corpus.ids[start : start + HASH_BLOCK + N]] + np.uint64(1)
            pending.append(np.unique(_window_hashes(block, N + 1)))
            upto = np.concatenate(([0], np.cumsum(block <= self.V)))
            n_known += int(upto[min(len(block), HASH_BLOCK)])
            n_ngrams += int(np.count_nonzero(upto[N + 1 :] - upto[: -(N + 1)] == N + 1))
            # Merge only when there are as many new hashes as old ones, so that each is sorted a few times only
            if sum(map(len, pending)) >= len(self.hashes) or start + HASH_BLOCK >= len(corpus.ids):
                self.hashes, pending = np.unique(np.concatenate((self.hashes, *pending))), []
        self._check(corpus, n_known, n_ngrams)

    def _check(self, corpus: "Corpus", n_known: int, n_ngrams: int) -> None:
        """Raises `CorpusError` if too few of the characters, or of the (N + 1)-grams, are known to the model."""
        n = len(corpus.ids)
        if n_known < MIN_KNOWN * n:
            what = f"{1 - n_known / n:.0%} of the characters"
        elif n_ngrams < MIN_KNOWN_NGRAMS * (n - self.N):
            what = f"a character in nearly each {self.N + 1} in a row"
        else:
            return
        raise CorpusError(
            f"the model has never seen {what} of {corpus.name}, so that `max_copy` has no effect: give its `encoding`, "
            "or the text that the model was trained on"
        )

    def followers(self, window: Recent) -> Mask:
        """The characters [V] that follow the given N characters somewhere in the corpus."""
        before = _window_hashes(window.astype(np.uint64) + np.uint64(1), self.N)  # [1]
        candidates = before * self.BASE + np.arange(1, self.V + 1, dtype=np.uint64)
        at = np.minimum(np.searchsorted(self.hashes, candidates), max(len(self.hashes) - 1, 0))
        return self.hashes[at] == candidates if len(self.hashes) else np.zeros(self.V, bool)


def _window_hashes(values: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """The hashes of all windows of a length, from those of half the length, as in exponentiation by squaring."""
    if len(values) < length:
        return values[:0]
    if length == 1:
        return values
    half = _window_hashes(values, length // 2)
    shift = length // 2
    both = half[:-shift] * _power(shift) + half[shift:]
    return both if length % 2 == 0 else both[:-1] * CorpusNgrams.BASE + values[2 * shift :]


def _power(n: int) -> np.uint64:
    return np.uint64(pow(int(CorpusNgrams.BASE), n, 2**64))


class MaxCopy:
    """The text has at most N consecutive characters in common with the corpus, the text that it continues included."""

    option = "`max_copy`"

    def __init__(self, ngrams: CorpusNgrams, recent: Recent):
        self.ngrams = ngrams
        self.window = [int(v) for v in recent[-ngrams.N :]]

    def allowed(self, left: int = -1) -> Mask:
        if len(self.window) < self.ngrams.N:
            return np.ones(self.ngrams.V, bool)
        return ~self.ngrams.followers(np.array(self.window))

    def add(self, v: int) -> None:
        self.window = [*self.window, v][-self.ngrams.N :]
