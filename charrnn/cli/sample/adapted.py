"""The adapted model of `charrnn sample`: what it learns from the prime, and what it goes on with."""

from collections.abc import Callable

from charrnn.cli.terminal.adaptation import learned
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.scoring.adaptation import Adaptation
from charrnn.scoring.learner import AdaptationConfig
from charrnn.scoring.text import score


def adapted(
    model: Model, config: AdaptationConfig, prime: str, precision: str, notice: Callable[[str], None]
) -> tuple[Model, str]:
    """The model after it has learned from a prime, with weights in a precision; and the text to continue.

    A model of lines or records learns from those of the prime, and begins new ones. Raises `ConfigError` for a prime
    that is too short to learn from, and for a model that can't learn; `DivergenceError` if it becomes much worse.
    """
    unit = "bytes" if model.vocabulary.is_bytes else "characters"
    if len(model.vocabulary.encode(prime)) < config.segment:
        raise ConfigError(f"--adapt needs a longer text to learn from: at least {config.segment:,} {unit}")
    adaptation = Adaptation(model, config)
    read = score(model, prime, adaptation=adaptation)
    adaptation.check_learned()
    notice(learned(read, adaptation, unit))
    model = adaptation.model.with_precision(precision)
    if precision != "float32":
        notice(f"weights in {precision}")
    return model, "" if model.reads_lines else prime
