"""The job: one text that a request asks for, while it waits, is drawn, and is handed to the client."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.model.model import Model
from charrnn.sampling.decoder import last_characters
from charrnn.sampling.growing_text import GrowingText
from charrnn.sampling.live_batch import PrimeReader
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids

PART_SECONDS, PARTS_PER_SECOND = 0.1, 64
"""The least time between two parts of a stream, and the most parts in a second of streams that are drawn side by side:
each costs as much as drawing some thirty characters."""
MAX_PART_SECONDS = 1.0
"""The time between two parts of a stream, however many are drawn side by side."""

NOTHING = np.empty(0, np.uint8), np.empty(0)
"""No characters, and their log-probabilities."""


@dataclass(frozen=True)
class Part:
    """The next part of a text that is certain to be in it."""

    text: str
    ids: Ids
    """[N]: the characters, for a model of bytes the bytes, of the text."""
    logps: Array
    """[N]: their log-probabilities."""
    finish_reason: str | None = None
    """Why the text ends with this part: `stop` or `length`; None: it goes on."""
    error: Exception | None = None
    """Why there is no more of it, if it has failed."""

    @property
    def is_last(self) -> bool:
        """Whether no other part follows."""
        return self.finish_reason is not None or self.error is not None


class Job:
    """A text on its way. The thread of a lane draws it; `hand_over` is called with each part in that of the server.

    `cancelled` is set by whoever no longer waits for it, and read between two draws.
    """

    def __init__(
        self, model: Model, prime: Ids, request: SamplingRequest, hand_over: Callable[[Part], None], streams: bool
    ):
        """`request` has a seed, a length, stops and how to draw; `prime` [N] is what the text continues."""
        self.model, self.prime, self.request = model, prime, request
        self.hand_over, self.streams = hand_over, streams
        self.cancelled = False
        self.left_to_draw = request.max_length
        """The characters that are not drawn yet."""
        self.text: GrowingText
        self.ended = False
        """Whether its text is known to have ended."""
        self.reader: PrimeReader | None = None
        self.drawn: list[tuple[Ids, Array]] = []
        """The characters that were drawn and not handed over, with their log-probabilities."""
        self.added = 0
        """How many of these draws are in the text."""
        self.piece = ""
        """What the text has grown by since the last part."""
        self.told = 0
        """The characters that were handed over."""
        self.next_part = 0.0
        """When the next part is due."""

    @property
    def left(self) -> int:
        """The characters of the prime that are still to be read."""
        return len(self.prime) if self.reader is None else self.reader.left

    @property
    def is_done(self) -> bool:
        """Whether no more has to be drawn once it has begun."""
        return self.cancelled or self.ended or self.left_to_draw <= 0

    def begin(self) -> GenerationState:
        """The state in which the text begins; what is left of its prime is read as it is drawn."""
        assert self.reader is not None
        vocabulary = self.model.vocabulary
        self.text = GrowingText(vocabulary, self.request, last_characters(self.prime, len(vocabulary)))
        return self.reader.begin(self.request.seed)

    def add(self, ids: Ids, logps: Array) -> None:
        """Adds characters that were drawn; they are looked at here only if they can end the text before its length."""
        self.left_to_draw -= len(ids)
        self.drawn.append((ids, logps))
        if self.text.ending.is_early:
            self._grow()

    def _grow(self) -> None:
        """Adds what was drawn to the text."""
        if new := self.drawn[self.added :]:
            self.piece += self.text.add(*map(np.concatenate, zip(*new, strict=True)))
            self.added = len(self.drawn)
        self.ended = self.text.ended
        if self.ended:
            self.piece += self.text.rest()

    def part(self, now: float, beside: int = 1) -> Part | None:
        """What is to be handed over now, in seconds of `time.monotonic`, if anything is.

        `beside` is the number of streams that are drawn side by side, with this one.
        """
        if not self.is_done and (not self.streams or now < self.next_part):
            return None
        self._grow()
        if not self.ended and not self.piece:
            return None
        reason = None if not self.ended else "stop" if self.text.ending.ended else "length"
        ids, logps = map(np.concatenate, zip(*self.drawn, strict=True)) if self.drawn else NOTHING
        n = self.text.ending.kept - self.told
        part = Part(self.piece, ids[:n], logps[:n], reason)
        self.drawn, self.added = [(ids[n:], logps[n:])], 1
        self.piece, self.told = "", self.told + n
        self.next_part = now + min(max(PART_SECONDS, beside / PARTS_PER_SECOND), MAX_PART_SECONDS)
        return part


def failed(error: Exception) -> Part:
    """The part that says that there is no more of a text."""
    return Part("", *NOTHING, error=error)
