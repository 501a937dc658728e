"""The live batch: texts that are drawn side by side, each with settings of its own, and join and leave between draws.

With the compiled engine each is exactly the text that it would be alone, whoever is beside it and however many
characters are drawn at once; with NumPy, BLAS may round differently for another number of rows.
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
        self.rngs: list[np.random.Generator] = []
        self._compiled: Any = compiled_decoder(model, state, threads) if weights is None else copy(weights._compiled)
        if self._compiled and weights is not None:
            self._compiled.set_state(state)
        self._settings, self._temps, self._is_penalised = np.empty((0, 0)), np.empty(0), False

    def __len__(self) -> int:
        return len(self.rngs)

    def change(
        self, leaving: Collection[int], joining: Sequence[GenerationState], configs: Sequence[SamplingConfig]
    ) -> None:
        """Some rows leave, and others move up; then texts join, each with the settings by which it is drawn.

        Raises `ConfigError` for settings that a text can't have beside others: a temperature that changes, and
        characters that are allowed or banned.
        """
        if not all(config.to_temp is None and not config.allow and not config.ban for config in configs):
            raise ConfigError("to_temp, allow and ban are not for a batch of texts with settings of their own")
        if not leaving and not joining:
            return
        gone = {*leaving}
        kept = [row for row in range(len(self)) if row not in gone]
        context, state, recent, before = self.rows
        if self._compiled:
            state = self._compiled.state
        self.rows = Rows(
            np.concatenate((context[kept], np.array([text.context for text in joining], context.dtype))),
            np.concatenate((state[:, :, kept], *(text.state for text in joining)), axis=2),
            np.concatenate((recent[kept], *(text.recent[None] for text in joining))),
            [*(before[row] for row in kept), *configs],
        )
        self.rngs = [*(self.rngs[row] for row in kept), *(text.rng for text in joining)]
        configs = self.rows.configs
        self._settings = np.array([*map(filters.settings, configs)], float)
        self._temps = np.array([config.temp for config in configs])
        self._is_penalised = any(config.loop_penalty > 0 for config in configs)
        if self._compiled:
            self._compiled.set_state(self.rows.state)

    def draw(self, N: int) -> tuple[Ids, Array]:
        """Draws N characters of each text: ids [N, B], and the model's own log-probabilities [N, B].

        The log-probabilities of a text are NaN or infinite if the model's predictions are.
        """
        rows = self.rows
        numbers = np.empty((len(self), N))
        for rng, row in zip(self.rngs, numbers, strict=True):
            rng.random(out=row)
        u = numbers.T
        temps, state, recent = np.broadcast_to(self._temps, u.shape), rows.state, rows.recent
        if self._compiled:
            contexts, looked_at = ngram_contexts(self.model, recent), recent if self._is_penalised else None
            ids, logps = self._compiled.run(rows.context, u, temps, self._settings, None, looked_at, contexts)
        else:
            ids, logps, state = draw_step_by_step(self.model, rows, u, temps)
        if self._is_penalised or self.model.ngrams is not None:  # else nobody looks at what the texts had before
            recent = np.concatenate((recent, ids.T), axis=1)[:, -filters.LOOKBACK :]
        self.rows = Rows(ids[-1], state, recent, rows.configs)
        return ids, logps


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

    def advance(self, N: int) -> None:
        """Reads at most N characters."""
        part = self.ids[self.read : min(self.read + N, len(self.ids) - 1)]
        if len(part):
            self.state = self.model.state_after(part[:, None], self.state, self.workspace)
        self.read += len(part)

    def begin(self, seed: int) -> GenerationState:
        """The state of a text that continues the prime, once it is read, with random numbers of its own."""
        recent = last_characters(self.ids[1:], len(self.model.vocabulary))
        return GenerationState(self.state, int(self.ids[-1]), recent, np.random.default_rng(seed))
