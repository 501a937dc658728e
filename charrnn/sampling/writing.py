"""The writing: a text by a person and a model, piece by piece, of which the last can be written again or taken back."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from charrnn.errors import SamplingError
from charrnn.model.model import Model
from charrnn.sampling.generate import TextGenerator
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.sentences import first_sentence, needs_space
from charrnn.sampling.state import GenerationState


@dataclass(frozen=True)
class Piece:
    """A part of the text: the model has written it, or the person."""

    text: str
    seed: int | None = None
    """With which the model has written it; None if the person has."""
    before: GenerationState | None = None
    """The state from which the model has written it."""
    stopped_before: str = ""
    """The stop text before which the model has ended it."""
    replaced: tuple["Piece", ...] = ()
    """The pieces that the person has replaced by this one."""


class Writing:
    """The text so far: its pieces, in order.

    The model writes each piece from the state after the text before it, with random numbers of the piece's own seed. So
    the same seed after the same text, with the same settings, gives the same piece.
    """

    def __init__(self, model: Model):
        self.model = model
        self.pieces: list[Piece] = []

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def last(self) -> Piece:
        """The last piece. Raises `SamplingError` if there is none."""
        if not self.pieces:
            raise SamplingError("there is no text yet")
        return self.pieces[-1]

    def unanswered(self, again: bool = False) -> str:
        """What the person has written after the model's last piece; with `again`, after the one before."""
        pieces = self.pieces[:-1] if again else self.pieces
        first = next((n for n in range(len(pieces), 0, -1) if pieces[n - 1].seed is not None), 0)
        return "".join(piece.text for piece in pieces[first:])

    def add(self, text: str) -> None:
        """Adds what a person has written, after the end of a sentence with a space.

        Nothing leaves the text as it is; but if the model has ended before a stop text, that is added.
        """
        if not text:
            text = self.pieces[-1].stopped_before if self.pieces else ""
        elif " " in self.model.vocabulary.characters and needs_space(self.text, text):
            text = " " + text
        if text:
            self.pieces.append(Piece(text))

    def write(self, request: SamplingRequest, one_sentence: bool = False, again: bool = False) -> Generator[str]:
        """Lets the model write a piece, and yields it as it is drawn. If you stop early, the piece is what was yielded.

        The request's prime is not used. With `one_sentence`, the piece ends with its first sentence if one ends within
        the request's length. With `again`, it replaces the last piece, which has to be the model's; raises
        `SamplingError` if it is not, and the errors of `generate`; the last piece stays then.
        """
        if again and self.last.seed is None:
            raise SamplingError("the last piece is not the model's: nothing can be written again")
        return self._written(self._generator(request, again), request, one_sentence, again)

    def _written(
        self, generator: TextGenerator, request: SamplingRequest, one_sentence: bool, again: bool
    ) -> Generator[str]:
        """Yields what is drawn, and keeps it as a piece."""
        before, written, drawn = generator.state, list[str](), list[str]()

        def pieces() -> Iterator[str]:
            for part in generator.pieces():
                drawn.append(part)
                yield part

        if again:
            del self.pieces[-1]
        try:
            for part in first_sentence(pieces(), request.min_length) if one_sentence else pieces():
                written.append(part)
                yield part
        finally:
            text = "".join(written)
            stopped_before = generator.stopped_before if text == "".join(drawn) else ""  # that may be a later end
            self.pieces.append(Piece(text, request.seed, before, stopped_before))

    def state(self, request: SamplingRequest) -> GenerationState:
        """The state from which the model would write the next piece."""
        return self._generator(request, again=False).state

    def back(self) -> Piece:
        """Takes the last piece back, and puts what it has replaced in its place. Raises `SamplingError` without one."""
        piece = self.last
        self.pieces[-1:] = piece.replaced
        return piece

    def replace(self, text: str, whole: bool = False) -> None:
        """Replaces the last piece, or the whole text, by what a person has written.

        Raises `SamplingError` if there is no piece to replace.
        """
        replaced = self.pieces[:] if whole else [self.last]
        before = None if whole else self.last.before
        self.pieces[len(self.pieces) - len(replaced) :] = [Piece(text, None, before, replaced=tuple(replaced))]

    def _generator(self, request: SamplingRequest, again: bool) -> TextGenerator:
        """Writes the piece after the text so far, or in the place of the last piece."""
        known = [n for n, piece in enumerate(self.pieces) if piece.before is not None]
        if not known:
            return TextGenerator(self.model, replace(request, prime=self.text))
        state = self.pieces[known[-1]].before
        prime = "" if again else "".join(piece.text for piece in self.pieces[known[-1] :])
        assert state is not None
        after = replace(state, rng=np.random.default_rng(request.seed))
        return TextGenerator(self.model, replace(request, prime=prime), after=after)
