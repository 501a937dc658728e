"""The scorer: how well a model expects a text, in nats and bits per character.

The surprise of a character is -log p, where p is what the model had given it after all that came before; a score is the
mean of surprises. Before a text, and before a line that is scored by itself, stands `vocabulary.start`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from charrnn.config import one_of
from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError, DivergenceError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.types import Array, Ids

UNKNOWN_POLICIES = ("error", "skip")
"""What becomes of characters that the model has never seen."""
Text = str | bytes


@dataclass(frozen=True)
class Score:
    """The loss of a text of `chars` characters, in all; scores of parts add up to that of the whole."""

    chars: int
    nats: float
    unknown: int = 0
    """Characters beside these, which were left out since the model has never seen them."""

    def __add__(self, other: "Score") -> "Score":
        return Score(self.chars + other.chars, self.nats + other.nats, self.unknown + other.unknown)

    @property
    def nats_per_char(self) -> float:
        """Mean loss in nats per character; 0 where there are none."""
        return self.nats / self.chars if self.chars else 0.0

    @property
    def bpc(self) -> float:
        """Mean loss in bits per character."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many characters, all as likely as each other, the choice would have been as hard."""
        try:
            return math.exp(self.nats_per_char)
        except OverflowError:
            return math.inf

    def as_dict(self) -> dict[str, float | None]:
        """The score as plain data, fit for JSON, which has no infinity: a perplexity beyond all numbers is None."""
        return {
            "unknown": self.unknown,
            "chars": self.chars,
            "nats_per_char": self.nats_per_char,
            "bpc": self.bpc,
            "perplexity": self.perplexity if self.perplexity < math.inf else None,
        }


def score(model: Model, text: Text | Iterable[Text], *, unknown: str = "error") -> Score:
    """Scores a text, or its pieces one after the other: -log of the probability that the model writes it, unprimed.

    Raises `VocabularyError` for characters the model has never seen, unless `unknown` is `skip`, which leaves them out;
    `CorpusError` where there is nothing to score.
    """
    total = Score(0, 0.0)
    for nats in stream_surprisal(model, [text] if isinstance(text, Text) else text, unknown=unknown):
        left_out = int(np.isnan(nats).sum())
        total += Score(len(nats) - left_out, float(np.nansum(nats, dtype=np.float64)), left_out)
    if not total.chars:
        why = "the model knows none of its characters" if total.unknown else "it is empty"
        raise CorpusError(f"there is no text to score: {why}")
    return total


def surprisal(model: Model, text: Text, *, unknown: str = "error") -> Array:
    """The surprise of each character [N] of a text, in nats: of each byte, for a model of bytes.

    Characters that the model has never seen raise `VocabularyError`, or with `skip` have NaN for their surprise.
    """
    (nats,) = stream_surprisal(model, [text], unknown=unknown)
    return nats


def stream_surprisal(model: Model, pieces: Iterable[Text], *, unknown: str = "error") -> Iterator[Array]:
    """`surprisal` of a text that comes in pieces: those of each piece [N] before the next is asked for."""
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    before, state, workspace = model.vocabulary.start, model.zero_state(1), Workspace()
    with threadpool_limits(1):  # with a single row, threads of BLAS are in each other's way
        for piece in pieces:
            ids, known = encode_known(model.vocabulary, piece, unknown)
            nats = np.full(len(known), np.nan, state.dtype)
            nats[known], before, state = read_nll(model, ids, before, state, workspace)
            yield nats


def encode_known(vocabulary: Vocabulary, text: Text, unknown: str) -> tuple[Ids, NDArray[np.bool_]]:
    """The ids of the known characters of a text [N], and which of them these are, a mask [N]."""
    if unknown == "skip":
        return vocabulary.select(text)
    ids = vocabulary.encode(text)
    return ids, np.ones(len(ids), bool)


def read_nll(model: Model, ids: Ids, before: int, state: Array, workspace: Workspace) -> tuple[Array, int, Array]:
    """The surprises of the characters `ids` [N] after one `before` them; the last character, and the next state."""
    nats = np.empty(len(ids), state.dtype)
    for start in range(0, len(ids), CHARS_PER_READ):
        targets = ids[start : start + CHARS_PER_READ]
        inputs = np.concatenate(([before], targets[:-1])).astype(ids.dtype)
        found, state = checked_nll(model, inputs[:, None], targets[:, None], state, workspace)
        nats[start : start + CHARS_PER_READ], before = found[:, 0], int(targets[-1])
    return nats, before, state


def checked_nll(model: Model, inputs: Ids, targets: Ids, state: Array, workspace: Workspace) -> tuple[Array, Array]:
    """`model.surprisal`, where they are numbers."""
    with np.errstate(all="ignore"):  # where weights are too large the surprises show it
        nats, state = model.surprisal(inputs, targets, state, workspace)
    if not np.isfinite(nats).all():
        raise DivergenceError("the model predicts what is no number: its weights are too large")
    return nats, state
