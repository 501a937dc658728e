"""The options of the benchmark, shared by all subjects."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The measurements to make, and how thoroughly."""

    rounds: int
    """Timings of each competitor."""
    seconds: float
    """The shortest timing; a step that has begun is finished."""
    cells: tuple[str, ...]
    """The cells to train."""
    shapes: tuple[str, ...]
    """The names of the shapes to train, which are in `shape.SHAPES`."""
    text_size: float
    """MB of the text to encode."""
    memory_size: float
    """MB of the text that must not fill the memory."""
    memory_steps: int
    """Steps in which the memory must not grow."""
    tell: Callable[[str], None]
    """Reports progress on stderr."""

    def teller(self, subject: str) -> Callable[[str], None]:
        """A function that reports the progress of one subject."""
        return lambda text: self.tell(f"{subject}: {text}")
