"""The heatmap: a text with a number for each character, as background colours or, without colours, as bars below it."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from charrnn.dataset.control_characters import visible

BARS = "▁▂▃▄▅▆▇█"
Scale = Sequence[tuple[str, float, str]]
"""The label of each level, the value from which it begins, and its style."""
UNKNOWN = "white on #5f5faf"
"""The style of a character that the model has never seen."""
DIVERGING: Scale = (
    ("below -0.75", -1.0, "white on #0b4a8f"),
    ("to -0.45", -0.75, "black on #5fa8e6"),
    ("to -0.15", -0.45, "black on #c6e0f7"),
    ("around 0", -0.15, ""),
    ("0.15", 0.15, "black on #ffe0c2"),
    ("0.45", 0.45, "black on #f79a4c"),
    ("above 0.75", 0.75, "white on #b3440c"),
)
"""Of activations from -1 to 1."""
ATTRIBUTION_SCALE: Scale = tuple(
    (label, start, style)
    for label, start, (_, _, style) in zip(
        ("against", "-", "-", "neither", "+", "+", "for"),
        (-1.0, -0.6, -0.2, -0.05, 0.05, 0.2, 0.6),
        DIVERGING,
        strict=True,
    )
)
"""Of a character's share in an answer, relative to the strongest one: from -1, against it, to 1, for it."""
SURPRISAL_SCALE: Scale = (
    ("under 1", 0, ""),
    ("1 to 2", 1, "black on #ffff87"),
    ("2 to 4", 2, "black on #d7af00"),
    ("4 to 6", 4, "black on #ff5f5f"),
    ("6 to 9", 6, "white on #af0000"),
    ("9 and more", 9, "white on #87005f"),
)
"""Of surprisal in bits; the levels differ even where a terminal has only sixteen colours."""


def activation_scale(bottom: float, top: float) -> Scale:
    """The scale of activations from -1 to 1 or, with ReLU, from 0 to some value: the upper half of the same."""
    if bottom < 0:
        return DIVERGING
    starts = [start * top for _, start, _ in DIVERGING[4:]]
    labels = [f"{'above ' * (start == starts[-1])}{start:.2g}" for start in starts]
    styles = [style for _, _, style in DIVERGING[4:]]
    return (("near 0", 0.0, ""), *zip(labels, starts, styles, strict=True))


def legend(scale: Scale) -> Text:
    """The label of each level, in its style."""
    text = Text()
    for label, _, style in scale:
        text.append(f" {label} ", style).append(" ")
    return text


def has_colours(console: Console) -> bool:
    """Whether a text is printed in colours; if not, there are bars below it."""
    return console.color_system is not None and not console.no_color


def heatmap(text: str, values: Sequence[float | None], scale: Scale, top: float, console: Console) -> Iterator[Text]:
    """The lines of a text, each character in the style of its value; None is one that the model has never seen.

    Without colours each line is followed by a line of bars, from the start of the scale to `top`.
    """
    coloured = has_colours(console)
    bottom = scale[0][1]
    line, bars, columns = Text(no_wrap=True), "", 0
    for character, value in zip(text, values, strict=True):
        shown = "⇥" if character == "\t" else "" if character == "\n" else visible(character)
        if character == "\n" or columns + cell_len(shown) > console.width:
            yield from _lines(line, "" if coloured else bars)
            line, bars, columns = Text(no_wrap=True), "", 0
        if character != "\n":
            line.append(shown, _style(value, scale) if coloured else "")
            bars += _bar(value, bottom, top) * cell_len(shown)
            columns += cell_len(shown)
    if columns:
        yield from _lines(line, "" if coloured else bars)


def _lines(line: Text, bars: str) -> Iterator[Text]:
    yield line
    if bars:
        yield Text(bars, no_wrap=True)


def _style(value: float | None, scale: Scale) -> str:
    if value is None:
        return UNKNOWN
    return next((style for _, start, style in reversed(scale) if value >= start), scale[0][2])


def _bar(value: float | None, bottom: float, top: float) -> str:
    if value is None:
        return "?"
    share = min(max((value - bottom) / (top - bottom), 0.0), 1.0)
    return BARS[round(share * (len(BARS) - 1))]
