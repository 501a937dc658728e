"""The figures: what `inspection` has found as pictures, by matplotlib; each view is some panels."""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.errors import ConfigError
from charrnn.inspection.context import units_of
from charrnn.inspection.symbols import symbol

try:
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
except ImportError:
    raise ConfigError("pictures are drawn by matplotlib: pip install 'charrnn[plot]'") from None

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Data = dict[str, Any]
Named = Sequence[tuple[str, Data]]

COLOURS = ("#1f9268", "#b8549c", "#4488d0", "#c0801a", "#d0564a", "#8478d8")
"""Of models side by side: to be told apart on white and on black."""
DIVERGING = LinearSegmentedColormap.from_list("units", ["#3d86d8", "#ffffff", "#ee8434"])
SURPRISAL_COLOURS = LinearSegmentedColormap.from_list("bits", ["#ffffff", "#ffe27a", "#ef6f3c", "#8c1d4f"])
MAX_BITS = 12.0
"""The surprise that has the last of the colours."""
COLUMNS, LINES = 80, 40
"""Of a text in a picture, at the most."""
INK = "#010203"
"""Stands for the colour of the text around an SVG within a page."""
SETTINGS: dict[Any, Any] = {
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "charrnn",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler(color={list(COLOURS)})",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Panel:
    """A part of a picture, of a size in inches."""

    draw: Callable[["Axes"], None]
    width: float = 4.6
    height: float = 3.3


def picture(panels: Sequence[Panel], suffix: str) -> bytes:
    """The panels side by side, three or fewer in a row, as the contents of a PNG, SVG or PDF file.

    The same data give the same SVG.
    """
    across = min(len(panels), 3 if len(panels) > 2 else 2)
    down = -(-len(panels) // across)
    size = (across * max(panel.width for panel in panels), down * max(panel.height for panel in panels))
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    return _drawn(panels, size, (down, across), suffix.removeprefix("."), metadata=metadata, dpi=150)


def inline(panel: Panel) -> str:
    """A panel as an SVG element within a page: in the colour of the text around it, on nothing."""
    ink: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with matplotlib.rc_context(ink):
        size = (panel.width, panel.height)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        raw = _drawn([panel], size, (1, 1), "svg", metadata=nothing, transparent=True, dpi=150).decode()
    return raw[raw.index("<svg") :].replace(INK, "currentColor")


def _drawn(panels: Sequence[Panel], size: tuple[float, float], grid: tuple[int, int], kind: str, **how: Any) -> bytes:
    content = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of characters that the font lacks: a box stands for them
        figure = Figure(figsize=size, layout="constrained")
        planes = figure.subplots(*grid, squeeze=False).flat
        for axes in planes[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(planes, panels, strict=False):
            panel.draw(axes)
        figure.savefig(content, format=kind, **how)
    return content.getvalue()


def history(named: Named) -> list[Panel]:
    """The losses of some checkpoints over their steps, and their learning rates."""

    def losses(axes: "Axes") -> None:
        for n, (name, data) in enumerate(named):
            for key, style, label in (("train_loss", ":", "training"), ("val_loss", "-", "validation")):
                points = [(row["step"], row[key]) for row in data["history"] if row[key] is not None]
                _line(axes, points, f"{name}, {label}", linestyle=style, color=COLOURS[n % len(COLOURS)])
        axes.set(xlabel="steps", ylabel="loss, nats per character")
        _legend(axes)

    def rates(axes: "Axes") -> None:
        for name, data in named:
            _line(axes, [(row["step"], row["lr"]) for row in data["history"]], name)
        axes.set(xlabel="steps", ylabel="learning rate", ylim=(0, None))

    return [Panel(losses), Panel(rates)]


def neurons(data: Data) -> list[Panel]:
    """How closely the best unit for each feature follows it, on the half of the text that it was not chosen by."""
    rows = data["features"][::-1]
    best = [row["units"][0] for row in rows]

    def correlations(axes: "Axes") -> None:
        names = [f"{row['follows']}   {u['layer']}:{u['index']}" for row, u in zip(rows, best, strict=True)]
        axes.barh(range(len(rows)), [u["confirmed"] or 0 for u in best], color=COLOURS[0])
        axes.plot([u["r"] for u in best], range(len(rows)), "|", color=COLOURS[1], markersize=12, label="first half")
        axes.axvline(0, linewidth=0.8, color="gray")
        axes.set(xlim=(-1, 1), xlabel="correlation r, confirmed on the second half")
        axes.set_yticks(range(len(rows)), names)
        _legend(axes)

    return [Panel(correlations, 7.2, 0.9 + 0.32 * len(rows))]


def memory(named: Named) -> list[Panel]:
    """How far gradients and contexts reach, of some checkpoints."""

    def gradients(axes: "Axes") -> None:
        for name, data in named:
            k, norm = data["gradient"]["k"], np.array(data["gradient"]["norm"])
            axes.plot(k, norm / norm[0], label=name)
        for share in (0.1, 0.01):
            axes.axhline(share, linestyle=":", linewidth=0.8, color="gray")
        axes.set(
            yscale="log",
            ylim=(1e-5, None),
            xlabel=f"k {units_of(data for _, data in named)} back",
            ylabel="gradient, relative to k = 1",
        )
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _legend(axes)

    def contexts(axes: "Axes") -> None:
        for name, data in named:
            axes.plot(data["context"]["n"], data["context"]["loss"], label=name)
        axes.set(xscale="log", xlabel=f"{units_of(data for _, data in named)} of context", ylabel="loss, nats")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    return [Panel(gradients), Panel(contexts)]


def gates(data: Data) -> list[Panel]:
    """How often each unit's gates are shut and open, a dot for each unit, a panel for each gate; none of an rnn."""

    def saturation(name: str, axes: "Axes") -> None:
        for row in data["gates"]:
            if row["gate"] == name:
                label = f"layer {row['layer']}"
                axes.scatter(row["open"], row["shut"], s=9, alpha=0.6, linewidths=0, label=label, rasterized=True)
        axes.plot([0, 1], [1, 0], linewidth=0.6, color="gray")
        axes.set(title=f"{name} gate", xlabel="share of steps open", ylabel="share of steps shut")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        _legend(axes)

    return [Panel(partial(saturation, name), 3, 3) for name in dict.fromkeys(row["gate"] for row in data["gates"])]


def weights(data: Data) -> list[Panel]:
    """A histogram of each tensor."""

    def values(row: Data, axes: "Axes") -> None:
        low, high = (row["min"], row["max"]) if row["min"] < row["max"] else (row["min"] - 0.5, row["max"] + 0.5)
        edges = np.linspace(low, high, len(row["histogram"]) + 1)
        axes.stairs(row["histogram"], edges, fill=True, color=COLOURS[0])
        axes.set_yticks([])
        axes.set_title(row["name"], fontsize=9)

    return [Panel(partial(values, row), 3, 1.7) for row in data["tensors"]]


def vocabulary(data: Data) -> list[Panel]:
    """The characters in the planes that show most of how they differ: as they are read, and as they are expected."""

    def plane(way: str, axes: "Axes") -> None:
        x, y = np.array([row["plane"][way] for row in data["characters"]]).T
        axes.scatter(x, y, s=0)
        for row, a, b in zip(data["characters"], x, y, strict=True):
            axes.text(a, b, symbol(row["character"]), ha="center", va="center", clip_on=True)
        axes.set_title(f"as they are {way}", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])

    return [Panel(partial(plane, way), 4.6, 4.2) for way in ("read", "expected")]


def unit(text: str, stands: Sequence[float | None]) -> list[Panel]:
    """A text by what a unit stands at after each character, from -1, blue, to 1, orange."""
    return [_text(text, stands, DIVERGING, -1.0, 1.0)]


def surprise(text: str, data: Data) -> list[Panel]:
    """A text by how little each character was expected, in bits."""
    return [_text(text, data["bits"], SURPRISAL_COLOURS, 0.0, MAX_BITS)]


def _text(text: str, values: Sequence[float | None], colours: Any, low: float, high: float) -> Panel:
    """A text in cells of one size, each on the colour of its value, or on grey where it has none."""
    lines: list[list[tuple[str, float | None]]] = [[]]
    for character, value in zip(text, values, strict=True):
        if character == "\n" or len(lines[-1]) == COLUMNS:
            lines.append([])
        if character != "\n":
            lines[-1].append((symbol(character), value))
    lines = lines[:LINES]

    def cells(axes: "Axes") -> None:
        shades = np.ones((len(lines), COLUMNS, 3))
        for row, line in enumerate(lines):
            for column, (character, value) in enumerate(line):
                known = value is not None and not np.isnan(value)
                share = (value - low) / (high - low) if known else 0.0  # type: ignore[operator]
                shades[row, column] = colours(share)[:3] if known else (0.85, 0.85, 0.85)
                dark = shades[row, column] @ (0.3, 0.6, 0.1) < 0.5
                colour = "#ffffff" if dark else "#111111"
                axes.text(column, row, character, ha="center", va="center", family="monospace", size=8, color=colour)
        axes.imshow(shades, aspect="auto")
        axes.set_axis_off()

    return Panel(cells, 10, 0.3 + 0.24 * len(lines))


def _line(axes: "Axes", points: Sequence[tuple[float, float]], label: str, **style: Any) -> None:
    """A line through the points, if there are any; a single one is a dot."""
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) == 1 else None, **style)


def _legend(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
