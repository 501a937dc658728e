"""The adaptation of a model by a command: the options, the progress bar, and what is said of it."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

from charrnn.cli.terminal.help import RUN, option
from charrnn.errors import ConfigError, counted

if TYPE_CHECKING:
    from charrnn.dataset.files import Part
    from charrnn.model.model import Model
    from charrnn.scoring.adaptation import Adaptation
    from charrnn.scoring.learner import AdaptationConfig
    from charrnn.scoring.score import Score

Piece = TypeVar("Piece")

RATE = "How far a weight goes in a step if its gradient has its usual size; the first go further. [0.003]"
PULL = "The part of the distance to the trained weight that an average one goes back in a step. [0.002]"
SEGMENT = "The characters that are read before each step. [40]"

AdaptRateOption = Annotated[float | None, option(RUN, f"With --adapt: {RATE[0].lower()}{RATE[1:]}")]
AdaptPullOption = Annotated[float | None, option(RUN, f"With --adapt: {PULL[0].lower()}{PULL[1:]}")]
AdaptSegmentOption = Annotated[int | None, option(RUN, f"With --adapt: {SEGMENT[0].lower()}{SEGMENT[1:]}")]


def adaptation_config(
    adapts: bool, rate: float | None, pull: float | None, segment: int | None
) -> "AdaptationConfig | None":
    """How a command learns, if it `adapts`; raises `ConfigError` for settings of a command that doesn't."""
    settings = {"rate": rate, "pull": pull, "segment": segment}
    given = {name: value for name, value in settings.items() if value is not None}
    if not adapts:
        for name in given:
            raise ConfigError(f"--adapt-{name} says how --adapt learns: add --adapt, or leave it out")
        return None
    from charrnn.scoring.learner import AdaptationConfig

    return AdaptationConfig(**given)  # type: ignore[arg-type]


def check_precision(adapts: bool, precision: str) -> None:
    """Raises `ConfigError` for narrow weights that should learn."""
    if adapts and precision != "float32":
        raise ConfigError(f"--adapt learns with weights in float32: leave out --precision {precision}")


def begin(model: "Model", how: "AdaptationConfig | None", quiet: bool) -> "Adaptation":
    """The model, ready to learn; a spinner on a terminal shows that this takes a while. Raises as `Adaptation` does."""
    from charrnn.cli.terminal.console import spinning
    from charrnn.scoring.adaptation import Adaptation

    with spinning("measuring gradients", quiet):
        return Adaptation(model, how)


@contextmanager
def learning_bar(
    pieces: Iterable[Piece], size: float, size_of: Callable[[Piece], int], adaptation: "Adaptation", quiet: bool
) -> Iterator[Iterator[Piece]]:
    """The pieces of a text of this size, with a progress bar on a terminal while the block learns from them.

    If the size is infinite, the bar says only that the work goes on, and how fast.
    """
    from charrnn.cli.terminal.progress_bar import complete, progress_bar

    began = time.monotonic()
    with progress_bar(size, 0, "{desc}", quiet) as bar:

        def watched() -> Iterator[Piece]:
            for piece in pieces:
                yield piece
                speed = adaptation.chars / max(time.monotonic() - began, 1e-9)
                bar.set_description_str(f"learning, {speed:,.0f} chars/s" if speed else "learning", refresh=False)
                bar.update(size_of(piece))

        yield watched()
        complete(bar)


def tell_if_forgotten(adaptation: "Adaptation", unit: str, notice: Callable[[str], None]) -> None:
    """Says so if the model now predicts the beginning of the text much worse than before it learned."""
    from charrnn.scoring.adaptation import MIN_ADVANTAGE

    if (advantage := adaptation.advantage_at_first()) < MIN_ADVANTAGE:
        bits = f"{-advantage / math.log(2):.2f} bits per {unit}"
        notice(
            f"the model now predicts the beginning of the text {bits} worse than before: it remembers the end best, so"
            " give a sorted list in random order, with shuf"
        )


def bytes_of(part: "Part") -> int:
    """The size of a part of a file, for `learning_bar`."""
    return len(part[1])


def learned(score: "Score", unit: str) -> str:
    """What a model has learned from, in so many characters or other units, and what that has brought."""
    bits = f"{score.bpc:.3f} bits per {unit} while it read them"
    without = f"{score.bpc_without_learning:.3f} without learning"
    return f"learned from {counted(score.chars, f'{unit}s')}: {bits}, {without}"
