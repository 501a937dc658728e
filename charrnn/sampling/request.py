"""The sampling request: what a text continues, how long it gets, how it is drawn and how it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from charrnn.config import MAX_SEED, SamplingConfig, between
from charrnn.errors import ConfigError
from charrnn.sampling.constraints import ConstraintFactory


class SamplingOptions(TypedDict, total=False):
    """The fields of a `SamplingRequest`, as keyword arguments."""

    prime: str | bytes
    length: int
    seed: int
    config: SamplingConfig
    stops: Sequence[str]
    constraints: ConstraintFactory | None


@dataclass(frozen=True)
class SamplingRequest:
    """Validated when it is made: raises `ConfigError` for values out of range."""

    prime: str | bytes = ""
    """The text that is continued."""
    length: int = 1000
    """The most characters to write; -1: without end."""
    seed: int = 0
    config: SamplingConfig = field(default_factory=SamplingConfig)
    stops: Sequence[str] = ()
    """The text ends before the first of these."""
    constraints: ConstraintFactory | None = None
    """Makes the constraints that the text obeys, character by character."""

    def __post_init__(self) -> None:
        between("seed", self.seed, 0, MAX_SEED)
        if self.length < -1:
            raise ConfigError(
                f"the length can't be {self.length}: give the number of characters, or -1 for a text without end"
            )
        if self.length < 0 and self.config.to_temp is not None:
            raise ConfigError("a temperature that changes over the text needs its length")

    @classmethod
    def of(cls, request: "SamplingRequest | None", options: SamplingOptions) -> "SamplingRequest":
        """A request with some fields changed; the default one if none is given."""
        return replace(request or cls(), **options)
