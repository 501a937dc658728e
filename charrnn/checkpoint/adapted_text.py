"""The adapted text: what a model learned from after its training, and how; it is kept with the weights."""

from dataclasses import dataclass

from charrnn.config import Config, between


@dataclass(frozen=True)
class AdaptedText(Config):
    """A text from which a model learned as it read it, as `scoring.adaptation` does."""

    name: str
    """That of its first file or folder, and how many more there were; no path."""
    chars: int
    """The characters that it learned from."""
    rate: float
    pull: float
    segment: int
    """As in `scoring.learner.AdaptationConfig`."""

    def check(self) -> None:
        between("length of the name", len(self.name), 0, 10_000)
        between("chars", self.chars, 0, 2**53)
        between("rate", self.rate, 0, 1)
        between("pull", self.pull, 0, 1)
        between("segment", self.segment, 1, 2**31)
