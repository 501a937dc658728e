"""The sampling request: which text to continue, at what length, how its characters are drawn, and what ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from charrnn.config import MAX_SEED, SamplingConfig, between, check_threads, one_of
from charrnn.errors import ConfigError
from charrnn.model.model import DEFAULT_LENGTH, Model
from charrnn.sampling.constraints import ConstraintFactory

ENDS = ("sentence",)
"""The units of a text with which it can end."""


class SamplingOptions(TypedDict, total=False):
    """The fields of a `SamplingRequest`, as keyword arguments."""

    prime: str | bytes
    length: int | None
    seed: int
    config: SamplingConfig
    stops: Sequence[str]
    stop_after: Sequence[str]
    end: str | None
    min_length: int
    constraints: ConstraintFactory | None
    threads: int | None


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
    """The text ends before the first of these that comes, the longest if several do; an empty one is ignored."""
    stop_after: Sequence[str] = ()
    """The text ends after the first of these that comes; an empty one is ignored."""
    end: str | None = None
    """One of `ENDS`: the text ends with the last of these that fits into its length, and is empty if none does."""
    min_length: int = 0
    """The fewest characters to write, for a model of bytes the fewest bytes: before, none of `stops` can come, and
    nothing else ends the text. A text whose `end` never comes is empty even so."""
    constraints: ConstraintFactory | None = None
    """Makes the constraints that each text obeys, character by character."""
    threads: int | None = None
    """How many threads draw; None: one for each core, with NumPy one unless the environment says how many BLAS has.

    No text depends on it; with NumPy that holds up to rounding.
    """

    def __post_init__(self) -> None:
        for name, kind in (
            ("prime", str | bytes),
            ("length", int | None),
            ("seed", int),
            ("config", SamplingConfig),
            ("end", str | None),
            ("min_length", int),
            ("threads", int | None),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ConfigError(f"{name} can't be {value!r:.60}", name)
        for name in ("stops", "stop_after"):
            value = getattr(self, name)
            sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
            if not sequence or not all(isinstance(stop, str) for stop in value):
                raise ConfigError(f"{name} can't be {value!r:.60}: give a list of texts", name)
        between("seed", self.seed, 0, MAX_SEED)
        check_threads(self.threads)
        if self.max_length < -1:
            raise ConfigError(
                f"length can't be {self.length}: give the number of characters, or -1 for a text without end", "length"
            )
        if self.max_length < 0 and self.config.to_temp is not None:
            raise ConfigError(
                "a temp that changes along the text needs a length: give one of 0 or more", "temp", "length"
            )
        between("min_length", self.min_length, 0)
        if self.length is not None:
            self.check_min_length(self.length)
        if self.end is not None:
            self._check_end(self.end)

    def check_min_length(self, length: int) -> None:
        """Raises `ConfigError` if a text of this length is too short."""
        if 0 <= length < self.min_length:
            raise ConfigError(f"min_length must be at most the length, {length}, not {self.min_length}", "length")

    def _check_end(self, end: str) -> None:
        one_of("end", end, ENDS)
        if self.max_length < 0:
            raise ConfigError(
                f"end {end} is the last one within the length, which can't be -1: give a length of 0 or more",
                "end",
                "length",
            )
        if any(self.stop_after):
            raise ConfigError("stop_after and end can't both be given: each says where the text ends", "end")

    @classmethod
    def from_options(cls, request: "SamplingRequest | None", options: SamplingOptions) -> "SamplingRequest":
        """A request with some fields changed; without a request, the default one with these fields."""
        return replace(request or cls(), **options)

    def as_read(self, model: Model) -> "SamplingRequest":
        """The request with its texts in the normal form that the model reads and writes."""
        normalize = model.text_form.normalize
        if model.text_form.normalization == "none":
            return self
        stops, stop_after = ([*map(normalize, texts)] for texts in (self.stops, self.stop_after))
        return replace(self, prime=normalize(self.prime_text), stops=stops, stop_after=stop_after)

    @property
    def max_length(self) -> int:
        """The length, or the default length of a text."""
        return DEFAULT_LENGTH if self.length is None else self.length

    @property
    def prime_text(self) -> str:
        """The prime as text; bytes that are not UTF-8 become lone surrogates, as with `surrogateescape`."""
        return self.prime.decode("utf-8", "surrogateescape") if isinstance(self.prime, bytes) else self.prime
