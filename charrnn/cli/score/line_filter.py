"""The line filter of `charrnn score`: which lines are printed, in which order; they are scored as they arrive."""

import heapq
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from charrnn.cli.terminal.console import Output
from charrnn.cli.terminal.inputs import answered
from charrnn.config import between
from charrnn.dataset.control_characters import one_line
from charrnn.dataset.files import Part
from charrnn.dataset.line_reader import Line, read_lines
from charrnn.dataset.records import read_records
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.scoring.lines import score_batches
from charrnn.scoring.score import Score

ScoredLine = tuple[Line, Score]


@dataclass(frozen=True)
class LineFilter:
    """The lines to print. Raises `ConfigError` for bounds that no line is between."""

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
            raise ConfigError(f"no line is --above {low:g} and --below {high:g}: give a larger --below")

    @property
    def filters(self) -> bool:
        """Whether lines are chosen by their score."""
        return self.above is not None or self.below is not None

    @property
    def sorts(self) -> bool:
        """Whether lines are sorted, so that all must be scored before the first is printed."""
        return self.sort or self.top is not None

    @property
    def _bounds(self) -> tuple[float, float]:
        return -math.inf if self.above is None else self.above, math.inf if self.below is None else self.below

    def passing(self, scored: list[ScoredLine]) -> list[ScoredLine]:
        """The lines whose score is within the bounds."""
        low, high = self._bounds
        return [(line, score) for line, score in scored if low < score.bpc < high]

    def first(self, scored: list[ScoredLine]) -> list[ScoredLine]:
        """The lines, the most surprising first; of equals the earlier first; no more than `top`."""
        if self.top is None:
            return sorted(scored, key=_bpc, reverse=True)
        return heapq.nlargest(self.top, scored, key=_bpc)


def _bpc(scored: ScoredLine) -> float:
    return scored[1].bpc


def with_score(line: Line, score: Score) -> str:
    """Bits per character, a tab, and the line with a newline."""
    return f"{score.bpc:.4f}\t{_text(line)}\n"


def record_with_score(line: Line, score: Score) -> str:
    """`with_score` for a record that may have several lines: control characters are escapes, newlines too."""
    return f"{score.bpc:.4f}\t{one_line(_text(line))}\n"


def line_only(line: Line, score: Score) -> str:
    """The line unchanged."""
    return line.raw


def as_object(line: Line, score: Score) -> str:
    """A JSON object on a line."""
    return json.dumps({"line": _text(line)} | score.as_dict()) + "\n"


def _text(line: Line) -> str:
    return line.raw.removesuffix("\n")


def show(
    model: Model,
    parts: Iterable[Part],
    stateful: bool,
    unknown: str,
    threads: int | None,
    wanted: LineFilter,
    form: Callable[[Line, Score], str],
) -> int:
    """Prints the wanted lines of a text; returns the number of characters that were skipped as unknown.

    Each line is printed as soon as it is scored, unless they are sorted. Raises `VocabularyError` and `CorpusError`.
    """
    output = Output()
    skipped = 0
    separator = model.record_form.separator if form is line_only else ""
    if model.reads_records and form is with_score:
        form = record_with_score
    kept: list[ScoredLine] = []
    whole = form is line_only  # otherwise a line is written with a newline of its own
    for scored in _scored(model, parts, stateful, unknown, threads, whole):
        skipped += sum(score.unknown for _, score in scored)
        passing = wanted.passing(scored)
        if wanted.sorts:
            kept += passing
            if wanted.top is not None:
                kept = wanted.first(kept)
        else:
            _print(passing, form, output, separator)
    _print(wanted.first(kept), form, output, separator)
    output.close()
    return skipped


def _scored(
    model: Model, parts: Iterable[Part], stateful: bool, unknown: str, threads: int | None, whole: bool
) -> Iterator[list[ScoredLine]]:
    """The lines of a text with their scores, as they arrive."""
    score = partial(score_batches, model, stateful=stateful, unknown=unknown, threads=threads)
    if model.reads_records:
        read = read_records(parts, model.record_form, model.vocabulary, model.text_form)
    else:
        read = read_lines(parts, model.vocabulary, model.text_form, whole)
    return answered(read, attrgetter("text"), score)


def _print(scored: list[ScoredLine], form: Callable[[Line, Score], str], output: Output, separator: str) -> None:
    for line, score in scored:
        if output.last != "\r":  # the last line of a file may have no newline, and another line may follow
            output.line()
        text = form(line, score) + separator
        output.write(text.replace("\r\n", "\n") if output.safe else text)
    output.flush()
