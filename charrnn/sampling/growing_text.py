"""The growing text: one text while it is drawn, which knows its constraints and where it ends."""

import codecs
from collections.abc import Iterable

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import SamplingError
from charrnn.sampling.constraints import Match
from charrnn.sampling.decoder import BatchDecoder
from charrnn.sampling.filters import Recent
from charrnn.sampling.request import SamplingRequest
from charrnn.types import Array, Ids, Mask


class GrowingText:
    """A text of a batch: it counts what was drawn, and withholds what may still turn out to begin a stop text."""

    def __init__(self, batch: BatchDecoder, request: SamplingRequest, recent: Recent):
        """`recent` [LOOKBACK] has the last characters of the text so far, padded with V at the front.

        Raises `SamplingError` if nothing is to be written and the empty text does not match.
        """
        vocabulary = batch.model.vocabulary
        self.decode = IncrementalDecoder(vocabulary)
        self.length, self.stops = request.max_length, [stop for stop in request.stops if stop]
        self.constraints = request.constraints(recent[recent < len(vocabulary)]) if request.constraints else ()
        self.mask = np.ones(len(vocabulary), bool) if batch.mask is None else batch.mask
        self.ended = self.length == 0
        self.chars, self.logprob, self.withheld = 0, 0.0, ""
        if self.ended:
            self._check_match()

    def allowed(self) -> Mask:
        """The characters [V] that may come next; all of them after the end, since they are discarded.

        Raises `SamplingError` if no character may come and the text does not match as it is.
        """
        if self.ended:
            return np.ones_like(self.mask)
        mask = self.mask.copy()
        for constraint in self.constraints:
            mask &= constraint.allowed()
        if not mask.any():
            if not any(isinstance(c, Match) and c.complete() for c in self.constraints):
                raise SamplingError(f"no character may come after {self.chars} characters: loosen the constraints")
            self.ended = True
            mask[:] = True
        return mask

    def add(self, ids: Ids, logps: Array) -> str:
        """Adds characters that were drawn, up to the end of the text; returns the part that is certain to be in it.

        Raises `SamplingError` if the text reaches its length and does not match.
        """
        if self.ended:
            return ""
        if self.length >= 0:
            ids = ids[: self.length - self.chars]
        if not self.stops:
            grown = self.decode(ids)
            self._count(ids, logps)
        else:
            grown = ""
            for n in range(len(ids)):
                self._count(ids[n : n + 1], logps[n : n + 1])
                grown += self._release(self.decode(ids[n : n + 1]))
                if self.ended:
                    break
        if not self.ended and self.chars == self.length:
            self.ended = True
            self._check_match()
        return grown

    def rest(self) -> str:
        """The withheld part, which begins no stop text after all, and the bytes of an incomplete character; once."""
        withheld, self.withheld = self.withheld, ""
        return withheld + self.decode([], final=True)

    def _count(self, ids: Ids, logps: Array) -> None:
        self.chars += len(ids)
        self.logprob += float(logps[: len(ids)].sum())
        for constraint in self.constraints:
            for v in ids:
                constraint.add(int(v))

    def _release(self, piece: str) -> str:
        """Adds a piece to the withheld part, and returns what can no longer begin a stop text; ends at a stop text."""
        self.withheld += piece
        for stop in self.stops:
            if piece and self.withheld.endswith(stop):
                free, self.withheld, self.ended = self.withheld[: -len(stop)], "", True
                return free
        longest = max(len(stop) for stop in self.stops) - 1
        start = next(
            n
            for n in range(max(0, len(self.withheld) - longest), len(self.withheld) + 1)
            if n == len(self.withheld) or any(stop.startswith(self.withheld[n:]) for stop in self.stops)
        )
        free, self.withheld = self.withheld[:start], self.withheld[start:]
        return free

    def _check_match(self) -> None:
        if any(isinstance(c, Match) and not c.complete() for c in self.constraints):
            raise SamplingError(f"the text does not match after {self.chars} characters: give a larger --length")


class IncrementalDecoder:
    """Turns ids into text; for a model of bytes, a character may arrive in several pieces."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def __call__(self, ids: Iterable[int], final: bool = False) -> str:
        if self.vocabulary.is_bytes:
            return self.utf8.decode(bytes(int(v) for v in ids), final)
        return self.vocabulary.decode(ids)
