"""The live batch: texts that are drawn side by side, each with settings of its own, and join and leave between draws.

With the compiled engine each is exactly the text that it would be alone, whoever is beside it and however many
characters are drawn at once; with NumPy, BLAS may round differently for another number of rows.

A text may join before its prime is read: then what is left of it comes first, as if it were drawn. At a temperature so
high that all characters are equally likely, a random number says which one comes. So a short prime costs as little as
other characters of a batch, where a product of a single row reads all weights for one character.
"""

from collections.abc import Collection, Sequence
from copy import copy
from typing import Any

import numpy as np

from charrnn.config import SamplingConfig
from charrnn.errors import ConfigError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.sampling import filters
from charrnn.sampling.decoder import Rows, compiled_decoder, draw_step_by_step, last_characters, ngram_contexts
from charrnn.sampling.state import GenerationState
from charrnn.types import Array, Ids

UNIFORM_TEMP = 1e300
"""A temperature at which all characters are equally likely, whatever the logits are."""
UNFILTERED = SamplingConfig()
"""How a prime is read as it would be drawn: no filter may rule its characters out."""


class LiveBatch:
    """B texts of one model; the weights are packed once, however often B changes."""

    def __init__(self, model: Model, threads: int | None = None, weights: "LiveBatch | None" = None):
        """`threads` is that of `SamplingRequest`; `weights` another batch of this model and as many threads.

        Both share the packed weights then, and can be used in two threads at the same time.
        """
        self.model = model
        state = model.zero_state(0)
        self.rows = Rows(
            np.empty(0, model.vocabulary.dtype),
            state,
            np.empty((0, filters.LOOKBACK), np.int64),
            list[SamplingConfig](),
        )
        self.configs: list[SamplingConfig] = []
        """How each text is drawn, once its prime is read."""
        self.rngs: list[np.random.Generator] = []
        self.unread: list[Ids] = []
        """What is left of the prime of each."""
        self._compiled: Any = compiled_decoder(model, state, threads) if weights is None else copy(weights._compiled)
        if self._compiled and weights is not None:
            self._compiled.set_state(state)
        self._settings, self._temps, self._is_penalised = np.empty((0, 0)), np.empty(0), False

    def __len__(self) -> int:
        return len(self.rngs)

    @property
    def reads_primes(self) -> bool:
        """Whether texts can join before their primes are read, and are the same as after it.

        In int8, what is drawn is computed in another way than what is read.
        """
        return self._compiled is not None and self.model.precision != "int8"

    def change(
        self,
        leaving: Collection[int],
        joining: Sequence[GenerationState],
        configs: Sequence[SamplingConfig],
        unread: Sequence[Ids] | None = None,
    ) -> None:
        """Some rows leave, and others move up; then texts join, each with the settings by which it is drawn.

        `unread` is what each of these reads before that; None: nothing.

        Raises `ConfigError` for settings that a text can't have beside others: a temperature that changes, and
        characters that are allowed or banned.
        """
        if not all(config.to_temp is None and not config.allow and not config.ban for config in configs):
            raise ConfigError("to_temp, allow and ban are not for a batch of texts with settings of their own")
        if not leaving and not joining:
            return
        gone = {*leaving}
        kept = [row for row in range(len(self)) if row not in gone]
        context, state, recent, _ = self.rows
        if self._compiled:
            state = self._compiled.state
        self.configs = [*(self.configs[row] for row in kept), *configs]
        self.rngs = [*(self.rngs[row] for row in kept), *(text.rng for text in joining)]
        self.unread = [*(self.unread[row] for row in kept), *(unread or [context[:0]] * len(joining))]
        self._temps = np.array([config.temp for config in self.configs])
        self._is_penalised = any(config.loop_penalty > 0 for config in self.configs)
        if self._looks_back:
            recent = np.concatenate((recent[kept], *(text.recent[None] for text in joining)))
        else:
            recent = np.broadcast_to(len(self.model.vocabulary), (len(self), filters.LOOKBACK))
        self.rows = Rows(
            np.concatenate((context[kept], np.array([text.context for text in joining], context.dtype))),
            np.concatenate((state[:, :, kept], *(text.state for text in joining)), axis=2),
            recent,
            self.configs,
        )
        self._set_filters()
        if self._compiled:
            self._compiled.set_state(self.rows.state)

    @property
    def _looks_back(self) -> bool:
        """Whether what the texts had before makes a difference; of a text that has no penalty, it is not kept."""
        return self._is_penalised or self.model.ngrams is not None

    def _set_filters(self) -> None:
        """Sets the filters of each text: none, as long as its prime is read."""
        configs = [UNFILTERED if len(ids) else c for c, ids in zip(self.configs, self.unread, strict=True)]
        self.rows = self.rows._replace(configs=configs)
        self._settings = np.array([*map(filters.settings, configs)], float)

    def draw(self, N: int) -> tuple[Ids, Array]:
        """Draws N characters of each text: ids [N, B], and the model's own log-probabilities [N, B].

        The first ones are those of its prime that were `unread`.

        The log-probabilities of a text are NaN or infinite if the model's predictions are.
        """
        drawn: list[tuple[Ids, Array]] = []
        while N:
            # A text that has filters after its prime has them from a draw of its own on
            ends = [len(ids) for ids, c in zip(self.unread, self.configs, strict=True) if len(ids) and _has_filter(c)]
            n = min(N, *ends) if ends else N
            drawn.append(self._draw(n))
            N -= n
        if len(drawn) == 1:
            return drawn[0]
        ids, logps = map(np.concatenate, zip(*drawn, strict=True))
        return ids, logps

    def _draw(self, N: int) -> tuple[Ids, Array]:
        """`draw`, if no text has other filters within the N characters."""
        rows, V, reading = self.rows, len(self.model.vocabulary), dict[int, Ids]()
        numbers, temps = np.empty((len(self), N)), np.empty((N, len(self)))
        temps[:] = self._temps
        for row, (rng, unread) in enumerate(zip(self.rngs, self.unread, strict=True)):
            n = min(len(unread), N)
            if n:
                reading[row] = read = unread[:n]
                numbers[row, :n], temps[:n, row] = np.add(read, 0.5, dtype=float) / V, UNIFORM_TEMP
            rng.random(out=numbers[row, n:])
        u, state, recent = numbers.T, rows.state, rows.recent
        if self._compiled:
            contexts, looked_at = ngram_contexts(self.model, recent), recent if self._is_penalised else None
            ids, logps = self._compiled.run(rows.context, u, temps, self._settings, None, looked_at, contexts)
        else:
            ids, logps, state = draw_step_by_step(self.model, rows, u, temps)
        if self._looks_back:
            recent = np.concatenate((recent, ids.T), axis=1)[:, -filters.LOOKBACK :]
        self.rows = Rows(ids[-1], state, recent, rows.configs)
        for row, read in reading.items():
            if (ids[: len(read), row] != read).any():  # a logit is infinite
                logps[:, row] = np.nan
            self.unread[row] = self.unread[row][len(read) :]
        if any(not len(self.unread[row]) and _has_filter(self.configs[row]) for row in reading):
            self._set_filters()
        return ids, logps


def _has_filter(config: SamplingConfig) -> bool:
    """Whether a text is drawn with more than a temperature."""
    return filters.settings(config) != filters.settings(UNFILTERED)


class PrimeReader:
    """Reads the prime of a text, part by part, so that other work can go on in between."""

    def __init__(self, model: Model, prime: Ids, workspace: Workspace | None = None):
        """The ids [N] of the prime; readers can share a workspace, one after the other."""
        self.model, self.workspace = model, workspace or Workspace()
        self.ids = np.concatenate(([model.start], prime)).astype(model.vocabulary.dtype)
        self.state, self.read = model.zero_state(1), 0

    @property
    def left(self) -> int:
        """The characters that are still to be read; the last one is the first input of the decoder."""
        return len(self.ids) - 1 - self.read

    @property
    def unread(self) -> Ids:
        """What a text that begins here has to read before it continues the prime."""
        return self.ids[self.read + 1 :]

    def advance(self, N: int) -> None:
        """Reads at most N characters."""
        part = self.ids[self.read : min(self.read + N, len(self.ids) - 1)]
        if len(part):
            self.state = self.model.state_after(part[:, None], self.state, self.workspace)
        self.read += len(part)

    def begin(self, seed: int) -> GenerationState:
        """The state of a text that continues what was read, with random numbers of its own."""
        recent = last_characters(self.ids[1 : self.read + 1], len(self.model.vocabulary))
        return GenerationState(self.state, int(self.ids[self.read]), recent, np.random.default_rng(seed))
