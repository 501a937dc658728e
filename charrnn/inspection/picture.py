"""The picture: panels drawn by matplotlib, as a file or as a part of a page. Needs matplotlib to be imported."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

from charrnn.inspection.figures import COLOURS, Panel
from charrnn.optional import require

require("a picture", "plot")

import matplotlib  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

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


def picture(panels: Sequence[Panel], suffix: str) -> bytes:
    """The panels side by side, at most three in a row, as the content of a file: `.png`, `.svg` or `.pdf`.

    The same data give the same SVG.
    """
    across = min(len(panels), 3 if len(panels) > 2 else 2)
    down = -(-len(panels) // across)
    size = (across * max(panel.width for panel in panels), down * max(panel.height for panel in panels))
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    return _draw(panels, size, (down, across), suffix.removeprefix("."), metadata=metadata, dpi=150)


def inline(panel: Panel) -> str:
    """A panel as an SVG element for a page: transparent, in the colour of the text around it."""
    ink: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with matplotlib.rc_context(ink):
        size = (panel.width, panel.height)
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        raw = _draw([panel], size, (1, 1), "svg", metadata=no_metadata, transparent=True, dpi=150).decode()
    return raw[raw.index("<svg") :].replace(INK, "currentColor")


def _draw(panels: Sequence[Panel], size: tuple[float, float], grid: tuple[int, int], kind: str, **how: Any) -> bytes:
    content = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks: it draws a box for them
        figure = Figure(figsize=size, layout="constrained")
        all_axes = figure.subplots(*grid, squeeze=False).flat
        for axes in all_axes[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(all_axes, panels, strict=False):
            panel.draw(axes)
        figure.savefig(content, format=kind, **how)
    return content.getvalue()
