"""The options of the benchmark, shared by all subjects."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What to measure, and how thoroughly."""

    rounds: int
    """Timings of each competitor."""
    seconds: float
    """The shortest timing; a step that has begun is finished."""
    cells: tuple[str, ...]
    shapes: tuple[str, ...]
    """Names of the shapes to train, of those in `shape.SHAPES`."""
    text_size: float
    """MB of a text to encode."""
    memory_size: float
    """MB of the text that must not fill the memory."""
    memory_steps: int
    """Steps in which the memory must not grow."""
    tell: Callable[[str], None]
    """Reports progress on stderr."""

    def telling(self, of: str) -> Callable[[str], None]:
        """Reports the progress of one thing."""
        return lambda text: self.tell(f"{of}: {text}")
