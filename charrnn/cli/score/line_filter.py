"""The line filter of `charrnn score`: which lines are printed, in which order; they are scored as they arrive."""

import heapq
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

from charrnn.cli.score.threshold import Threshold
from charrnn.cli.terminal.console import Output
from charrnn.cli.terminal.inputs import answered
from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.config import WRITERS, between
from charrnn.dataset.control_characters import one_line
from charrnn.dataset.files import Part
from charrnn.dataset.line_reader import Line, read_lines
from charrnn.dataset.records import read_records
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.scoring.score import Score

ScoredLine = tuple[Line, Score]
Scores = Callable[[Iterator[list[str]]], Iterator[list[Score]]]


@dataclass(frozen=True)
class LineFilter:
    """The lines to print. Raises `ConfigError` for bounds that no line is between."""

    sort: bool = False
    top: int | None = None
    above: Threshold | None = None
    below: Threshold | None = None

    def __post_init__(self) -> None:
        between("--top", 1 if self.top is None else self.top, 1)
        low, high = self.above, self.below
        if low and high and low.is_percent == high.is_percent and low.value >= high.value:
            raise ConfigError(f"no line is {low} and {high}: give a larger --below")

    def in_bits(self, model: Model, notice: Callable[[str], None]) -> "LineFilter":
        """The same with its bounds in bits, for a model: see `Threshold`."""
        if model.config.form not in WRITERS:  # it gives no scores, as will be said
            return self
        above, below = (bound and bound.in_bits(model.line_scores, notice) for bound in (self.above, self.below))
        return replace(self, above=above, below=below)

    @property
    def filters(self) -> bool:
        """Whether lines are chosen by their score."""
        return self.above is not None or self.below is not None

    @property
    def sorts(self) -> bool:
        """Whether lines are sorted, so that all must be scored before the first is printed."""
        return self.sort or self.top is not None

    @property
    def has_percent(self) -> bool:
        """Whether a bound is a percentage of the held-out lines."""
        return any(bound is not None and bound.is_percent for bound in (self.above, self.below))

    def passing(self, scored: list[ScoredLine]) -> list[ScoredLine]:
        """The lines whose score is within the bounds, which are in bits."""
        low, high = -math.inf if self.above is None else self.above.value, math.inf
        high = high if self.below is None else self.below.value
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
    place = {"file": line.file, "line_number": line.number}
    return json.dumps(place | {"line": _text(line)} | score.as_dict()) + "\n"


def _text(line: Line) -> str:
    return line.raw.removesuffix("\n")


@dataclass
class Shown:
    """What was printed, and what the model has never seen."""

    lines: int = 0
    unknown: int = 0
    """The characters of all lines, printed or not, that are not in the vocabulary."""


def show(
    model: Model,
    parts: Iterable[Part],
    scores: Scores,
    wanted: LineFilter,
    form: Callable[[Line, Score], str],
    undecoded: UndecodedBytes,
    has_several: bool,
) -> Shown:
    """Prints the wanted lines of a text, of `has_several` files or of one, and looks for undecoded bytes in all.

    `scores` yields those of each batch of lines before it asks for the next, as `scoring.lines.score_batches` does.
    Each line is printed as soon as it is scored, unless they are sorted. Raises `VocabularyError` and `CorpusError`.
    """
    output, shown = Output(), Shown()
    separator = model.record_form.separator if form is line_only else ""
    if model.reads_records and form is with_score:
        form = record_with_score
    kept: list[ScoredLine] = []
    whole = form is line_only  # otherwise a line is written with a newline of its own
    for scored in _scored(model, parts, scores, whole, has_several):
        shown.unknown += sum(score.unknown for _, score in scored)
        for line, score in scored:
            if score.unknown:
                undecoded.look(line.text)
        passing = wanted.passing(scored)
        if wanted.sorts:
            kept += passing
            if wanted.top is not None:
                kept = wanted.first(kept)
        else:
            _print(passing, form, output, separator)
            shown.lines += len(passing)
    kept = wanted.first(kept)
    _print(kept, form, output, separator)
    shown.lines += len(kept)
    output.close()
    return shown


def _scored(
    model: Model, parts: Iterable[Part], scores: Scores, whole: bool, has_several: bool
) -> Iterator[list[ScoredLine]]:
    """The lines of a text with their scores, as they arrive."""
    if model.reads_records:
        read = read_records(parts, model.record_form, model.vocabulary, model.text_form)
    else:
        read = read_lines(parts, model.vocabulary, model.text_form, whole)
    return answered(read, attrgetter("text"), scores, has_several, model.record_form.unit[:-1])


def _print(scored: list[ScoredLine], form: Callable[[Line, Score], str], output: Output, separator: str) -> None:
    for line, score in scored:
        if output.last != "\r":  # the last line of a file may have no newline, and another line may follow
            output.line()
        text = form(line, score) + separator
        output.write(text.replace("\r\n", "\n") if output.safe else text)
    output.flush()
