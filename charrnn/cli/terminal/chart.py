"""The chart: lines drawn with characters, as wide as the terminal; each has its colour and its mark."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from charrnn.dataset.control_characters import one_line

MARKS = "●○▲△■□◆◇"
COLOURS = ("green", "bright_magenta", "cyan", "yellow", "red", "blue", "magenta", "bright_black")
HEIGHT = 14
"""The rows of the plane between the axes."""
MIN_COLUMNS = 20
"""The fewest columns of the plane."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and its points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


def chart(lines: Sequence[Line], width: int, x: str, y: str, logarithmic: str = "") -> Text:
    """The lines in one plane, with the labels x and y; `logarithmic` names the axes, "x", "y" or both, that are.

    Points that such an axis can't show are left out. Control characters in names become escapes.
    """
    scale_x, scale_y = (_Scale("x" in logarithmic), _Scale("y" in logarithmic))
    scaled = [[(scale_x(a), scale_y(b)) for a, b in line.points if scale_x.has(a) and scale_y.has(b)] for line in lines]
    points = [point for line in scaled for point in line]
    if not points:
        return Text("nothing to draw")
    left, right = min(a for a, _ in points), max(a for a, _ in points)
    low, high = min(b for _, b in points), max(b for _, b in points)
    labels = {row: scale_y.label(high - (high - low) * row / (HEIGHT - 1)) for row in (0, HEIGHT // 2, HEIGHT - 1)}
    margin = max(map(len, labels.values()))
    columns = max(MIN_COLUMNS, width - margin - 3)
    plane = [[(" ", "")] * columns for _ in range(HEIGHT)]
    for n, line_points in enumerate(scaled):
        pen = (MARKS[n % len(MARKS)], COLOURS[n % len(COLOURS)])
        for column, row in _cells(line_points, (left, right), (low, high), columns):
            plane[row][column] = pen
    text = _names(lines, width)
    text.append(f"\n{y}\n", "dim")
    for row, cells in enumerate(plane):
        text.append(f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}", "dim")
        for mark, colour in cells:
            text.append(mark, colour)
        text.append("\n")
    text.append(" " * (margin + 1) + "└" + "─" * columns + "\n", "dim")
    first, last = scale_x.label(left), scale_x.label(right)
    gap = max(1, columns - len(first) - len(last) - len(x))
    text.append(" " * (margin + 2) + first + " " * (gap // 2) + x + " " * (gap - gap // 2) + last, "dim")
    return text


def _names(lines: Sequence[Line], width: int) -> Text:
    """The mark and the name of each line, wrapped to the width."""
    text, columns = Text(no_wrap=True), 0
    for n, line in enumerate(lines):
        entry = f"{one_line(line.name)}   "
        if columns and columns + 2 + cell_len(entry) > width:
            text.append("\n")
            columns = 0
        text.append(f"{MARKS[n % len(MARKS)]} ", COLOURS[n % len(COLOURS)]).append(entry)
        columns += 2 + cell_len(entry)
    return text


class _Scale:
    """An axis: the position of a number, and the label at a position."""

    def __init__(self, logarithmic: bool):
        self.logarithmic = logarithmic

    def has(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.logarithmic)

    def __call__(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def label(self, position: float) -> str:
        value = 10**position if self.logarithmic else position
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cells(
    points: Sequence[tuple[float, float]],
    across: tuple[float, float],
    upward: tuple[float, float],
    columns: int,
) -> list[tuple[int, int]]:
    """The cells (column, row) that a line passes through, one in each column between its ends."""

    def cell(value: float, ends: tuple[float, float], cells: int) -> int:
        low, high = ends
        return round((value - low) / (high - low) * (cells - 1)) if high > low else (cells - 1) // 2

    corners = [(cell(a, across, columns), HEIGHT - 1 - cell(b, upward, HEIGHT)) for a, b in sorted(points)]
    found = dict(corners[:1])
    for (a, row), (b, other) in itertools.pairwise(corners):
        for column in range(a, b + 1):
            found[column] = round(row + (other - row) * (column - a) / max(1, b - a))
    return list(found.items())
