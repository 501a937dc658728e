"""The shading: a text with a number for each character, shown as colours, or below it as bars where there are none."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from charrnn.cli.terminal.console import visible

BARS = "▁▂▃▄▅▆▇█"
UNKNOWN = "white on #5f5faf"
DIVERGING = (
    ("below -0.75", -1.0, "white on #0b4a8f"),
    ("to -0.45", -0.75, "black on #5fa8e6"),
    ("to -0.15", -0.45, "black on #c6e0f7"),
    ("around 0", -0.15, ""),
    ("0.15", 0.15, "black on #ffe0c2"),
    ("0.45", 0.45, "black on #f79a4c"),
    ("above 0.75", 0.75, "white on #b3440c"),
)
"""What a unit stands at, from where on, and the colour; a legend may be made of it."""

Scale = Sequence[tuple[str, float, str]]


def legend(scale: Scale) -> Text:
    """What the colours stand for."""
    text = Text()
    for name, _, style in scale:
        text.append(f" {name} ", style).append(" ")
    return text


def shaded(text: str, values: Sequence[float | None], scale: Scale, top: float, console: Console) -> Iterator[Text]:
    """The lines of a text, each character in the colour of its value; None is what the model has never seen.

    Without colours each line is followed by one of bars, the highest for `top`, the lowest for where the scale begins.
    """
    coloured = console.color_system is not None and not console.no_color
    bottom = scale[0][1]
    line, bars, columns = Text(no_wrap=True), "", 0
    for character, value in zip(text, values, strict=True):
        shown = "⇥" if character == "\t" else "" if character == "\n" else visible(character)
        if character == "\n" or columns + cell_len(shown) > console.width:
            yield from _ended(line, "" if coloured else bars)
            line, bars, columns = Text(no_wrap=True), "", 0
        if character != "\n":
            line.append(shown, _style(value, scale) if coloured else "")
            bars += _bar(value, bottom, top) * cell_len(shown)
            columns += cell_len(shown)
    if columns:
        yield from _ended(line, "" if coloured else bars)


def _ended(line: Text, bars: str) -> Iterator[Text]:
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
