"""The sampler: writes texts with a model, each until its end, and passes them on as they are drawn."""

import codecs
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.config import MAX_SEED, SamplingConfig, between
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, SamplingError
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.sampling import decoder
from charrnn.sampling.constraints import ConstraintFactory, Mask, Match
from charrnn.sampling.filters import Recent
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids

MAX_BATCH = 64
"""Samples that are drawn side by side."""
DRAW_AHEAD = 64
"""Characters that are drawn between two looks at what they were drawn for."""


@dataclass(frozen=True)
class Sample:
    """A text that was drawn, what it went on from, and how likely the model thinks it, at temperature 1."""

    text: str
    prime: str
    seed: int
    temp: float
    logprob: float
    """In nats, of the characters drawn; a stop text is drawn too, though it is not in `text`."""
    chars: int
    """The characters drawn."""

    @property
    def bpc(self) -> float:
        """Mean surprise in bits per character drawn."""
        return abs(self.logprob) / math.log(2) / self.chars if self.chars else 0.0


class TextGenerator:
    """One text: iterate over it for its characters, or over its `pieces`, after which it can be taken up again."""

    def __init__(
        self,
        model: Model,
        *,
        prime: str | bytes = "",
        length: int = 1000,
        seed: int = 0,
        config: SamplingConfig | None = None,
        stops: Sequence[str] = (),
        constraints: ConstraintFactory | None = None,
        after: GenerationState | None = None,
    ):
        """As `generate`. With `after` the text goes on from where another stopped, then from the prime; no seed is used
        then, for the randomness goes on as well."""
        config = config or SamplingConfig()
        _check(length, seed, config)
        self.model, self.config, self.length = model, config, length
        if after is None:
            self.drawing = decoder.start(model, [prime], [seed], config, stops)
        else:
            self.drawing = decoder.resume(model, prime, after, config, stops)
        self.text = _GrowingText(self.drawing, length, stops, constraints, self.drawing.recent[0])

    def __iter__(self) -> Iterator[str]:
        for piece in self.pieces():
            yield from piece

    def pieces(self) -> Iterator[str]:
        """Some characters at once, as they are drawn."""
        for (piece,) in _write(self.drawing, [self.text], self.config, self.length):
            if piece:
                yield piece

    @property
    def continuation(self) -> GenerationState:
        """What the text goes on from, exactly, at the end of all `pieces` so far."""
        return self.drawing.continuation()


def generate(
    model: Model,
    *,
    prime: str | bytes = "",
    length: int = 1000,
    seed: int = 0,
    config: SamplingConfig | None = None,
    stops: Sequence[str] = (),
    constraints: ConstraintFactory | None = None,
) -> Iterator[str]:
    """Writes `length` characters (-1: without end) that go on from a prime, one by one as they are drawn.

    The text ends earlier before the first of the `stops` that comes; what the `constraints` rule out never comes. A
    model of bytes counts bytes, and its pieces are whole characters. An unprimed text begins as one does after the
    start of a line. Raises `VocabularyError` where the prime has characters that are not known, and `SamplingError`
    where no character may come, or the length is not enough for a match.
    """
    return iter(
        TextGenerator(model, prime=prime, length=length, seed=seed, config=config, stops=stops, constraints=constraints)
    )


def samples(
    model: Model,
    *,
    count: int,
    prime: str = "",
    length: int = 1000,
    seed: int = 0,
    config: SamplingConfig | None = None,
    stops: Sequence[str] = (),
    constraints: ConstraintFactory | None = None,
) -> Iterator[Sample]:
    """Draws `count` samples of `length` characters, many of them side by side; sample i has the seed `seed + i`.

    All else is as in `generate`.
    """
    primes = ([prime] * min(MAX_BATCH, count - first) for first in range(0, count, MAX_BATCH))
    return continuations(model, primes, length=length, seed=seed, config=config, stops=stops, constraints=constraints)


def continuations(
    model: Model,
    primes: Iterable[Sequence[str]],
    *,
    length: int = 1000,
    seed: int = 0,
    config: SamplingConfig | None = None,
    stops: Sequence[str] = (),
    constraints: ConstraintFactory | None = None,
) -> Iterator[Sample]:
    """Goes on from each of the primes, which come in batches that are drawn side by side; prime i has `seed + i`.

    All else is as in `generate`.
    """
    config = config or SamplingConfig()
    _check(length, seed, config)
    if length < 0 and not stops:
        raise ConfigError("several samples, or samples as data, need an end: give a length of 0 or more")
    for batch in primes:
        seeds = range(seed, seed + len(batch))
        seed += len(batch)
        drawn = decoder.start(model, batch, seeds, config, stops)
        texts = [_GrowingText(drawn, length, stops, constraints, recent) for recent in drawn.recent]
        wholes = [""] * len(batch)
        for pieces in _write(drawn, texts, config, length):
            wholes = [whole + piece for whole, piece in zip(wholes, pieces, strict=True)]
        for text, whole, prime, own in zip(texts, wholes, batch, seeds, strict=True):
            yield Sample(whole, prime, own, config.temp, text.logprob, text.drawn)


def alternatives(model: Model, sample: Sample, k: int = 5) -> Iterator[tuple[str, float, list[tuple[str, float]]]]:
    """Each character of a sample, with its log-probability and the k likeliest that might have come in its place."""
    characters, prime = model.vocabulary.characters, model.vocabulary.encode(sample.prime)
    ids = model.vocabulary.encode(sample.text)
    read = np.concatenate(([model.vocabulary.start], prime, ids)).astype(model.vocabulary.dtype)
    state = model.read(read[: len(prime)], model.zero_state(1))
    for v, context in zip(ids, read[len(prime) : -1], strict=True):
        logits, state = model.forward(np.array([[context]], read.dtype), state)
        logp = log_softmax(logits[0, 0].astype(np.float64))
        best = [(characters[w], float(logp[w])) for w in np.argsort(-logp, kind="stable")[:k]]
        yield characters[v], float(logp[v]), best


def _check(length: int, seed: int, config: SamplingConfig) -> None:
    between("seed", seed, 0, MAX_SEED)
    if length < -1:
        raise ConfigError(f"the length can't be {length}: give the number of characters, or -1 for a text without end")
    if length < 0 and config.to_temp is not None:
        raise ConfigError("a temperature that changes over the text needs its length")


def _write(
    drawn: decoder.BatchDecoder, texts: Sequence["_Text"], config: SamplingConfig, length: int
) -> Iterator[list[str]]:
    """Draws until all texts have ended; yields what each of them has grown by. Those that have ended grow no more."""
    n = 0
    while not all(text.ended for text in texts):
        mask, ahead = None, DRAW_AHEAD
        if any(text.constraints for text in texts):
            mask, ahead = np.stack([text.allowed() for text in texts]), 1
            if all(text.ended for text in texts):
                break
        stop = n + ahead if length < 0 else min(n + ahead, length)
        ids, logps = drawn.draw(config.temps(n, stop, length), mask)
        yield [text.add(ids[:, row], logps[:, row]) for row, text in enumerate(texts)]
        n = stop
    yield [text.rest() for text in texts]


class _GrowingText:
    """One text while it is drawn: it knows where it ends, and what of it may be part of a stop text still."""

    def __init__(
        self,
        drawn: decoder.BatchDecoder,
        length: int,
        stops: Sequence[str],
        constraints: ConstraintFactory | None,
        before: Recent,
    ):
        vocabulary = drawn.model.vocabulary
        self.decode = _TextDecoder(vocabulary)
        self.length, self.stops = length, [stop for stop in stops if stop]
        self.constraints = constraints(before[before < len(vocabulary)]) if constraints else ()
        self.mask = np.ones(len(vocabulary), bool) if drawn.mask is None else drawn.mask
        self.ended = length == 0
        self.drawn, self.logprob, self.held = 0, 0.0, ""
        if self.ended:
            self._check_match()

    def allowed(self) -> Mask:
        """Which characters [V] may come next; all, where it has ended, for they are thrown away."""
        if self.ended:
            return np.ones_like(self.mask)
        mask = self.mask.copy()
        for constraint in self.constraints:
            mask &= constraint.allowed()
        if not mask.any():
            if not any(isinstance(c, Match) and c.complete() for c in self.constraints):
                raise SamplingError(f"no character may come after {self.drawn} characters: loosen what is asked for")
            self.ended = True
            mask[:] = True
        return mask

    def add(self, ids: Ids, logps: Array) -> str:
        """Grows by some characters that were drawn, up to its end; returns what is certain to be in it."""
        if self.ended:
            return ""
        if self.length >= 0:
            ids = ids[: self.length - self.drawn]
        if not self.stops:
            grown = self.decode(ids)
            self._count(ids, logps)
        else:
            grown = ""
            for n in range(len(ids)):
                self._count(ids[n : n + 1], logps[n : n + 1])
                grown += self._hold(self.decode(ids[n : n + 1]))
                if self.ended:
                    break
        if not self.ended and self.drawn == self.length:
            self.ended = True
            self._check_match()
        return grown

    def rest(self) -> str:
        """What was held back, in case it was part of a stop text, and what a model of bytes has not completed."""
        return self.held + self.decode([], final=True)

    def _count(self, ids: Ids, logps: Array) -> None:
        self.drawn += len(ids)
        self.logprob += float(logps[: len(ids)].sum())
        for constraint in self.constraints:
            for v in ids:
                constraint.add(int(v))

    def _hold(self, piece: str) -> str:
        """Takes a piece to what is held; lets go of what can't begin a stop text any more."""
        self.held += piece
        for stop in self.stops:
            if piece and self.held.endswith(stop):
                free, self.held, self.ended = self.held[: -len(stop)], "", True
                return free
        longest = max(len(stop) for stop in self.stops) - 1
        start = next(
            n
            for n in range(max(0, len(self.held) - longest), len(self.held) + 1)
            if n == len(self.held) or any(stop.startswith(self.held[n:]) for stop in self.stops)
        )
        free, self.held = self.held[:start], self.held[start:]
        return free

    def _check_match(self) -> None:
        if any(isinstance(c, Match) and not c.complete() for c in self.constraints):
            raise SamplingError(f"after {self.drawn} characters the text doesn't match yet: give it a larger --length")


class _TextDecoder:
    """Ids to text, where a character of a model of bytes may come in several pieces."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def __call__(self, ids: Iterable[int], final: bool = False) -> str:
        if self.vocabulary.is_bytes:
            return self.utf8.decode(bytes(int(v) for v in ids), final)
        return self.vocabulary.decode(ids)
