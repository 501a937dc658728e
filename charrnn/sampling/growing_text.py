"""The growing text: one text while it is drawn, which knows its constraints and where it ends."""

import codecs
from collections.abc import Iterable

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import SamplingError
from charrnn.sampling.decoder import BatchDecoder
from charrnn.sampling.filters import Recent
from charrnn.sampling.match import Match
from charrnn.sampling.request import SamplingRequest
from charrnn.types import Array, Ids, Mask


class GrowingText:
    """A text of a batch: it counts what was drawn, and withholds what may still turn out to begin a stop text."""

    def __init__(self, batch: BatchDecoder, request: SamplingRequest, recent: Recent):
        """`recent` [LOOKBACK] has the last characters of the text so far, padded with V at the front.

        Raises `SamplingError` if no text can match within the length.
        """
        vocabulary = batch.model.vocabulary
        self.decode = IncrementalDecoder(vocabulary)
        self.length, self.stops = request.max_length, [stop for stop in request.stops if stop]
        self.constraints = request.constraints(recent[recent < len(vocabulary)]) if request.constraints else ()
        self.mask = np.ones(len(vocabulary), bool) if batch.mask is None else batch.mask
        self.ended = self.length == 0
        self.chars, self.logprob, self.withheld = 0, 0.0, ""
        self.error: SamplingError | None = None
        """Why the text could not be written as the constraints ask; it has ended then."""
        self.matches = [constraint for constraint in self.constraints if isinstance(constraint, Match)]
        for match in self.matches:
            match.begin(self.mask, self.stops, self.length)
        if self.ended:
            self._check_match()

    def allowed(self) -> Mask:
        """The characters [V] that may come next; all of them after the end, since they are discarded.

        If no character may come, the text ends; it fails if there is no match that is complete.
        """
        if self.ended:
            return np.ones_like(self.mask)
        mask, left = self.mask.copy(), self.length - self.chars if self.length >= 0 else -1
        try:
            for constraint in self.constraints:
                mask &= constraint.allowed(left)
            if not mask.any() and not any(match.complete() for match in self.matches):
                self._fail(f"no character may come after {self.chars} characters: loosen the constraints")
        except SamplingError as error:
            self._fail(str(error))
        if self.error or not mask.any():
            self.ended = True
            mask[:] = True
        return mask

    def add(self, ids: Ids, logps: Array) -> str:
        """Adds characters that were drawn, up to the end of the text; returns the part that is certain to be in it.

        A text that reaches its length and does not match fails.
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
        """The withheld part, which begins no stop text after all, and the bytes of an incomplete character."""
        return self.withheld + self.decode([], final=True)

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
        try:
            if not all(match.complete() for match in self.matches):
                self._fail(f"the text does not match after {self.chars} characters: give a larger --length")
        except SamplingError as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        self.error = SamplingError(why)


class IncrementalDecoder:
    """Turns ids into text; for a model of bytes, a character may arrive in several pieces."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def __call__(self, ids: Iterable[int], final: bool = False) -> str:
        if self.vocabulary.is_bytes:
            return self.utf8.decode(bytes(int(v) for v in ids), final)
        return self.vocabulary.decode(ids)
