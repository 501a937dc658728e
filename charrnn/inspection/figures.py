"""The figures: the panels of each view, from its data; drawn by matplotlib, which is imported only then.

The figure of a view takes a list of models, by name, with their data. A view that does not combine models gets one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.inspection.attribution import relative
from charrnn.inspection.context import SHARES, place_numbers, unit_names
from charrnn.inspection.history import loss_units
from charrnn.inspection.symbols import symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Named = Sequence[tuple[str, Any]]
"""The data of some models, each with the model's name."""

COLOURS = ("#1f9268", "#b8549c", "#4488d0", "#c0801a", "#d0564a", "#8478d8")
"""Of models side by side: easy to tell apart on white and on black."""
DIVERGING = ("#3d86d8", "#ffffff", "#ee8434")
SURPRISAL_COLOURS = ("#ffffff", "#ffe27a", "#ef6f3c", "#8c1d4f")
UNKNOWN_COLOUR = (0.85, 0.85, 0.85)
MAX_BITS = 12.0
"""The surprisal from which on the last colour is used."""
SHARE_COLOURS = ("#ffffff", "#9ccdbb", "#1f9268")
"""Of shares from 0 to 1."""
MAX_PAIRS = 6
"""The most pairs whose attention is drawn."""
MAX_COUNTED = 30
"""The most labels whose counts are written in their cells."""
MAX_COLUMNS, MAX_LINES = 80, 40
"""The part of a text that is drawn."""


@dataclass(frozen=True)
class Panel:
    """A part of a picture, with its size in inches."""

    draw: Callable[["Axes"], None]
    width: float = 4.6
    height: float = 3.3


def history(named: Named) -> list[Panel]:
    """The losses and the learning rates over the steps."""
    units = loss_units(rows for _, rows in named)

    def losses(axes: "Axes") -> None:
        for n, (name, rows) in enumerate(named):
            for key, style, label in (("train_loss", ":", "training"), ("val_loss", "-", "validation")):
                points = [(row["step"], row[key]) for row in rows if row[key] is not None]
                _line(axes, points, f"{name}, {label}", linestyle=style, color=COLOURS[n % len(COLOURS)])
        axes.set(xlabel="steps", ylabel=f"loss, nats per {units}")
        _legend(axes)

    def rates(axes: "Axes") -> None:
        for name, rows in named:
            _line(axes, [(row["step"], row["lr"]) for row in rows], name)
        axes.set(xlabel="steps", ylabel="learning rate", ylim=(0, None))

    return [Panel(losses), Panel(rates)]


def neurons(named: Named) -> list[Panel]:
    """The correlation of the best unit of each feature; or the text by its unit, if a unit was requested."""
    ((_, data),) = named
    unit = data["unit"]
    if unit is not None and unit["feature"] is None:
        _, top = unit["range"]
        return [_text(unit["text"], unit["activations"], DIVERGING, -top, top)]
    rows = data["features"][::-1]
    best = [row["units"][0] for row in rows]

    def correlations(axes: "Axes") -> None:
        names = [f"{row['feature']}   {u['layer']}:{u['index']}" for row, u in zip(rows, best, strict=True)]
        axes.barh(range(len(rows)), [u["r_validation"] or 0 for u in best], color=COLOURS[0])
        axes.plot([u["r"] for u in best], range(len(rows)), "|", color=COLOURS[1], markersize=12, label="first half")
        axes.axvline(0, linewidth=0.8, color="gray")
        axes.set(xlim=(-1, 1), xlabel="correlation r on the second half (validation)")
        axes.set_yticks(range(len(rows)), names)
        _legend(axes)

    return [Panel(correlations, 7.2, 0.9 + 0.32 * len(rows))]


def surprisal(named: Named) -> list[Panel]:
    """The text by the surprisal of each character in bits."""
    ((_, data),) = named
    return [_text(data["text"], data["bits"], SURPRISAL_COLOURS, 0.0, MAX_BITS)]


def attribution(named: Named) -> list[Panel]:
    """The answers one below the other: each its label and probability, and its text by how far it speaks for them."""
    ((_, data),) = named
    text, values = "", []
    for answer in data["answers"]:
        heading = f"{answer['label']}, {answer['probability']:.1%}\n"
        text += f"{heading}{answer['text']}\n\n"
        values += [0.0] * len(heading) + relative(answer["values"]) + [0.0, 0.0]
    return [_text(text.rstrip("\n"), values[: len(text.rstrip("\n"))], DIVERGING, -1.0, 1.0)]


def attention(named: Named) -> list[Panel]:
    """The weights of each pair: a row for each character of the target, a column for each of the source."""
    ((_, data),) = named

    def weights(pair: dict[str, Any], axes: "Axes") -> None:
        from matplotlib.colors import LinearSegmentedColormap

        scale = LinearSegmentedColormap.from_list("weights", SHARE_COLOURS)
        axes.imshow(np.array(pair["weights"]), cmap=scale, vmin=0, vmax=1, aspect="equal")
        axes.set_xticks(range(len(pair["source"])), [*map(symbol, pair["source"])], fontsize=8)
        axes.set_yticks(range(len(pair["target"]) + 1), [*map(symbol, pair["target"] + "\n")], fontsize=8)
        axes.set(xlabel="source", ylabel="target")

    pairs = data["pairs"][:MAX_PAIRS]
    width, height = (0.8 + 0.17 * max(len(pair[part]) for pair in pairs) for part in ("source", "target"))
    return [Panel(partial(weights, pair), min(width, 24.0), min(height + 0.4, 24.0)) for pair in pairs]


def context(named: Named) -> list[Panel]:
    """How far back gradients and contexts reach and, for a single model, its gates."""
    return [*reach(named), *(gates(named[0][1]) if len(named) == 1 else [])]


def reach(named: Named) -> list[Panel]:
    """The gradient over the steps back, and the loss over the length of the context."""
    units = unit_names(data for _, data in named)

    def gradients(axes: "Axes") -> None:
        for name, data in named:
            k, norm = data["gradient"]["k"], np.array(data["gradient"]["norm"])
            axes.plot(k, norm / (norm[0] or 1), label=name)
        for share in SHARES:
            axes.axhline(share, linestyle=":", linewidth=0.8, color="gray")
        places = place_numbers(data["gradient"]["targets"] for _, data in named)
        axes.set_title(f"mean of {places}", fontsize=9)
        axes.set(yscale="log", ylim=(1e-5, None), xlabel=f"k {units} back", ylabel="gradient, relative to k = 1")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _legend(axes)

    def losses(axes: "Axes") -> None:
        for name, data in named:
            axes.plot(data["loss_by_length"]["n"], data["loss_by_length"]["loss"], label=name)
        places = place_numbers(data["loss_by_length"]["targets"] for _, data in named)
        axes.set_title(f"mean of {places}", fontsize=9)
        axes.set(xscale="log", xlabel=f"{units} of context", ylabel="loss, nats")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    return [Panel(gradients), Panel(losses)]


def gates(data: dict[str, Any]) -> list[Panel]:
    """How often each unit's gates are open and closed, a dot for each unit, a panel for each gate; an rnn has none."""

    def saturation(name: str, axes: "Axes") -> None:
        for row in data["gates"]:
            if row["gate"] == name:
                label = f"layer {row['layer']}"
                axes.scatter(row["open"], row["closed"], s=9, alpha=0.6, linewidths=0, label=label, rasterized=True)
        axes.plot([0, 1], [1, 0], linewidth=0.6, color="gray")
        axes.set(title=f"{name} gate", xlabel="share of steps open", ylabel="share of steps closed")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        _legend(axes)

    return [Panel(partial(saturation, name), 3, 3) for name in dict.fromkeys(row["gate"] for row in data["gates"])]


def weights(named: Named) -> list[Panel]:
    """A histogram of each tensor."""
    ((_, data),) = named

    def values(row: dict[str, Any], axes: "Axes") -> None:
        low, high = (row["min"], row["max"]) if row["min"] < row["max"] else (row["min"] - 0.5, row["max"] + 0.5)
        edges = np.linspace(low, high, len(row["histogram"]) + 1)
        axes.stairs(row["histogram"], edges, fill=True, color=COLOURS[0])
        axes.set_yticks([])
        axes.set_title(row["name"], fontsize=9)

    return [Panel(partial(values, row), 3, 1.7) for row in data["tensors"]]


def vocabulary(named: Named) -> list[Panel]:
    """The characters in the planes that show most of their differences: when they are read, and when expected."""
    ((_, data),) = named

    def plane(way: str, axes: "Axes") -> None:
        x, y = np.array([row["plane"][way] for row in data["characters"]]).T
        axes.scatter(x, y, s=0)
        for row, a, b in zip(data["characters"], x, y, strict=True):
            axes.text(a, b, symbol(row["character"]), ha="center", va="center", clip_on=True)
        axes.set_title(f"when {way}", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])

    return [Panel(partial(plane, way), 4.6, 4.2) for way in ("read", "expected")]


def confusion(labels: Sequence[str], counts: NDArray[np.int64]) -> list[Panel]:
    """How many texts of each expected label, in a row, got each label [n, n]; coloured by their share of the row."""

    def cells(axes: "Axes") -> None:
        from matplotlib.colors import LinearSegmentedColormap

        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        scale = LinearSegmentedColormap.from_list("shares", SHARE_COLOURS)
        axes.imshow(shares, cmap=scale, vmin=0, vmax=1)
        if len(labels) <= MAX_COUNTED:
            for (row, column), n in np.ndenumerate(counts):
                if n:
                    colour = "#ffffff" if shares[row, column] > 0.6 else "#111111"
                    axes.text(column, row, f"{n:,}", ha="center", va="center", size=8, color=colour)
        size = 9 if len(labels) <= MAX_COUNTED else max(2.0, 9 * MAX_COUNTED / len(labels))
        names = ["".join(map(symbol, label)).replace("␣", " ") or "empty" for label in labels]
        axes.set_xticks(range(len(labels)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(labels)), names, fontsize=size)
        axes.set(xlabel="found", ylabel="expected")

    longest = min(max(map(len, labels), default=0), 40)
    side = min(2.2 + 0.09 * longest + 0.36 * len(labels), 24.0)
    return [Panel(cells, side, side)]


def _text(text: str, values: Sequence[float | None], colours: Sequence[str], low: float, high: float) -> Panel:
    """A text in cells of one size, each on the colour of its value, or on grey if it has none."""
    lines: list[list[tuple[str, float | None]]] = [[]]
    for character, value in zip(text, values, strict=True):
        if character == "\n" or len(lines[-1]) == MAX_COLUMNS:
            lines.append([])
        if character != "\n":
            lines[-1].append((symbol(character), value))
    lines = lines[:MAX_LINES]

    def cells(axes: "Axes") -> None:
        from matplotlib.colors import LinearSegmentedColormap

        scale = LinearSegmentedColormap.from_list("values", colours)
        background = np.ones((len(lines), MAX_COLUMNS, 3))
        for row, line in enumerate(lines):
            for column, (character, value) in enumerate(line):
                known = value is not None and not np.isnan(value)
                share = (value - low) / (high - low) if known else 0.0  # type: ignore[operator]
                background[row, column] = scale(share)[:3] if known else UNKNOWN_COLOUR
                dark = background[row, column] @ (0.3, 0.6, 0.1) < 0.5
                colour = "#ffffff" if dark else "#111111"
                axes.text(column, row, character, ha="center", va="center", family="monospace", size=8, color=colour)
        axes.imshow(background, aspect="auto")
        axes.set_axis_off()

    return Panel(cells, 10, 0.3 + 0.24 * len(lines))


def _line(axes: "Axes", points: Sequence[tuple[float, float]], label: str, **style: Any) -> None:
    """A line through the points, if there are any; a single one is a dot."""
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) == 1 else None, **style)


def _legend(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
