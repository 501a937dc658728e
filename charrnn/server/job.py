"""The job: one text that a request asks for, while it waits, is drawn, and is handed to the client."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.model.model import Model
from charrnn.sampling.growing_text import GrowingText
from charrnn.sampling.live_batch import PrimeReader
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids

EVENT_SECONDS = 0.1
"""The least time between two parts of a stream: each costs as much as drawing some ten characters."""


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
    """A text on its way. The scheduler's thread draws it; `hand_over` is called with each part in that of the server.

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
        """The characters that are neither drawn nor being drawn."""
        self.text: GrowingText
        self.reader: PrimeReader | None = None
        self.piece = ""
        self.ids: list[int] = []
        self.logps: list[float] = []
        self.told = 0
        """The characters that were handed over."""
        self.next_part = 0.0
        """When the next part is due."""

    @property
    def left(self) -> int:
        """The characters of the prime that are still to be read."""
        return len(self.prime) if self.reader is None else self.reader.left

    @property
    def is_read(self) -> bool:
        """Whether its prime is read to its end."""
        return self.reader is not None and not self.reader.left

    @property
    def is_done(self) -> bool:
        """Whether no more has to be drawn once it has begun."""
        return self.cancelled or self.left_to_draw <= 0 or self.text.ended

    def begin(self) -> GenerationState:
        """The state in which the text begins, once its prime is read."""
        assert self.reader is not None
        state = self.reader.begin(self.request.seed)
        self.text = GrowingText(self.model.vocabulary, self.request, state.recent)
        return state

    def add(self, ids: Ids, logps: Array) -> None:
        """Adds characters that were drawn."""
        self.piece += self.text.add(ids, logps)
        self.ids += ids.tolist()
        self.logps += logps.tolist()
        if self.text.ended:
            self.piece += self.text.rest()

    def part(self) -> Part | None:
        """What is to be handed over now, if anything is."""
        ended, now = self.text.ended, time.monotonic()
        if not ended and (not self.streams or not self.piece or now < self.next_part):
            return None
        reason = None if not ended else "stop" if self.text.ending.ended else "length"
        first, self.told = self.told, self.text.ending.kept
        ids = np.array(self.ids[first : self.told], self.model.vocabulary.dtype)
        part = Part(self.piece, ids, np.array(self.logps[first : self.told]), reason)
        self.piece, self.next_part = "", now + EVENT_SECONDS
        return part


def failed(error: Exception) -> Part:
    """The part that says that there is no more of a text."""
    return Part("", np.empty(0, np.uint8), np.empty(0), error=error)
