"""The adapted model: what a model is after it has read a text once, and learned from it as it read."""

from collections.abc import Iterable

from charrnn.model.model import Model
from charrnn.scoring.adaptation import Adaptation
from charrnn.scoring.learner import AdaptationConfig
from charrnn.scoring.score import Text
from charrnn.scoring.text import check_pieces, score


def adapt(
    model: Model, text: Text | Iterable[Text], config: AdaptationConfig | None = None, *, unknown: str = "error"
) -> Model:
    """The model after it has read a text, or its consecutive pieces, and learned from it: see `Adaptation`.

    A model of lines or other records reads each of these as a text of its own. `unknown` is one of
    `score.UNKNOWN_POLICIES`; there is nothing to learn from a character that is not in the vocabulary. Raises
    `ConfigError` as `Adaptation` does, the errors of `Adaptation.check_learned`, and otherwise those of `text.score`.
    """
    check_pieces(text, "adapt")
    adaptation = Adaptation(model, config)
    score(model, text, unknown=unknown, adaptation=adaptation)
    adaptation.check_learned()
    return adaptation.model
