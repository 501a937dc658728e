"""The sampler: draws one character after the other, each from the prediction that follows those before it."""

import codecs
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn import filters
from charrnn.cells.softmax import log_softmax
from charrnn.config import LAST_SEED, SamplingConfig, between
from charrnn.errors import CheckpointError, ConfigError
from charrnn.memory import Memory
from charrnn.model import Model
from charrnn.notation import Array, Ids
from charrnn.vocabulary import Vocabulary

BATCH = 64
"""Samples that are drawn side by side."""
AHEAD = 64
"""Characters that are drawn between two looks at what they were drawn for."""


@dataclass(frozen=True)
class Sample:
    """A text that was drawn, what it went on from, and how likely the model thinks it, at temperature 1."""

    text: str
    prime: str
    seed: int
    temp: float
    logprob: float
    """In nats, of the text without its prime."""
    chars: int

    @property
    def bpc(self) -> float:
        """Mean surprise in bits per character drawn."""
        return -self.logprob / math.log(2) / self.chars if self.chars else 0.0


def draw(model: Model, prime: str | bytes, seeds: Sequence[int], config: SamplingConfig) -> Iterator[tuple[Ids, Array]]:
    """Draws without end B = len(seeds) samples side by side: ids [N, B] and log-probabilities [N, B], N at a time.

    The log-probabilities are the model's own, before any filter. Sample i follows from seeds[i] alone: with the
    compiled engine exactly, with NumPy but for how BLAS rounds with more rows or fewer. Raises `VocabularyError` where
    the prime has characters that are not known.
    """
    vocabulary, engine = model.vocabulary, model.engine
    read = np.concatenate(([vocabulary.start], vocabulary.encode(prime))).astype(vocabulary.dtype)
    state = np.repeat(model.read(read[:-1], model.zero_state(1)), len(seeds), axis=2)
    context = np.repeat(read[-1:], len(seeds))
    rngs = [np.random.default_rng(seed) for seed in seeds]
    compiled, memory = engine.Sampler and engine.Sampler(model.config.cell, model.params, state), Memory()
    while True:
        u = np.stack([rng.random(AHEAD) for rng in rngs], axis=1)
        if compiled:
            ids, logp = compiled.run(context, u, config.temp, config.top_k, config.top_p, config.min_p)
        else:
            ids, logp, state = _run(model, context, u, state, config, memory)
        if not np.isfinite(logp).all():
            raise CheckpointError("the model's weights are too large: its predictions are no numbers")
        yield ids, logp
        context = ids[-1]


def _run(
    model: Model, context: Ids, u: Array, state: Array, config: SamplingConfig, memory: Memory
) -> tuple[Ids, Array, Array]:
    """Draws a character for each of the random numbers u [N, B]: ids, log-probabilities [N, B] and the next state."""
    rows = np.arange(len(context))
    ids, logps = np.empty(u.shape, context.dtype), np.empty(u.shape)
    for n in range(len(u)):
        with np.errstate(all="ignore"):  # the caller looks at the log-probabilities
            logits, state = model.forward(context[None], state, memory)
            logp = log_softmax(logits[0].astype(np.float64))
        ids[n] = context = choose(filters.apply(logp, config), u[n]).astype(context.dtype)
        logps[n] = logp[rows, context]
    return ids, logps, state


def choose(logp: Array, u: Array) -> Array:
    """For each row of log-probabilities [B, V] the character whose share of the unit interval u [B] falls in."""
    upto = np.cumsum(np.exp(logp), axis=-1)
    total = upto[:, -1]
    goal = np.minimum(u * total, np.nextafter(total, 0))  # never past the last character, however it rounds
    chosen: Array = (upto <= goal[:, None]).sum(axis=-1)
    return chosen


def generate(
    model: Model,
    *,
    prime: str | bytes = "",
    length: int = 1000,
    seed: int = 0,
    config: SamplingConfig | None = None,
) -> Iterator[str]:
    """Writes `length` characters (-1: without end) that go on from a prime, piece by piece as they are drawn.

    A model of bytes counts bytes, and its pieces are characters as soon as they are whole. An unprimed text begins as
    one does after the start of a line. Raises `VocabularyError` where the prime has characters that are not known.
    """
    _check(length, seed)
    decode = _Decoder(model.vocabulary)
    left = length if length >= 0 else math.inf
    for ids, _ in draw(model, prime, [seed], config or SamplingConfig()):
        part = ids[: int(min(left, len(ids))), 0]
        for v in part:
            if piece := decode([v]):
                yield piece
        left -= len(part)
        if left == 0:
            break
    if rest := decode([], final=True):
        yield rest


def samples(
    model: Model,
    *,
    count: int,
    prime: str = "",
    length: int = 1000,
    seed: int = 0,
    config: SamplingConfig | None = None,
) -> Iterator[Sample]:
    """Draws `count` samples of `length` characters, many of them side by side; sample i has the seed `seed + i`."""
    _check(length, seed)
    if length < 0:
        raise ConfigError("several samples, or samples as data, need an end: give a length of 0 or more")
    config = config or SamplingConfig()
    for first in range(seed, seed + count, BATCH):
        seeds = range(first, min(first + BATCH, seed + count))
        pieces = list(itertools.islice(draw(model, prime, seeds, config), -(-length // AHEAD)))
        ids = np.concatenate([np.empty((0, len(seeds)), model.vocabulary.dtype), *(ids for ids, _ in pieces)])
        logps = np.concatenate([np.empty((0, len(seeds))), *(logps for _, logps in pieces)])
        for i, own in enumerate(seeds):
            text, logprob = model.vocabulary.decode(ids[:length, i]), float(logps[:length, i].sum())
            yield Sample(text, prime, own, config.temp, logprob, length)


def _check(length: int, seed: int) -> None:
    between("seed", seed, 0, LAST_SEED)
    if length < -1:
        raise ConfigError(f"the length can't be {length}: give the number of characters, or -1 for a text without end")


class _Decoder:
    """Ids to text, where a character of a model of bytes may come in several pieces."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def __call__(self, ids: Iterable[int], final: bool = False) -> str:
        if self.vocabulary.is_bytes:
            return self.utf8.decode(bytes(ids), final)
        return self.vocabulary.decode(ids)
