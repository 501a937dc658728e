"""The model: a network's weights with the vocabulary they were learned for, ready to be run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np

from charrnn import engine as engines
from charrnn.config import ModelConfig, between
from charrnn.dataset.batch import Batch
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import Engine
from charrnn.errors import ConfigError
from charrnn.layers.workspace import Workspace
from charrnn.model import clamp, network
from charrnn.types import Array, Ids, Params

READ_CHUNK = 1024
"""Characters of a long text that are read at once: enough that the large products are large."""


@dataclass(frozen=True)
class Model:
    """What sampling, scoring and inspection work on. `params` are those of `network`, for `config`."""

    config: ModelConfig
    vocabulary: Vocabulary
    params: Params = field(repr=False)
    engine: Engine = field(default_factory=lambda: engines.load("numpy"), repr=False)
    known: LineSet | None = None
    """What it knows of the lines it was made from, if it is a model of records: each a text that ends with its line."""
    held: Array | None = field(default=None, repr=False)
    """The state [L, S, 1, H] of units that are held where they are, and NaN for the others; None where none is."""

    def zero_state(self, B: int) -> Array:
        """The state [L, S, B, H] before anything was read."""
        return self.kept(network.zero_state(self.config, self.engine, B, self.params["W_out"].dtype))

    def kept(self, state: Array) -> Array:
        """A state [L, S, B, H] with the units that are held where they are held."""
        return state if self.held is None else np.where(np.isnan(self.held), state, self.held)

    def holding(self, units: Mapping[tuple[int, int], float]) -> "Model":
        """The same model with some units (layer, index) held at a value, as `network.hold` does.

        Raises `ConfigError` for a unit that there isn't, and for a value below -1 or above 1.
        """
        if not units:
            return self
        values = np.full((self.config.layers, self.config.hidden_size), np.nan)
        for unit, value in units.items():
            self.check_unit(*unit)
            between("the value of a unit", value, -1, 1)
            values[unit] = value
        params, held = clamp.clamp(self.params, self.config, values)
        return replace(self, params=params, held=held)

    def check_unit(self, layer: int, index: int) -> None:
        """Raises `ConfigError` where there is no such unit."""
        L, H = self.config.layers, self.config.hidden_size
        if not (0 <= layer < L and 0 <= index < H):
            raise ConfigError(
                f"there is no unit {layer}:{index}: layers go from 0 to {L - 1}, the units of each from 0 to {H - 1}"
            )

    def forward(self, inputs: Ids, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array]:
        """Logits [T, B, V] after each of the inputs [T, B], in the memory if one is given, and the next state."""
        return network.forward(self.params, inputs, state, self.config, self.engine, workspace)

    def step(self, ids: Ids, state: Array) -> tuple[Array, Array]:
        """The same for one character of each row [B], where the engine is NumPy: logits [B, V], and the next state."""
        return network.step(self.params, ids, state, self.config, self.engine)

    def read(self, ids: Ids, state: Array) -> Array:
        """The state [L, S, 1, H] after the text `ids` [N]."""
        workspace = Workspace()
        for start in range(0, len(ids), READ_CHUNK):
            _, state = self.forward(ids[start : start + READ_CHUNK, None], state, workspace)
        return state

    def surprises(
        self, inputs: Ids, targets: Ids, state: Array, workspace: Workspace | None = None
    ) -> tuple[Array, Array]:
        """How little each of the targets [T, B] is expected after the inputs [T, B], in nats; and the next state."""
        return network.token_nll(self.params, inputs, targets, state, self.config, self.engine, workspace)

    def losses(self, ids: Ids) -> Iterator[tuple[float, int]]:
        """The loss of a text [N], chunk by chunk: nats, and how many characters they are for.

        The whole text is read in order, the state carried from zero; before its first character stands
        `vocabulary.start`, so that each of the N characters is predicted once.
        """
        state, before, workspace = self.zero_state(1), self.vocabulary.start, Workspace()
        for start in range(0, len(ids), READ_CHUNK):
            targets = ids[start : start + READ_CHUNK]
            inputs = np.empty_like(targets)
            inputs[0], inputs[1:], before = before, targets[:-1], targets[-1]
            with np.errstate(all="ignore"):  # where weights are too large the loss shows it
                nats, state = network.loss(
                    self.params, inputs[:, None], targets[:, None], state, self.config, self.engine, workspace
                )
            yield nats, len(targets)

    def chunk_losses(self, chunks: Iterable[Batch], B: int) -> Iterator[tuple[float, int]]:
        """The loss of chunks of B rows, read one after the other: nats, and how many characters they are for."""
        state, workspace = self.zero_state(B), Workspace()
        for chunk in chunks:
            state[:, :, chunk.afresh] = 0
            state = self.kept(state)
            with np.errstate(all="ignore"):  # as in `losses`
                nats, state = network.loss(
                    self.params, chunk.inputs, chunk.targets, state, self.config, self.engine, workspace, chunk.real
                )
            yield nats, chunk.chars

    # What is done with a model is defined above it, and handed on by the face of the package: these lead there

    def generate(self, **options: Any) -> Iterator[str]:
        """`charrnn.generate` with this model."""
        pieces: Iterator[str] = import_module("charrnn").generate(self, **options)
        return pieces

    def score(self, text: str | bytes, **options: Any) -> Any:
        """`charrnn.score` with this model: a `Score`."""
        return import_module("charrnn").score(self, text, **options)

    def score_lines(self, lines: Iterable[str | bytes], **options: Any) -> Iterator[Any]:
        """`charrnn.score_lines` with this model: a `Score` for each line."""
        scores: Iterator[Any] = import_module("charrnn").score_lines(self, lines, **options)
        return scores

    @property
    def size(self) -> int:
        """How many numbers the model has learned."""
        return sum(p.size for p in self.params.values())
