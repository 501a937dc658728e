"""The score of a text: how well a model predicts it, in nats and bits per character.

The surprisal of a character is -log p, where p is the probability that the model gave it after everything before it: in
the text or, for a model of lines, in its line. A score is the mean surprisal. A text, and a line that is scored alone,
is read after `Model.start`.

A network can't read a character that is not in its vocabulary, so its state stays as it is there: the next character is
predicted as if it followed the one before. What the unknown character itself costs depends on a policy.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from charrnn.config import WRITERS, one_of
from charrnn.dataset.batch import CHARS_PER_READ
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.layers.workspace import Workspace
from charrnn.model.line_losses import checked_nll
from charrnn.model.model import Model, check_model
from charrnn.model.text_state import TextState
from charrnn.resources import blas
from charrnn.types import Array, Ids, Mask

if TYPE_CHECKING:
    from charrnn.scoring.adaptation import Adaptation

UNKNOWN_POLICIES = ("error", "skip", "count")
"""What to do with characters that are not in the vocabulary: raise an error, leave them out, or count each at its cost,
which is `Model.unseen_nats`."""
Text = str | bytes


@dataclass(frozen=True)
class Score:
    """The total loss of a text of `chars` characters; the scores of its parts add up to that of the whole."""

    chars: int
    nats: float
    unknown: int = 0
    """The characters that are not in the vocabulary: those that were skipped are further ones; those that were counted
    are among `chars`, except in the source of a pair, where nothing counts."""
    nats_without_learning: float | None = None
    """The loss of the trained model alone, if it learned from the text as it read it; None if it didn't."""

    def __add__(self, other: "Score") -> "Score":
        sums = self.chars + other.chars, self.nats + other.nats, self.unknown + other.unknown
        return Score(*sums, self._trained_nats + other._trained_nats if self.adapted or other.adapted else None)

    @property
    def adapted(self) -> bool:
        """Whether the model learned from the text as it read it: such a score is not that of the model itself."""
        return self.nats_without_learning is not None

    @property
    def _trained_nats(self) -> float:
        return self.nats if self.nats_without_learning is None else self.nats_without_learning

    @property
    def nats_per_char(self) -> float:
        """Mean loss in nats per character; 0 for an empty text."""
        return self.nats / self.chars if self.chars else 0.0

    @property
    def bpc(self) -> float:
        """Mean loss in bits per character."""
        return self.nats_per_char / math.log(2)

    @property
    def bpc_without_learning(self) -> float:
        """The same of the trained model alone, which is `bpc` unless the model learned from the text."""
        return self._trained_nats / math.log(2) / self.chars if self.chars else 0.0

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to predict: exp of the mean loss."""
        try:
            return math.exp(self.nats_per_char)
        except OverflowError:
            return math.inf

    def as_dict(self) -> dict[str, float | bool | None]:
        """The score as JSON data; an infinite perplexity, which JSON can't express, is None.

        The keys `adapted` and `bpc_without_learning` are only in an adapted score.
        """
        learned = {"adapted": True, "bpc_without_learning": self.bpc_without_learning} if self.adapted else {}
        return {
            "unknown": self.unknown,
            "chars": self.chars,
            "nats_per_char": self.nats_per_char,
            "bpc": self.bpc,
            "perplexity": self.perplexity if self.perplexity < math.inf else None,
        } | learned


def check_scores(model: Model) -> None:
    """Raises `ConfigError` for a model that gives no probability to a text: a classifier or a tagger."""
    check_model(model)
    if model.config.form not in WRITERS:
        model.check_language_model()


def surprisal(model: Model, text: Text, *, unknown: str = "error", adaptation: "Adaptation | None" = None) -> Array:
    """The surprisal of each character [N] of a text, in nats; for a model of bytes, that of each byte.

    If the model has a normal form for its texts (`Model.text_form`), the characters are those of the text in that form.

    Characters that are not in the vocabulary raise `VocabularyError`; with `skip` their surprisal is NaN, and with
    `count` it is `Model.unseen_nats`. With an adaptation of the model, which goes on with what it has read, the
    surprisal is that before it learns from the character.
    """
    check_model(model)
    (nats,) = stream_surprisal(model, [model.as_read(text)], unknown=unknown, adaptation=adaptation)
    return nats


def stream_surprisal(
    model: Model, pieces: Iterable[Text], *, unknown: str = "error", adaptation: "Adaptation | None" = None
) -> Iterator[Array]:
    """`surprisal` of a text in pieces: yields that of each piece [N] before it asks for the next.

    Raises `ConfigError` if something else was read with the adaptation between two pieces.
    """
    model.check_language_model()
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    if adaptation is not None:
        return (nats for nats, _ in adapted_surprisals(model, pieces, unknown, adaptation))
    return blas.limited(_stream_surprisal(model, pieces, unknown))


def adapted_surprisals(model: Model, pieces: Iterable[Text], unknown: str, adaptation: "Adaptation") -> Iterator[Array]:
    """`stream_surprisal` with an adaptation, and the surprisal by the trained weights alone: [2, N] for each piece."""
    from charrnn.scoring.adaptation import check_reader

    check_reader(adaptation, model)
    return _adapted_surprisals(model, pieces, unknown, adaptation)


def _adapted_surprisals(
    model: Model, pieces: Iterable[Text], unknown: str, adaptation: "Adaptation"
) -> Iterator[Array]:
    is_new = np.ones(1, bool)  # whether the next character begins a text of its own
    continued = adaptation.continued()
    for piece in pieces:
        ids, known = encode_known(model.vocabulary, piece, unknown)
        nats = np.full((2, len(known)), model.unseen_nats if unknown == "count" else np.nan)
        ends = ids == model.start if model.reads_lines else np.zeros(len(ids), bool)
        starts = np.concatenate((is_new, ends))
        nats[:, known] = continued(ids, starts[:-1])
        is_new = starts[-1:]
        yield nats


def _stream_surprisal(model: Model, pieces: Iterable[Text], unknown: str) -> Iterator[Array]:
    before, text_state, workspace = model.start, model.zero_text_state(1), Workspace()
    for piece in pieces:
        ids, known = encode_known(model.vocabulary, piece, unknown)
        nats = np.full(len(known), model.unseen_nats if unknown == "count" else np.nan, text_state.state.dtype)
        found = []
        for text in _texts(model, ids):
            part, before, text_state = read_nll(model, text, before, text_state, workspace)
            found.append(part)
            if model.reads_lines and len(text) and before == model.start:  # the next line is a text of its own
                text_state = model.zero_text_state(1)
        nats[known] = np.concatenate(found)
        yield nats


def _texts(model: Model, ids: Ids) -> list[Ids]:
    """The ids of a piece, for a model of lines in parts that end where a line does."""
    return np.split(ids, np.flatnonzero(ids == model.start) + 1) if model.reads_lines else [ids]


def encode_known(vocabulary: Vocabulary, text: Text, unknown: str) -> tuple[Ids, Mask]:
    """The ids of the known characters of a text [N], and a mask [N] of these characters."""
    if unknown != "error":
        return vocabulary.select(text)
    ids = vocabulary.encode(text)
    return ids, np.ones(len(ids), bool)


def read_nll(
    model: Model, ids: Ids, before: int, text_state: TextState, workspace: Workspace
) -> tuple[Array, int, TextState]:
    """-log p of the characters `ids` [N] after the character `before`; the last character, and the next state."""
    nats = np.empty(len(ids), text_state.state.dtype)
    for start in range(0, len(ids), CHARS_PER_READ):
        targets = ids[start : start + CHARS_PER_READ]
        inputs = np.concatenate(([before], targets[:-1])).astype(ids.dtype)
        found, text_state = checked_nll(model, inputs[:, None], targets[:, None], text_state, workspace)
        nats[start : start + CHARS_PER_READ], before = found[:, 0], int(targets[-1])
    return nats, before, text_state
