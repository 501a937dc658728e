"""The drawing: texts in the making, each character drawn from the prediction that follows those before it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SamplingConfig
from charrnn.engine import available_cores
from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.sampling import filters
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids

Mask = NDArray[np.bool_]


class BatchDecoder:
    """B texts in the making: what the network remembers of each, its last characters, its randomness.

    A text follows from what it goes on from and from its randomness alone: with the compiled engine exactly, with NumPy
    but for how BLAS rounds with more rows or fewer.
    """

    def __init__(
        self,
        model: Model,
        config: SamplingConfig,
        state: Array,
        context: Ids,
        recent: filters.Recent,
        rngs: Sequence[np.random.Generator],
        ends: Sequence[str] = (),
    ):
        """Goes on from a state [L, S, B, H], the characters [B] that come after it, and the last ones before the draw,
        [B, LOOKBACK], filled up with V."""
        self.model, self.config = model, config
        self.context, self.recent, self.rngs = context, recent, list(rngs)
        self.mask = filters.mask(config, model.vocabulary.characters, ends)
        Decoder = model.engine.Decoder
        self._decoder: Any = Decoder and Decoder(model.config.cell, model.params, state, available_cores())
        self._state = state

    @property
    def state(self) -> Array:
        """What the network remembers [L, S, B, H], of all but the last characters."""
        state: Array = self._decoder.state if self._decoder else self._state
        return state

    def draw(self, temps: Sequence[float], mask: Mask | None = None) -> tuple[Ids, Array]:
        """Draws N = len(temps) characters of each text: ids [N, B], and the model's own log-probabilities [N, B].

        `mask` [B, V] says which characters may come at all in each of them; there must be one.
        """
        u = np.stack([rng.random(len(temps)) for rng in self.rngs], axis=1)
        mask = self.mask if mask is None else mask if self.mask is None else mask & self.mask
        if self._decoder:
            recent = self.recent if self.config.penalty > 0 else None
            settings = filters.settings(self.config)
            ids, logps = self._decoder.run(self.context, u, temps, settings, mask, recent)
        else:
            ids, logps = self._step_by_step(u, temps, mask)
        if not np.isfinite(logps).all():
            raise CheckpointError("the model's weights are too large: its predictions are no numbers")
        self.context = ids[-1]
        self.recent = np.concatenate((self.recent, ids.T), axis=1)[:, -filters.LOOKBACK :]
        return ids, logps

    def _step_by_step(self, u: Array, temps: Sequence[float], mask: Mask | None) -> tuple[Ids, Array]:
        """What the compiled sampler does without Python between the characters."""
        plain = mask is None and replace(self.config, temp=1.0, to_temp=None) == SamplingConfig()
        rows, context = np.arange(len(self.context)), self.context
        ids, logps = np.empty(u.shape, context.dtype), np.empty(u.shape)
        text = np.concatenate((self.recent, np.empty(u.shape[::-1], np.int64)), axis=1)
        for n, temp in enumerate(temps):
            with np.errstate(all="ignore"):  # `draw` looks at the log-probabilities
                logits, self._state = self.model.step(context, self._state)
                y = logits.astype(np.float64)
                y -= y.max(axis=-1, keepdims=True)
                norm = np.log(np.exp(y).sum(axis=-1))
                if plain and temp:
                    filtered = y / temp  # `sample_categorical` does without what normalises
                else:
                    logp, recent = y - norm[:, None], text[:, n : n + filters.LOOKBACK]
                    filtered = filters.apply(logp, self.config, temp, mask, recent)
            ids[n] = context = sample_categorical(filtered, u[n]).astype(ids.dtype)
            text[:, n + filters.LOOKBACK] = context
            logps[n] = y[rows, context] - norm
        return ids, logps

    def continuation(self) -> GenerationState:
        """What the only text of this drawing goes on from."""
        (rng,), (context,), (recent,) = self.rngs, self.context, self.recent
        return GenerationState(self.state.copy(), int(context), recent.copy(), deepcopy(rng))


def start(
    model: Model,
    primes: Sequence[str | bytes],
    seeds: Sequence[int],
    config: SamplingConfig,
    ends: Sequence[str] = (),
) -> BatchDecoder:
    """A drawing of texts that go on from primes, one each; an empty one begins as a text does after a line's start.

    `ends` are characters that stop a text: they may come, whatever is allowed. Raises `VocabularyError` where a prime
    has characters that are not known.
    """
    vocabulary, B = model.vocabulary, len(primes)
    read = [np.concatenate(([vocabulary.start], vocabulary.encode(p))).astype(vocabulary.dtype) for p in primes]
    if len(set(primes)) == 1:  # one reading serves all
        state = np.repeat(model.read(read[0][:-1], model.zero_state(1)), B, axis=2)
    else:
        state = np.concatenate([model.read(ids[:-1], model.zero_state(1)) for ids in read], axis=2)
    recent = np.full((B, filters.LOOKBACK), len(vocabulary), np.int64)
    for row, ids in zip(recent, read, strict=True):
        tail = ids[1:][-filters.LOOKBACK :]
        row[len(row) - len(tail) :] = tail
    context = np.array([ids[-1] for ids in read], vocabulary.dtype)
    return BatchDecoder(model, config, state, context, recent, [np.random.default_rng(seed) for seed in seeds], ends)


def resume(
    model: Model, prime: str | bytes, after: GenerationState, config: SamplingConfig, ends: Sequence[str] = ()
) -> BatchDecoder:
    """A drawing of one text that goes on from where another stopped, and then from a prime; else as `start`."""
    vocabulary = model.vocabulary
    read = np.concatenate(([after.context], vocabulary.encode(prime))).astype(vocabulary.dtype)
    state = model.read(read[:-1], model.clamp_state(after.state))
    recent = np.concatenate((after.recent, read[1:]))[None, -filters.LOOKBACK :]
    return BatchDecoder(model, config, state, read[-1:], recent, [deepcopy(after.rng)], ends)


def sample_categorical(logp: Array, u: Array) -> Array:
    """For each row of log-probabilities [B, V] the character whose share of the unit interval u [B] falls in.

    They need not be normalised.
    """
    upto = np.cumsum(np.exp(logp), axis=-1)
    total = upto[:, -1]
    goal = np.minimum(u * total, np.nextafter(total, 0))  # never past the last character, however it rounds
    chosen: Array = (upto <= goal[:, None]).sum(axis=-1)
    return chosen
