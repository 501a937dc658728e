"""The growing text: one text while it is drawn, which knows its constraints and where it ends."""

import codecs
from collections.abc import Sequence

import numpy as np

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError, counted
from charrnn.sampling.constraints import Constraint, WholeTextConstraint
from charrnn.sampling.ending import Ending, MinLength
from charrnn.sampling.filters import Recent
from charrnn.sampling.request import SamplingRequest
from charrnn.types import Array, Ids, Mask


class GrowingText:
    """A text of a batch: it counts what was drawn, and withholds what may still turn out not to be part of it."""

    def __init__(self, vocabulary: Vocabulary, request: SamplingRequest, recent: Recent, mask: Mask | None = None):
        """`recent` [LOOKBACK] has the last characters of the text so far, padded with V at the front.

        `mask` [V] says which characters the configuration allows; None: all.

        Raises `SamplingError` if no text can match within the length; `ConfigError` if the text should be longer than
        its length, or end both with a sentence and a match.
        """
        self.decode, self.ending = IncrementalDecoder(vocabulary), Ending(request, vocabulary)
        self.config = request.config
        self.length, self.min_length = request.max_length, request.min_length
        request.check_min_length(self.length)
        self.constraints: Sequence[Constraint] = (
            request.constraints(recent[recent < len(vocabulary)]) if request.constraints else ()
        )
        if request.end and any(isinstance(c, WholeTextConstraint) for c in self.constraints):
            raise ConfigError("a text can't end both with a match and with a sentence: leave one out")
        if self.min_length and any(request.stops):
            self.constraints = [*self.constraints, MinLength(self.min_length, request.stops, vocabulary)]
        self.mask = np.ones(len(vocabulary), bool) if mask is None else mask
        self.ended, self.is_complete = self.length == 0, False
        self.chars, self.logprob = 0, 0.0
        self.logps: list[float] | None = None if request.end is None else []
        """The log-probability of each character, if the text may end before the last of them."""
        self.error: SamplingError | None = None
        """Why the text could not be written as the constraints ask; it has ended then."""
        self.matches = [constraint for constraint in self.constraints if isinstance(constraint, WholeTextConstraint)]
        for match in self.matches:
            match.begin(self.mask, self.ending.stops, self.length, self.min_length)
        if self.ended:
            self._check_match()

    @property
    def is_certain(self) -> bool:
        """Whether it is certain not to fail."""
        others = [c for c in self.constraints if c not in self.matches and not isinstance(c, MinLength)]
        return not others and (not self.matches or (len(self.matches) == 1 and self.matches[0].is_certain()))

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
            complete = mask.any() or any(match.complete() for match in self.matches)
            if not complete or (not mask.any() and self.chars < self.min_length):
                self._fail(f"no character may come after {counted(self.chars, 'characters')}: loosen {self._limits()}")
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
        may_end = self.ending.is_early and self.ending.may_end_in(self.decode.peek(ids))
        grown, step = "", 1 if may_end else max(1, len(ids))
        for n in range(0, len(ids), step):
            self._count(ids[n : n + step], logps[n : n + step])
            grown += self.ending.add(self.decode(ids[n : n + step]), self.chars)
            if self.ending.ended:
                break
        if self.ending.ended or self.chars == self.length:
            self.ended = True
            if not self.ending.stopped_before:
                self._check_match()
        return grown

    def rest(self) -> str:
        """The withheld part, without what follows the end, and the bytes of an incomplete character; once."""
        if self.is_complete:
            return ""
        self.is_complete = True
        rest = self.ending.rest(self.decode([], final=True))
        if self.logps is not None:
            self.chars, self.logprob = self.ending.kept, sum(self.logps[: self.ending.kept])
        return rest

    def _count(self, ids: Ids, logps: Array) -> None:
        self.chars += len(ids)
        self.logprob += float(logps[: len(ids)].sum())
        if self.logps is not None:
            self.logps += logps[: len(ids)].tolist()
        for constraint in self.constraints:
            for v in ids:
                constraint.add(int(v))
        if self.min_length:
            self.constraints = [c for c in self.constraints if not isinstance(c, MinLength) or not c.is_met]

    def _check_match(self) -> None:
        try:
            if not all(match.complete() for match in self.matches):
                self._fail(f"the text does not match after {counted(self.chars, 'characters')}: give a larger `length`")
        except SamplingError as error:
            self._fail(str(error))

    def _limits(self) -> str:
        """What says which characters may come: the options, and the types of constraints that are no option."""
        names = [f"`{name}`" for name in ("allow", "ban") if getattr(self.config, name)]
        names += [getattr(constraint, "option", type(constraint).__name__) for constraint in self.constraints]
        *others, last = dict.fromkeys(names)
        return f"{', '.join(others)} or {last}" if others else last

    def _fail(self, why: str) -> None:
        self.error = SamplingError(why)


class IncrementalDecoder:
    """Turns ids into text; for a model of bytes, a character may arrive in several pieces."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def __call__(self, ids: Ids | Sequence[int], final: bool = False) -> str:
        if self.vocabulary.is_bytes:
            return self.utf8.decode(np.asarray(ids, np.uint8).tobytes(), final)
        return self.vocabulary.decode(ids)

    def peek(self, ids: Ids) -> str:
        """What would come of ids, if they were given."""
        state = self.utf8.getstate()
        text = self(ids)
        self.utf8.setstate(state)
        return text
