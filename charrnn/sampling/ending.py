"""The end of a text: before or after a given text, or with a sentence; what may still be cut is withheld."""

from collections.abc import Sequence

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.sampling.charset import charset_mask
from charrnn.sampling.constraints import WholeTextConstraint
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.sentences import SentenceEnds
from charrnn.types import Mask


class Ending:
    """Takes one text as it is drawn, finds its end, and returns what is certain to stay in it."""

    def __init__(self, request: SamplingRequest, vocabulary: Vocabulary):
        self.vocabulary, self.min_length = vocabulary, request.min_length
        self.stops = sorted(filter(None, request.stops), key=len, reverse=True)  # the longest ends a text further back
        self.stop_after = [stop for stop in request.stop_after if stop]
        self.sentences = SentenceEnds() if request.end == "sentence" else None
        self.kept = 0
        """The characters, for a model of bytes the bytes, of what was returned."""
        self.withheld, self.tail, self.waiting = "", "", ""
        self.ended = False
        self.stopped_before = ""
        """The one of `stops` before which the text has ended, if it has."""

    @property
    def is_early(self) -> bool:
        """Whether the text may end before its length."""
        return bool(self.stops or self.stop_after or self.sentences)

    def may_end_in(self, piece: str) -> bool:
        """Whether the text may end in a piece: if not, all of it can be added at once."""
        return any(stop in self.withheld + piece for stop in self.stops) or any(
            stop in self.tail + piece for stop in self.stop_after
        )

    def add(self, piece: str, drawn: int) -> str:
        """Adds the piece that is complete after `drawn` characters; returns what is certain to be in the text."""
        free = self._before_stop(piece) if self.stops else piece
        if self.stop_after and piece and not self.ended:
            longest = max(map(len, self.stop_after))
            self.tail = (self.tail + piece)[-longest:]
            if drawn >= self.min_length and self.tail.endswith(tuple(self.stop_after)):
                self.ended = True
                free, self.withheld = free + self.withheld, ""
        return self._keep(free, self.ended)

    def rest(self, piece: str) -> str:
        """The withheld part after the last piece, without what follows the last sentence if the text ends with one."""
        free, self.withheld = self.withheld + piece, ""
        return self._keep(free, True)

    def _before_stop(self, piece: str) -> str:
        """Adds a piece to the withheld part, and returns what can no longer begin a stop text; ends at a stop text."""
        self.withheld += piece
        for stop in self.stops:
            if piece and self.withheld.endswith(stop):
                free, self.withheld, self.ended = self.withheld[: -len(stop)], "", True
                self.stopped_before = stop
                return free
        longest = max(len(stop) for stop in self.stops) - 1
        start = next(
            n
            for n in range(max(0, len(self.withheld) - longest), len(self.withheld) + 1)
            if n == len(self.withheld) or any(stop.startswith(self.withheld[n:]) for stop in self.stops)
        )
        free, self.withheld = self.withheld[:start], self.withheld[start:]
        return free

    def _keep(self, free: str, is_last: bool) -> str:
        """What stays of a part that no stop text can cut any more."""
        if self.sentences is None:
            self.kept += self._size(free)
            return free
        ends = [self.sentences.add(c) for c in free] + ([self.sentences.end()] if is_last else [])
        kept = ""
        for sentence in filter(None, ends):
            self.waiting += sentence
            if self.kept + self._size(self.waiting) >= self.min_length:
                self.kept += self._size(self.waiting)
                kept, self.waiting = kept + self.waiting, ""
        return kept

    def _size(self, text: str) -> int:
        """The characters, for a model of bytes the bytes, of a text."""
        return len(text.encode("utf-8", "surrogateescape")) if self.vocabulary.is_bytes else len(text)


class MinLength:
    """The constraint that a text has at least N characters before a stop text: until then none can be completed."""

    option = "`min_length`"

    def __init__(self, N: int, stops: Sequence[str], vocabulary: Vocabulary):
        self.N, self.V = N, len(vocabulary)
        possible = [stop for stop in stops if stop and not missing(stop, vocabulary)]
        self.stops: list[list[int]] = [vocabulary.encode(stop).tolist() for stop in possible]
        self.longest = max(map(len, self.stops), default=1)
        self.added = 0
        self.tail: list[int] = []

    @property
    def is_met(self) -> bool:
        """Whether every stop text may come from now on."""
        return self.added + 1 - self.longest >= self.N

    def allowed(self, left: int = -1) -> Mask:
        mask = np.ones(self.V, bool)
        for *begun, last in self.stops:
            if self.added - len(begun) < self.N and self.tail[len(self.tail) - len(begun) :] == begun:
                mask[last] = False
        return mask

    def add(self, v: int) -> None:
        self.added += 1
        self.tail = [*self.tail, v][-self.longest :]


def missing(text: str, vocabulary: Vocabulary) -> str:
    """The characters of a text that a model of this vocabulary never writes, each once."""
    if vocabulary.is_bytes:
        return "".join(c for c in dict.fromkeys(text) if "\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff")
    return "".join(c for c in dict.fromkeys(text) if c not in vocabulary.characters)


def can_end(request: SamplingRequest, vocabulary: Vocabulary) -> bool:
    """Whether a text has an end: a length, a text that ends it and can come, or a match after which nothing can come.

    Raises `SamplingError` and `ConfigError` as the constraints do when a text begins.
    """
    if request.max_length >= 0:
        return True
    mask = charset_mask(request.config, vocabulary.characters, request.stops, vocabulary.is_bytes)
    possible = [stop for stop in (*request.stops, *request.stop_after) if stop and not missing(stop, vocabulary)]
    if any(mask is None or mask[vocabulary.encode(stop)].all() for stop in possible):
        return True
    constraints = request.constraints(np.empty(0, np.int64)) if request.constraints else ()
    everything = np.ones(len(vocabulary), bool) if mask is None else mask
    for match in (constraint for constraint in constraints if isinstance(constraint, WholeTextConstraint)):
        match.begin(everything, (), request.max_length, request.min_length)
        if match.always_ends():
            return True
    return False
