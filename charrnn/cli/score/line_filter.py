"""The lines of `charrnn score`: scored as they arrive, filtered, put in order and printed."""

import heapq
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from charrnn.cli.terminal.console import Output
from charrnn.config import between
from charrnn.dataset.files import Part
from charrnn.dataset.line_reader import Line, read_lines
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.scoring.score import Score

Scored = tuple[Line, Score]


@dataclass(frozen=True)
class LineFilter:
    """Which lines are wanted, and in what order. Raises `ConfigError` where that makes no sense."""

    sort: bool = False
    top: int | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        between("--top", 1 if self.top is None else self.top, 1)
        between("--above", 0 if self.above is None else self.above, 0)
        between("--below", 0 if self.below is None else self.below, 0)
        low, high = self._bounds
        if low >= high:
            raise ConfigError(f"no line is --above {low:g} and --below {high:g}")

    @property
    def filters(self) -> bool:
        """Whether lines are wanted for their score."""
        return self.above is not None or self.below is not None

    @property
    def orders(self) -> bool:
        """Whether lines are wanted in an order of their own, for which all must be known."""
        return self.sort or self.top is not None

    @property
    def _bounds(self) -> tuple[float, float]:
        return -math.inf if self.above is None else self.above, math.inf if self.below is None else self.below

    def passing(self, scored: list[Scored]) -> list[Scored]:
        """Those of the lines that pass the filter."""
        low, high = self._bounds
        return [(line, score) for line, score in scored if low < score.bpc < high]

    def first(self, scored: list[Scored]) -> list[Scored]:
        """The lines in order, of equals the earlier first; no more of them than are wanted."""
        if self.top is None:
            return sorted(scored, key=_surprise, reverse=True)
        return heapq.nlargest(self.top, scored, key=_surprise)


def _surprise(scored: Scored) -> float:
    return scored[1].bpc


def with_score(line: Line, score: Score) -> str:
    """Bits per character, a tab, the line, which is ended."""
    return f"{score.bpc:.4f}\t{_text(line)}\n"


def alone(line: Line, score: Score) -> str:
    """The line just as it came."""
    return line.raw


def as_object(line: Line, score: Score) -> str:
    """A JSON object on a line."""
    return json.dumps({"line": _text(line)} | score.as_dict()) + "\n"


def _text(line: Line) -> str:
    return line.raw.removesuffix("\n")


def show(
    model: Model,
    parts: Iterable[Part],
    carry: bool,
    unknown: str,
    wanted: LineFilter,
    form: Callable[[Line, Score], str],
) -> int:
    """Prints the lines that are wanted of a text; returns how many characters were left out as unknown.

    Where no order is asked for each comes out as soon as it is scored. Raises `VocabularyError` and `CorpusError`.
    """
    output = Output()
    left_out = 0
    kept: list[Scored] = []
    for scored in _scored(model, parts, carry, unknown):
        left_out += sum(score.unknown for _, score in scored)
        passing = wanted.passing(scored)
        if wanted.orders:
            kept += passing
            if wanted.top is not None:
                kept = wanted.first(kept)
        else:
            _print(passing, form, output)
    _print(wanted.first(kept), form, output)
    output.close()
    return left_out


def _scored(model: Model, parts: Iterable[Part], carry: bool, unknown: str) -> Iterator[list[Scored]]:
    """The lines of a text with their scores, as they arrive."""
    lines: list[Line] = []

    def texts() -> Iterator[list[str]]:
        nonlocal lines
        for lines in read_lines(parts, model.vocabulary):
            yield [line.text for line in lines]

    for scores in lines.score_batches(model, texts(), carry=carry, unknown=unknown):
        yield [*zip(lines, scores, strict=False)]  # the last ones may be missing, before an error that says so


def _print(scored: list[Scored], form: Callable[[Line, Score], str], output: Output) -> None:
    for line, score in scored:
        output.line()  # the last line of a file may have come without an end, and another follow it
        output.write(form(line, score))
    output.flush()
