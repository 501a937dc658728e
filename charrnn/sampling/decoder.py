"""The decoder: draws the characters of several texts side by side, each from the prediction after those before it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from charrnn.config import SamplingConfig
from charrnn.engine import available_cores
from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.sampling import filters
from charrnn.sampling.charset import charset_mask
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids, Mask


class BatchDecoder:
    """B texts while they are drawn: each one's RNN state, last characters and random generator.

    Each text depends only on its own start and its own random numbers. This is exact with the compiled engine; with
    NumPy, BLAS may round differently for another number of rows.
    """

    def __init__(
        self,
        model: Model,
        config: SamplingConfig,
        state: Array,
        context: Ids,
        recent: filters.Recent,
        rngs: Sequence[np.random.Generator],
        stops: Sequence[str] = (),
        threads: int | None = None,
    ):
        """Continues from a state [L, S, B, H] and the character [B] that follows it.

        `recent` [B, LOOKBACK] has the last characters of each text so far, padded with V at the front. A character in
        `stops` may come even if the configuration does not allow it. `threads` is that of `SamplingRequest`.
        """
        self.model, self.config, self.threads = model, config, threads
        self.context, self.recent, self.rngs = context, recent, list(rngs)
        vocabulary = model.vocabulary
        self.mask = charset_mask(config, vocabulary.characters, stops, vocabulary.is_bytes)
        self._compiled = compiled_decoder(model, state, threads)
        self._state = state

    @property
    def state(self) -> Array:
        """The RNN state [L, S, B, H] before the last character of each text."""
        state: Array = self._compiled.state if self._compiled else self._state
        return state

    def draw(self, temps: Sequence[float], mask: Mask | None = None) -> tuple[Ids, Array]:
        """Draws N = len(temps) characters of each text: ids [N, B], and the model's own log-probabilities [N, B].

        `mask` [B, V] says which characters may come; it must have at least one in each row. Raises `CheckpointError` if
        the model's predictions are NaN or infinite.
        """
        u = np.stack([rng.random(len(temps)) for rng in self.rngs], axis=1)
        if self.mask is not None:
            mask = self.mask if mask is None else mask & self.mask
        if self._compiled:
            recent = self.recent if self.config.loop_penalty > 0 else None
            settings = filters.settings(self.config)
            contexts = ngram_contexts(self.model, self.recent)
            ids, logps = self._compiled.run(self.context, u, temps, settings, mask, recent, contexts)
        else:
            with blas.limit(self.threads):
                rows = Rows(self.context, self._state, self.recent, [self.config] * len(self.rngs))
                ids, logps, self._state = draw_step_by_step(
                    self.model, rows, u, np.broadcast_to(np.reshape(temps, (-1, 1)), u.shape), mask
                )
        check_predictions(logps)
        self.context = ids[-1]
        self.recent = np.concatenate((self.recent, ids.T), axis=1)[:, -filters.LOOKBACK :]
        return ids, logps

    def generation_state(self) -> GenerationState:
        """The state from which the text continues, for a decoder of a single text."""
        (rng,), (context,), (recent,) = self.rngs, self.context, self.recent
        return GenerationState(self.state.copy(), int(context), recent.copy(), deepcopy(rng))


def compiled_decoder(model: Model, state: Array, threads: int | None) -> Any:
    """The engine's `Decoder` from a state [L, S, B, H]; None if the engine has none."""
    Decoder = model.engine.Decoder
    return Decoder and Decoder(
        model.config.cell_name, model.params, state, threads or available_cores(), model.precision, model.ngrams
    )


class Rows(NamedTuple):
    """The texts of a batch between two characters."""

    context: Ids
    """The last character [B] of each."""
    state: Array
    """The state [L, S, B, H] before it."""
    recent: filters.Recent
    """The last characters [B, LOOKBACK], padded with V at the front."""
    configs: Sequence[SamplingConfig]
    """How each is drawn, apart from the temperature."""


def draw_step_by_step(
    model: Model, rows: Rows, u: Array, temps: Array, mask: Mask | None = None
) -> tuple[Ids, Array, Array]:
    """The reference implementation of the compiled decoder's `run`, for temperatures [N, B]; also returns the state."""
    context, state, recent, configs = rows
    ids, logps, indices = np.empty(u.shape, context.dtype), np.empty(u.shape), np.arange(len(context))
    text = np.concatenate((recent, np.empty(u.shape[::-1], np.int64)), axis=1)
    for n in range(len(u)):
        recent = text[:, n : n + filters.LOOKBACK]
        with np.errstate(all="ignore"):  # the caller checks the log-probabilities
            logits, state = model.step(context, state)
            if (contexts := ngram_contexts(model, recent)) is not None and model.ngrams is not None:
                logits = model.ngrams.mixed_distribution(logits, contexts)
            y = logits.astype(np.float64)
            y -= y.max(axis=-1, keepdims=True)
            norm = np.log(np.exp(y).sum(axis=-1))
            filtered = np.empty_like(y)
            for (config, temp), group in _groups(configs, temps[n]):
                if temp and mask is None and replace(config, temp=1.0, to_temp=None) == SamplingConfig():
                    filtered[group] = y[group] / temp  # `sample_categorical` needs no normalised input
                else:
                    logp, allowed = y[group] - norm[group, None], None if mask is None else mask[group]
                    filtered[group] = filters.apply(logp, config, temp, allowed, recent[group])
        ids[n] = context = sample_categorical(filtered, u[n]).astype(ids.dtype)
        text[:, n + filters.LOOKBACK] = context
        logps[n] = y[indices, context] - norm
    return ids, logps, state


def _groups(configs: Sequence[SamplingConfig], temps: Array) -> list[tuple[tuple[SamplingConfig, float], Any]]:
    """The rows that have the same settings and temperature, as an index."""
    if all(config is configs[0] for config in configs) and (temps == temps[0]).all():
        return [((configs[0], float(temps[0])), slice(None))]
    found: dict[tuple[SamplingConfig, float], list[int]] = {}
    for row, key in enumerate(zip(configs, temps.tolist(), strict=True)):
        found.setdefault(key, []).append(row)
    return [*found.items()]


def ngram_contexts(model: Model, recent: filters.Recent) -> filters.Recent | None:
    """The contexts [B, K] of the n-grams, the latest character first, given the last characters [B, LOOKBACK].

    A text begins after `Model.start`. None for a model without n-grams.
    """
    if model.ngrams is None:
        return None
    contexts = recent[:, : -model.ngrams.order - 1 : -1].copy()
    is_missing = contexts == len(model.vocabulary)
    begun = np.flatnonzero(is_missing.any(axis=1))
    contexts[begun, is_missing[begun].argmax(axis=1)] = model.start
    return contexts


def last_characters(ids: Ids, V: int) -> filters.Recent:
    """The last characters [LOOKBACK] of a text of ids [N], padded with V at the front."""
    recent, tail = np.full(filters.LOOKBACK, V, np.int64), ids[-filters.LOOKBACK :]
    recent[len(recent) - len(tail) :] = tail
    return recent


def check_predictions(logps: Array) -> None:
    """Raises `CheckpointError` if log-probabilities are NaN or infinite."""
    if not np.isfinite(logps).all():
        raise CheckpointError("the model's predictions are NaN or infinite: its weights are too large")


def start(
    model: Model,
    primes: Sequence[str],
    seeds: Sequence[int],
    config: SamplingConfig,
    stops: Sequence[str] = (),
    threads: int | None = None,
) -> BatchDecoder:
    """A decoder of one text for each prime and seed; a text with an empty prime begins as after a newline.

    Raises `VocabularyError` if a prime has characters that are not in the vocabulary.
    """
    vocabulary, B = model.vocabulary, len(primes)
    read = [np.concatenate(([model.start], vocabulary.encode(p))).astype(vocabulary.dtype) for p in primes]
    with _limited_blas(model, threads):
        if len(set(primes)) == 1:  # read it once for all
            state = np.repeat(model.read(read[0][:-1], model.zero_state(1)), B, axis=2)
        else:
            state = np.concatenate([model.read(ids[:-1], model.zero_state(1)) for ids in read], axis=2)
    recent = np.stack([last_characters(ids[1:], len(vocabulary)) for ids in read])
    context = np.array([ids[-1] for ids in read], vocabulary.dtype)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    return BatchDecoder(model, config, state, context, recent, rngs, stops, threads)


def resume(
    model: Model,
    prime: str,
    after: GenerationState,
    config: SamplingConfig,
    stops: Sequence[str] = (),
    threads: int | None = None,
) -> BatchDecoder:
    """A decoder of one text that continues where another stopped, and then with a prime; otherwise as `start`."""
    vocabulary = model.vocabulary
    read = np.concatenate(([after.context], vocabulary.encode(prime))).astype(vocabulary.dtype)
    with _limited_blas(model, threads):
        state = model.read(read[:-1], model.clamp_state(after.state))
    recent = np.concatenate((after.recent, read[1:]))[None, -filters.LOOKBACK :]
    return BatchDecoder(model, config, state, read[-1:], recent, [deepcopy(after.rng)], stops, threads)


def _limited_blas(model: Model, threads: int | None) -> AbstractContextManager[None]:
    """`blas.limit` for an engine that uses BLAS: those with a decoder do not."""
    return nullcontext() if model.engine.Decoder else blas.limit(threads)


def sample_categorical(logp: Array, u: Array) -> Array:
    """For each row of log-probabilities [B, V], the character whose share of the unit interval contains u [B].

    The log-probabilities need not be normalised.
    """
    upto = np.cumsum(np.exp(logp), axis=-1)
    total = upto[:, -1]
    goal = np.minimum(u * total, np.nextafter(total, 0))  # never past the last character, however it rounds
    chosen: Array = (upto <= goal[:, None]).sum(axis=-1)
    return chosen
