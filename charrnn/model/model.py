"""The model: a network's weights with the vocabulary that they were learned for, ready to run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from charrnn import engine as engines
from charrnn.config import LINE_LAYOUTS, WEIGHT_PRECISIONS, ModelConfig, between, one_of
from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.table_form import TableForm
from charrnn.dataset.text_form import DEFAULT_FORM, TextForm
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import Engine
from charrnn.errors import ConfigError, CorpusError, DivergenceError
from charrnn.layers.narrow import matmul_with
from charrnn.layers.workspace import Workspace
from charrnn.model.clamp import clamp, value_range
from charrnn.model.display import Displayed
from charrnn.model.forms import AnyNetwork, network_for
from charrnn.model.line_scores import LineScores
from charrnn.model.losses import Losses
from charrnn.model.narrow_weights import rounded
from charrnn.model.network import Network
from charrnn.model.ngrams import NgramTable, contexts_of, history_after
from charrnn.model.text_state import TextState
from charrnn.types import Array, Ids, Params

DEFAULT_LENGTH = 1000
"""The characters of a sample if no length is given: of continuous text, and of a line if no line set is known."""


@dataclass(frozen=True)
class Model(Displayed):
    """The model that sampling, scoring and inspection work on. `params` are those of `Network`, for `config`."""

    config: ModelConfig
    vocabulary: Vocabulary
    params: Params = field(repr=False)
    engine: Engine = field(default_factory=lambda: engines.load("numpy"), repr=False)
    layout: str = "stream"
    """The layout of the training text, one of `config.LAYOUTS`; a language model writes text in this layout."""
    line_set: LineSet | None = None
    """The lines of the training text, for a model of the layout `lines`; for one of pairs, the targets."""
    labels: LabelSet | None = None
    """For a model of pairs the sources of the training text, if they are labels; for a classifier its labels, for a
    tagger its tags."""
    clamped: Array | None = field(default=None, repr=False)
    """The state [L, S, 1, H] of clamped units, and NaN for the other units; None if no unit is clamped."""
    text_form: TextForm = DEFAULT_FORM
    """How the training text was read, and so how other texts are: without a meaning for a model of bytes."""
    record_form: RecordForm = LINES
    """For a model of the layout `lines`, what a text of its own is to it: a line, or another record."""
    unseen: UnseenEstimate | None = None
    """How probable characters are that the training text lacks; None if it is not known, and for a model of bytes."""
    line_scores: LineScores | None = None
    """The scores of the lines that were held out, if they were measured, which is after training."""
    table: TableForm | None = None
    """The columns that the training text was read from, if it was a table of two: other tables are read so too."""
    precision: str = "float32"
    """The format of the weights that texts are drawn with, one of `config.WEIGHT_PRECISIONS`; `params` are rounded to
    it, but are float32 arrays."""
    ngrams: NgramTable | None = field(default=None, repr=False)
    """The table whose predictions are mixed with those of the network, if there is one; scores and samples are of the
    mixture. `forward` and `step` are of the network alone, and so is `inspection`."""
    losses: tuple[Losses, ...] = field(default=(), repr=False, compare=False)
    """The losses at the evaluations of its training, as far as they are known: for those who look at it."""

    @cached_property
    def network(self) -> AnyNetwork:
        """The network that the parameters are for."""
        return network_for(self.config, self.engine)

    @cached_property
    def language_model(self) -> Network:
        """The network, if it is a language model; raises `ConfigError` if it is another form."""
        network = self.network
        if not isinstance(network, Network):
            command = {"classifier": "classify", "tagger": "tag", "translator": "translate"}[self.config.form]
            raise ConfigError(f"this model is a {self.config.form}: use `charrnn {command}`")
        return network

    def check_language_model(self) -> None:
        """Raises `ConfigError` if the network is another form than a language model."""
        _ = self.language_model

    @property
    def n_params(self) -> int:
        """The number of parameters."""
        return sum(p.size for p in self.params.values())

    @property
    def reads_lines(self) -> bool:
        """Whether each line, or other record, is a text of its own to this model."""
        return self.layout in LINE_LAYOUTS

    @property
    def reads_records(self) -> bool:
        """Whether each record is a text of its own to this model, and records are not lines."""
        return self.reads_lines and not self.record_form.is_lines

    @property
    def end(self) -> str:
        """The character with which a text of its own ends; a continuous text has none, but begins as after it."""
        return self.record_form.end

    @cached_property
    def start(self) -> int:
        """The id of the context before the first character of a text, which begins as if another had just ended."""
        return self.vocabulary.start_after(self.end)

    @property
    def unseen_nats(self) -> float:
        """What a character that is not in the vocabulary costs in a score, in nats: see `UnseenEstimate`.

        It is at least log V, the cost of a uniform guess, and exactly that if there is no estimate.
        """
        uniform = math.log(len(self.vocabulary))
        return uniform if self.unseen is None else max(uniform, self.unseen.nats)

    @property
    def default_length(self) -> int:
        """The characters of a sample if no length is given."""
        if self.reads_lines and self.line_set is not None:
            return self.line_set.default_length
        return DEFAULT_LENGTH

    def with_encoding(self, encoding: str | None) -> "Model":
        """The same model for files in another encoding; None leaves that of the training text.

        Raises `ConfigError` for a model of bytes, and `CorpusError` for an unknown encoding.
        """
        if encoding is None:
            return self
        if self.vocabulary.is_bytes:
            raise ConfigError("this model reads bytes, which have no encoding: leave out `encoding`")
        return replace(self, text_form=replace(self.text_form, encoding=encoding))

    def as_read(self, text: str | bytes) -> str | bytes:
        """A text as the training text was read: decoded if it is bytes, and in its normal form.

        For a model of bytes it is the same text.
        """
        return text if self.vocabulary.is_bytes else self.text_form.normalize(self.as_text(text))

    def as_text(self, text: str | bytes) -> str:
        """A text as characters: bytes are decoded in the encoding of the training text.

        Raises `CorpusError` for bytes that can't be, and `ConfigError` for what is not a text.
        """
        if not isinstance(text, str | bytes):
            raise ConfigError(f"a text is of the type str or bytes, not {type(text).__name__}")
        try:
            return text if isinstance(text, str) else text.decode(self.text_form.encoding, "surrogateescape")
        except UnicodeError as error:
            raise CorpusError(f"the text is not {self.text_form.encoding}: {error}; decode it first") from None

    def without_engine(self) -> dict[str, Any]:
        """The fields but the engine, which another process loads by itself."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "engine"}

    def zero_state(self, B: int) -> Array:
        """The state [L, S, B, H] before anything is read."""
        return self.clamp_state(self.network.zero_state(B, self.params["W_out"].dtype))

    def clamp_state(self, state: Array) -> Array:
        """A state [L, S, B, H] with the clamped units at their values."""
        return state if self.clamped is None else np.where(np.isnan(self.clamped), state, self.clamped)

    def clamp_units(self, units: Mapping[tuple[int, int], float]) -> "Model":
        """The same model with some units (layer, index) clamped, each to a value from -1 to 1, with ReLU from 0.

        Raises `ConfigError` for a unit that does not exist, and for a value out of range.
        """
        if not units:
            return self
        values = np.full((self.config.layers, self.config.hidden_size), np.nan)
        for unit, value in units.items():
            self.check_unit(*unit)
            between("the value of a unit", value, *value_range(self.config))
            values[unit] = value
        params, clamped = clamp(self.language_model, self.params, values)
        return replace(self, params=params, clamped=clamped)

    def with_precision(self, precision: str) -> "Model":
        """The same model with weights in float32, bfloat16 or int8: it draws texts from fewer bytes.

        What it reads, it reads with the same weights, rounded, in float32. Raises `ConfigError` for an unknown
        precision, for a network that is no language model, and if the weights are rounded already.
        """
        one_of("precision", precision, WEIGHT_PRECISIONS)
        if precision == self.precision:
            return self
        if self.precision != "float32":
            raise ConfigError(f"the weights of this model are rounded to {self.precision}: load the model anew")
        return replace(self, params=rounded(self.config, self.params, precision), precision=precision)

    def check_unit(self, layer: int, index: int) -> None:
        """Raises `ConfigError` for a unit that does not exist."""
        L, H = self.config.layers, self.config.hidden_size
        if not (0 <= layer < L and 0 <= index < H):
            layers = (
                f"layers run from 0 to {L - 1}, the units of each" if L > 1 else "the only layer is 0, its units run"
            )
            if layer == -1:
                raise ConfigError(
                    f"unit {index} needs its layer, as in 0:{min(index, H - 1)}: {layers} from 0 to {H - 1}"
                )
            raise ConfigError(f"there is no unit {layer}:{index}: {layers} from 0 to {H - 1}")

    def forward(self, inputs: Ids, state: Array, workspace: Workspace | None = None) -> tuple[Array, Array]:
        """The logits [T, B, V] after each of the inputs [T, B], and the next state."""
        return self.language_model.forward(self.params, inputs, state, workspace)

    def step(self, ids: Ids, state: Array) -> tuple[Array, Array]:
        """`forward` for one character of each row [B], with the NumPy engine: logits [B, V], and the next state."""
        return self.language_model.step(self.params, ids, state, matmul_with(self.precision))

    def read(self, ids: Ids, state: Array) -> Array:
        """The state [L, S, 1, H] after the text `ids` [N]."""
        workspace = Workspace()
        for start in range(0, len(ids), CHARS_PER_READ):
            state = self.state_after(ids[start : start + CHARS_PER_READ, None], state, workspace)
        return state

    def state_after(self, inputs: Ids, state: Array, workspace: Workspace | None = None) -> Array:
        """`forward` without the logits: the state [L, S, B, H] after the inputs [T, B]."""
        network, workspace = self.language_model, workspace or Workspace()
        return network.stack.forward(self.params, inputs, state, None, workspace)[1]

    def zero_text_state(self, B: int) -> TextState:
        """The state of B texts before anything is read."""
        K = 0 if self.ngrams is None else self.ngrams.order
        return TextState(self.zero_state(B), np.full((K, B), len(self.vocabulary), np.int64))

    def token_nll(
        self, inputs: Ids, targets: Ids, text_state: TextState, workspace: Workspace | None = None
    ) -> tuple[Array, TextState]:
        """-log p [T, B], in nats, of each of the targets [T, B] after the inputs [T, B]; and the next state."""
        nats, p, text_state = self.token_nll_unmixed(inputs, targets, text_state, workspace)
        return nats if self.ngrams is None else self.ngrams.mixture(nats, p), text_state

    def token_nll_unmixed(
        self, inputs: Ids, targets: Ids, text_state: TextState, workspace: Workspace | None = None
    ) -> tuple[Array, Array, TextState]:
        """`token_nll` of the network alone, the probabilities [T, B] of the n-grams, and the next state.

        A model without n-grams gives none of these probabilities, [0].
        """
        state, history = text_state
        nats, state = self.language_model.token_nll(self.params, inputs, targets, state, workspace)
        if self.ngrams is None:
            return nats, np.zeros(0), TextState(state, history)
        p = self.ngrams.probabilities(contexts_of(inputs, history).reshape(-1, len(history)), targets.ravel())
        return nats, p.reshape(nats.shape), TextState(state, history_after(inputs, history))


def check_model(value: object) -> None:
    """Raises `ConfigError` if a value that a caller gave as a model is none, such as a checkpoint or a path."""
    if not isinstance(value, Model):
        raise ConfigError(
            f"the model is of the type {type(value).__name__}: give the model of a checkpoint, charrnn.load(path).model"
        )


def check_finite(predictions: Array) -> None:
    """Raises `DivergenceError` for losses or probabilities that are NaN or infinite."""
    if not np.isfinite(predictions).all():
        raise DivergenceError("the model's predictions are NaN or infinite: its weights are too large")
