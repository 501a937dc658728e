"""The scorer: how well a model expects a text, in nats and bits per character."""

import math
from dataclasses import dataclass

from charrnn.errors import CorpusError
from charrnn.model import Model


@dataclass(frozen=True)
class Score:
    """The loss of a text of `chars` characters, in all."""

    chars: int
    nats: float

    @property
    def nats_per_char(self) -> float:
        """Mean loss in nats per character."""
        return self.nats / self.chars

    @property
    def bpc(self) -> float:
        """Mean loss in bits per character."""
        return self.nats_per_char / math.log(2)


def score(model: Model, text: str | bytes) -> Score:
    """Scores a text: -log of the probability that the model writes it, unprimed, at temperature 1.

    Raises `VocabularyError` for characters the model has never seen, `CorpusError` for an empty text.
    """
    ids = model.vocabulary.encode(text)
    if not len(ids):
        raise CorpusError("there is no text to score: it is empty")
    nats = 0.0
    for more, _ in model.losses(ids):
        nats += more
    return Score(len(ids), nats)
