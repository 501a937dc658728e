"""The thresholds of `charrnn score`: bits per character, or a percentage of the lines that training has held out."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.config import between
from charrnn.errors import ConfigError
from charrnn.model.line_scores import MIN_LINES, LineScores


@dataclass(frozen=True)
class Threshold:
    """A bound of `--above` or `--below`. Raises `ConfigError` for one that is out of range."""

    option: str
    value: float
    is_percent: bool = False

    def __post_init__(self) -> None:
        between(self.option, self.value, 0, 100 if self.is_percent else math.inf)

    @classmethod
    def parse(cls, option: str, text: str | None) -> "Threshold | None":
        """The threshold that is given, if any. Raises `ConfigError` for what is neither a number nor a percentage."""
        if text is None:
            return None
        number = text.strip().removesuffix("%")
        try:
            return cls(option, float(number), number != text.strip())
        except ValueError:
            why = f"{option} is a number of bits per character, such as 3.5, or a percentage, such as 99%, not {text!r}"
            raise ConfigError(why) from None

    def __str__(self) -> str:
        return f"{self.option} {self.value:g}{'%' * self.is_percent}"

    def in_bits(self, scores: LineScores | None, notice: Callable[[str], None]) -> "Threshold":
        """The threshold in bits: more than a percentage of the held-out lines have, or fewer, which a notice says.

        Raises `ConfigError` if it needs the scores of these lines and there are none.
        """
        if not self.is_percent:
            return self
        if scores is None:
            raise ConfigError(
                f"{self} is a share of held-out lines, and this model lacks their scores: give a number of bits, or "
                f"train one to the end with at least {MIN_LINES} lines held out, and do not adapt it"
            )
        bits = scores.quantile(self.value)
        notice(f"{self}: {self.value:g}% of {scores.lines:,} held-out lines have at most {bits:.4f} bits per character")
        return Threshold(self.option, bits)
