"""Going back: the state of a text at its end, although more characters were drawn before the end was known."""

from collections.abc import Sequence
from typing import NamedTuple

from charrnn.sampling import decoder
from charrnn.sampling.decoder import BatchDecoder
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids, Mask


class Draw(NamedTuple):
    """Characters that were drawn at once: how many there were before, the state then, and how they were drawn."""

    start: int
    before: GenerationState
    temps: Sequence[float]
    mask: Mask | None


class RewindableDecoder:
    """A decoder of one text that remembers its last draws, each of which can be repeated up to any character."""

    def __init__(self, batch: BatchDecoder, stops: Sequence[str]):
        self.batch, self.stops = batch, stops
        self.drawn = 0
        self.draws: list[Draw] = []

    def draw(self, temps: Sequence[float], mask: Mask | None = None) -> tuple[Ids, Array]:
        """As `BatchDecoder.draw`."""
        self.draws.append(Draw(self.drawn, self.batch.generation_state(), temps, mask))
        self.drawn += len(temps)
        return self.batch.draw(temps, mask)

    def forget(self, n: int) -> None:
        """Forgets the draws that ended before the first `n` characters did: the text does not end there."""
        while len(self.draws) > 1 and self.draws[1].start <= n:
            del self.draws[0]

    def state_after(self, n: int) -> GenerationState:
        """The state from which the text continues exactly after its first `n` characters."""
        if n == self.drawn:
            return self.batch.generation_state()
        last = max((draw for draw in self.draws if draw.start <= n), key=lambda draw: draw.start)
        again = decoder.resume(self.batch.model, "", last.before, self.batch.config, self.stops, self.batch.threads)
        if n > last.start:
            again.draw(last.temps[: n - last.start], last.mask)
        return again.generation_state()
