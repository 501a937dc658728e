"""Text generation: writes texts with a model, each until its end, and yields them as they are drawn."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from charrnn.config import REWRITING_LAYOUTS, between
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import ConfigError
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model, check_model
from charrnn.model.ngrams import contexts_of, history_after
from charrnn.resources import blas
from charrnn.sampling import decoder
from charrnn.sampling.ending import can_end
from charrnn.sampling.growing_text import GrowingText
from charrnn.sampling.request import SamplingOptions, SamplingRequest
from charrnn.sampling.rewind import RewindableDecoder
from charrnn.sampling.selection import EMPTY, Failed, OnFailure, exhausted, is_empty, select
from charrnn.sampling.state import GenerationState

MAX_BATCH = 64
"""The most samples that are drawn side by side."""
DRAW_AHEAD = 64
"""Characters that are drawn at once; whatever comes after the end of a text is discarded."""


@dataclass(frozen=True)
class Sample:
    """A text that was drawn, the prime that it continues, and its likelihood under the model at temperature 1."""

    text: str
    prime: str
    seed: int
    temp: float
    logprob: float
    """In nats, of the characters drawn. They include a stop text, which is not in `text`, but nothing after `end`."""
    chars: int
    """The number of these characters, for a model of bytes of bytes."""
    label: str | None = None
    """For a model of pairs: the source, to which the text is the target."""

    @property
    def context(self) -> str:
        """All that the model has read before the text: the prime, for a model of pairs after the source and its tab."""
        return self.prime if self.label is None else self.label + TAB + self.prime

    @property
    def bpc(self) -> float:
        """The mean surprisal in bits per character drawn."""
        return abs(self.logprob) / math.log(2) / self.chars if self.chars else 0.0


class TextGenerator:
    """One text: iterate over it for its characters, or over its `pieces`. Its `state` can be continued later."""

    def __init__(
        self,
        model: Model,
        request: SamplingRequest | None = None,
        *,
        after: GenerationState | None = None,
        **options: Unpack[SamplingOptions],
    ):
        """As `generate`. With `after`, the text continues where another one stopped, and then with the prime.

        In that case the random numbers continue too, and the seed is not used.
        """
        check_model(model)
        request = self.request = SamplingRequest.from_options(request, options).as_read(model)
        config, stops = request.config, request.stops
        if after is None:
            check_sources(model, [request.prime_text])
            self._batch = decoder.start(model, [request.prime_text], [request.seed], config, stops, request.threads)
        else:
            self._batch = decoder.resume(model, request.prime_text, after, config, stops, request.threads)
        self._text = GrowingText(model.vocabulary, request, self._batch.recent[0], self._batch.mask)
        self._draws = RewindableDecoder(self._batch, stops) if self._text.ending.is_early else None

    def __iter__(self) -> Iterator[str]:
        for piece in self.pieces():
            yield from piece

    def pieces(self) -> Iterator[str]:
        """The text in pieces of several characters, as they are drawn."""
        for (piece,) in _write(self._draws or self._batch, [self._text], self.request):
            if self._draws:
                self._draws.forget(self._text.ending.kept)
            if self._text.error:
                raise self._text.error
            if piece:
                yield piece

    @property
    def state(self) -> GenerationState:
        """The state from which another text continues exactly after all `pieces` so far."""
        return self._draws.state_after(self._text.ending.kept) if self._draws else self._batch.generation_state()

    @property
    def is_certain(self) -> bool:
        """Whether no constraint can make the text fail, which else is known at its end only."""
        return self._text.is_certain

    @property
    def stopped_before(self) -> str:
        """The one of the stop texts before which the text has ended; empty if it has not."""
        return self._text.ending.stopped_before


def generate(model: Model, request: SamplingRequest | None = None, **options: Unpack[SamplingOptions]) -> Iterator[str]:
    """Writes a text that continues a prime, character by character as they are drawn.

    The fields of `SamplingRequest` are given as a request, as keyword arguments, or both: a keyword replaces the
    request's field. `generate(model, length=200, seed=1)` writes 200 characters. The text ends earlier at the first of
    the `stops` or of `stop_after`, or with its last sentence, and has only characters that the `constraints` allow. A
    model of bytes counts bytes, and yields whole characters. A text without a prime begins as after a newline.

    Raises `ConfigError` for options out of range, `VocabularyError` if the prime has characters that are not in the
    vocabulary, and `SamplingError` if no character may come, or the text does not match at its full length.
    """
    return iter(TextGenerator(model, request, **options))


def samples(
    model: Model,
    request: SamplingRequest | None = None,
    *,
    count: int,
    skip_empty: bool = False,
    on_failure: OnFailure | None = None,
    **options: Unpack[SamplingOptions],
) -> Iterator[Sample]:
    """Draws `count` samples, many of them side by side; sample i has the seed `seed + i`. Otherwise as `generate`.

    `skip_empty` skips the samples whose text is nothing but white space; the next seeds replace theirs. A sample that
    the constraints do not allow is an error in its turn; with `on_failure`, it is left out instead.

    Raises `ConfigError` if they have neither a length nor a stop text, and for a count below 0; `SamplingError` if
    `MAX_SKIPPED` samples in a row are empty.
    """
    check_model(model)
    between("count", count, 0)
    request = SamplingRequest.from_options(request, options).as_read(model)
    prime = request.prime_text
    if not skip_empty:
        primes = ([prime] * min(MAX_BATCH, count - first) for first in range(0, count, MAX_BATCH))
        return continuations(model, primes, request, on_failure=on_failure)
    _check_end(model, request)
    failed = Failed(on_failure)
    check_sources(model, [prime])

    def draw(seeds: range) -> Iterator[Sample]:
        return continuations(model, [[prime] * len(seeds)], request, seed=seeds.start, on_failure=failed)

    error = exhausted("texts", [EMPTY])
    return select(draw, count, request.seed, MAX_BATCH, lambda sample: not is_empty(sample.text), error, failed)


def continuations(
    model: Model,
    primes: Iterable[Sequence[str]],
    request: SamplingRequest | None = None,
    *,
    on_failure: OnFailure | None = None,
    **options: Unpack[SamplingOptions],
) -> Iterator[Sample]:
    """Continues each of the primes, which come in batches that are drawn side by side; prime i has `seed + i`.

    A sample is yielded as soon as it and those before it are finished. Otherwise as `samples`; the request's own prime
    is not used.
    """
    check_model(model)
    request = SamplingRequest.from_options(request, options).as_read(model)
    _check_end(model, request)
    return _continue(model, primes, request, on_failure)


def check_sources(model: Model, primes: Sequence[str]) -> None:
    """Raises `ConfigError` if a model of pairs would write without a source: its primes are source, tab, beginning."""
    if model.layout in REWRITING_LAYOUTS and not all(TAB in prime for prime in primes):
        raise ConfigError(
            "this model writes the targets of sources: begin with a source and a tab, or use sample_lines(model, "
            "count=1, label=…), which gives it one"
        )


def _check_end(model: Model, request: SamplingRequest) -> None:
    if not can_end(request, model.vocabulary):
        raise ConfigError("several samples, or samples as data, need an end: give a length of 0 or more", "length")


def _continue(
    model: Model, primes: Iterable[Sequence[str]], request: SamplingRequest, on_failure: OnFailure | None
) -> Iterator[Sample]:
    """`continuations` of a request that has an end."""
    first_seed = request.seed
    for given in primes:
        group = [*map(model.text_form.normalize, given)]
        seeds = range(first_seed, first_seed + len(group))
        first_seed = seeds.stop
        check_sources(model, group)
        batch = decoder.start(model, group, seeds, request.config, request.stops, request.threads)
        texts = [GrowingText(model.vocabulary, request, recent, batch.mask) for recent in batch.recent]
        drawn, done = [list[str]() for _ in group], 0
        for pieces in _write(batch, texts, request):
            for parts, piece in zip(drawn, pieces, strict=True):
                parts.append(piece)  # joined at the end: a text that grows is copied whole for each piece
            while done < len(group) and (text := texts[done]).ended:
                prime, seed, whole = group[done], seeds[done], "".join([*drawn[done], text.rest()])
                done += 1
                if text.error is None:
                    yield Sample(whole, prime, seed, request.config.temp, text.logprob, text.chars)
                elif on_failure is None:
                    raise text.error
                else:
                    on_failure(seed, text.error)


def _write(
    batch: decoder.BatchDecoder | RewindableDecoder, texts: Sequence[GrowingText], request: SamplingRequest
) -> Iterator[list[str]]:
    """Draws until all texts have ended; yields the new piece of each, which is empty once it has ended."""
    n, length = 0, request.max_length
    while not all(text.ended for text in texts):
        mask, ahead = None, DRAW_AHEAD
        if any(text.constraints for text in texts):
            mask, ahead = np.stack([text.allowed() for text in texts]), 1
            if all(text.ended for text in texts):
                break
        stop = n + ahead if length < 0 else min(n + ahead, length)
        ids, logps = batch.draw(request.config.temps(n, stop, length), mask)
        yield [text.add(ids[:, row], logps[:, row]) for row, text in enumerate(texts)]
        n = stop
    yield [text.rest() for text in texts]


def alternatives(model: Model, sample: Sample, k: int = 5) -> Iterator[tuple[str, float, list[tuple[str, float]]]]:
    """Each character of a sample, its log-probability, and the k likeliest characters in its place."""
    return blas.limited(_alternatives(model, sample, k), None)


def _alternatives(model: Model, sample: Sample, k: int) -> Iterator[tuple[str, float, list[tuple[str, float]]]]:
    characters, prime = model.vocabulary.characters, model.vocabulary.encode(sample.context)
    ids = model.vocabulary.encode(sample.text)
    read = np.concatenate(([model.start], prime, ids)).astype(model.vocabulary.dtype)
    state, history = model.read(read[: len(prime)], model.zero_state(1)), model.zero_text_state(1).history
    history = history_after(read[: len(prime), None], history)
    for v, context in zip(ids, read[len(prime) : -1], strict=True):
        inputs = np.array([[context]], read.dtype)
        logits, state = model.forward(inputs, state)
        if model.ngrams is not None:
            logits = model.ngrams.mixed_distribution(logits[0], contexts_of(inputs, history)[0])[None]
            history = history_after(inputs, history)
        logp = log_softmax(logits[0, 0].astype(np.float64))
        best = [(characters[w], float(logp[w])) for w in np.argsort(-logp, kind="stable")[:k]]
        yield characters[v], float(logp[v]), best
