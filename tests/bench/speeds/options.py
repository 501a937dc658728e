"""The options of a run of the benchmark, as all subjects see them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How thoroughly to measure, and what."""

    rounds: int
    """Timings of each competitor."""
    seconds: float
    """The least that a timing lasts; a step that was begun is finished."""
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
    """Says how far things are, on stderr."""

    def telling(self, of: str) -> Callable[[str], None]:
        """Says how far one thing is."""
        return lambda text: self.tell(f"{of}: {text}")
