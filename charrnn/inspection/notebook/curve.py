"""The curve of the losses as a small SVG, in colours that can be seen on white and on black."""

import math
from collections.abc import Callable, Sequence
from html import escape

from charrnn.model.losses import Losses

WIDTH, HEIGHT = 480, 256
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 28, 40
"""The margins around the plot."""
COLOURS = {"training": "#4488d0", "validation": "#1f9268"}
DASHES = {"training": "2 3", "validation": "none"}
MAX_POINTS = 500
"""The most points of a line."""
MAX_TICKS = 5
LABEL = 'fill="currentColor" font-size="11"'


def curve(losses: Sequence[Losses], unit: str) -> str:
    """The losses over the steps, which `unit` they are means over; empty if none is known."""
    lines = {name: _points(losses, name) for name in COLOURS}
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    steps, values = zip(*points, strict=True)
    x_ticks, y_ticks = _ticks(0, max(steps)), _ticks(min(values), max(values))
    x = _scale(0, max(steps), LEFT, WIDTH - RIGHT)
    y = _scale(min(y_ticks[0], *values), max(y_ticks[-1], *values), HEIGHT - BOTTOM, TOP)
    parts = [_tick(LEFT, y(value), f"{value:g}", is_x=False) for value in y_ticks]
    parts += [_tick(x(step), HEIGHT - BOTTOM, f"{step:,.0f}", is_x=True) for step in x_ticks]
    drawn = [name for name, line in lines.items() if line]
    for n, name in enumerate(drawn):
        parts += [_line([(x(step), y(value)) for step, value in lines[name]], name), _key(n, name)]
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:g}" y="{HEIGHT - 6}" text-anchor="middle" {LABEL}>steps</text>')
    parts.append(f'<text x="{LEFT - 36}" y="14" {LABEL}>loss, nats per {escape(unit)}</text>')
    about = escape(f"{' and '.join(drawn)} loss in nats per {unit} over {max(steps):,} steps: {_ends(lines)}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{about}" '
        f'style="max-width:100%;height:auto;font-family:sans-serif"><title>{about}</title>{"".join(parts)}</svg>'
    )


def _points(losses: Sequence[Losses], name: str) -> list[tuple[int, float]]:
    """The finite losses by step, at most `MAX_POINTS` of them: the last, and others at even distances."""
    known = [(row.step, getattr(row, name)) for row in sorted(losses, key=lambda row: row.step)]
    known = [(step, value) for step, value in known if value is not None and math.isfinite(value)]
    return known[:: -math.ceil(len(known) / MAX_POINTS)][::-1] if known else []


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`: at least one, at most `MAX_TICKS`, a step of 1, 2 or 5 × 10^n apart."""
    if not low < high:
        return [low]
    smallest = (high - low) / MAX_TICKS
    power = 10.0 ** math.floor(math.log10(smallest))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= smallest)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)] or [low]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Maps values from `low` to `high` to the pixels from `start` to `end`."""
    slope = (end - start) / (high - low) if high > low else 0.0
    return lambda value: start + slope * (value - low)


def _tick(x: float, y: float, text: str, is_x: bool) -> str:
    """A line across the plot, and its number."""
    end = f'x2="{x:.1f}" y2="{TOP}"' if is_x else f'x2="{WIDTH - RIGHT}" y2="{y:.1f}"'
    place = f'x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle"'
    if not is_x:
        place = f'x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end"'
    grid = f'<line x1="{x:.1f}" y1="{y:.1f}" {end} stroke="currentColor" stroke-opacity="0.15"/>'
    return f"{grid}<text {place} {LABEL}>{text}</text>"


def _line(points: Sequence[tuple[float, float]], name: str) -> str:
    """A line through points in pixels; a single one is a dot."""
    if len(points) == 1:
        ((x, y),) = points
        return f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>'
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f'stroke="{COLOURS[name]}" stroke-width="2" stroke-dasharray="{DASHES[name]}" stroke-linejoin="round"'
    return f'<polyline class="{name}" points="{places}" fill="none" {style}/>'


def _key(n: int, name: str) -> str:
    """The key of the n-th line, at the right above the plot's middle: losses fall."""
    x, y = WIDTH - RIGHT - 96, TOP + 12 + 16 * n
    style = f'stroke="{COLOURS[name]}" stroke-width="2" stroke-dasharray="{DASHES[name]}"'
    line = f'<line x1="{x}" y1="{y - 4}" x2="{x + 24}" y2="{y - 4}" {style}/>'
    return f'{line}<text x="{x + 30}" y="{y}" {LABEL}>{name}</text>'


def _ends(lines: dict[str, list[tuple[int, float]]]) -> str:
    """The first and the last value of each line."""
    return ", ".join(f"{name} {line[0][1]:.3f} to {line[-1][1]:.3f}" for name, line in lines.items() if line)
