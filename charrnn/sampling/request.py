"""The sampling request: which text to continue, at what length, how its characters are drawn, and what ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from charrnn.config import MAX_SEED, SamplingConfig, between
from charrnn.errors import ConfigError
from charrnn.model.model import DEFAULT_LENGTH, Model
from charrnn.sampling.constraints import ConstraintFactory


class SamplingOptions(TypedDict, total=False):
    """The fields of a `SamplingRequest`, as keyword arguments."""

    prime: str | bytes
    length: int | None
    seed: int
    config: SamplingConfig
    stops: Sequence[str]
    constraints: ConstraintFactory | None


@dataclass(frozen=True)
class SamplingRequest:
    """What to write. Validated when it is made: raises `ConfigError` for values out of range."""

    prime: str | bytes = ""
    """The text to continue."""
    length: int | None = None
    """The most characters to write, for a model of bytes the most bytes; -1: without end.

    None: `DEFAULT_LENGTH` for a text, and `Model.default_length` for a line.
    """
    seed: int = 0
    config: SamplingConfig = field(default_factory=SamplingConfig)
    """How the characters are drawn."""
    stops: Sequence[str] = ()
    """The text ends before the first of these that comes; an empty one is ignored."""
    constraints: ConstraintFactory | None = None
    """Makes the constraints that each text obeys, character by character."""

    def __post_init__(self) -> None:
        for name, kind in (("prime", str | bytes), ("length", int | None), ("seed", int), ("config", SamplingConfig)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ConfigError(f"{name} can't be {value!r:.60}")
        sequence = isinstance(self.stops, Sequence) and not isinstance(self.stops, str | bytes)
        if not sequence or not all(isinstance(stop, str) for stop in self.stops):
            raise ConfigError(f"stops can't be {self.stops!r:.60}: give a list of texts")
        between("seed", self.seed, 0, MAX_SEED)
        if self.max_length < -1:
            raise ConfigError(
                f"the length can't be {self.length}: give the number of characters, or -1 for a text without end"
            )
        if self.max_length < 0 and self.config.to_temp is not None:
            raise ConfigError("a temperature that changes along the text needs a length: give one of 0 or more")

    @classmethod
    def from_options(cls, request: "SamplingRequest | None", options: SamplingOptions) -> "SamplingRequest":
        """A request with some fields changed; without a request, the default one with these fields."""
        return replace(request or cls(), **options)

    def as_read(self, model: Model) -> "SamplingRequest":
        """The request with its texts in the normal form that the model reads and writes."""
        normalize = model.text_form.normalize
        if model.text_form.normalization == "none":
            return self
        return replace(self, prime=normalize(self.prime_text), stops=[*map(normalize, self.stops)])

    @property
    def max_length(self) -> int:
        """The length, or the default length of a text."""
        return DEFAULT_LENGTH if self.length is None else self.length

    @property
    def prime_text(self) -> str:
        """The prime as text; bytes that are not UTF-8 become lone surrogates, as with `surrogateescape`."""
        return self.prime.decode("utf-8", "surrogateescape") if isinstance(self.prime, bytes) else self.prime
