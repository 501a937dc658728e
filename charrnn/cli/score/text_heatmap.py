"""The heat of a text: every character in a colour that tells how little the model expected it."""

import codecs
import itertools
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from charrnn.cli.terminal.console import notice, visible
from charrnn.cli.terminal.heatmap import UNKNOWN
from charrnn.dataset.files import Part, decoded_texts
from charrnn.model.model import Model
from charrnn.scoring import score
from charrnn.types import Array

SCALE = (
    ("under 1", 0, ""),
    ("1 to 2", 1, "black on #ffff87"),
    ("2 to 4", 2, "black on #d7af00"),
    ("4 to 6", 4, "black on #ff5f5f"),
    ("6 to 9", 6, "white on #af0000"),
    ("9 and more", 9, "white on #87005f"),
)
"""Bits from which on a character has a colour; they are told apart where a terminal knows sixteen colours only."""


def show(model: Model, parts: Iterable[Part], unknown: str, quiet: bool) -> int:
    """Prints a text in colours, with control characters made harmless, and a legend on stderr.

    Returns how many characters were left out as unknown. Raises `VocabularyError` and `CorpusError`.
    """
    console = Console(highlight=False)
    if not quiet:
        _explain(console, unknown)
    styles = [Style.parse(style) for _, _, style in SCALE] + [Style.parse(UNKNOWN)]
    bounds = [start for _, start, _ in SCALE[1:]]
    pieces, again = itertools.tee(decoded_texts(parts, model.vocabulary))
    left_out, last = 0, "\n"
    for text, nats in _characters(again, score.stream_surprisal(model, pieces, unknown=unknown)):
        left_out += int(np.isnan(nats).sum())
        levels = np.searchsorted(bounds, nats / np.log(2), side="right")
        levels[np.isnan(nats)] = len(SCALE)
        runs = itertools.groupby(zip(levels.tolist(), text, strict=True), key=lambda pair: (pair[0], pair[1] == "\n"))
        segments = [
            # A line end is left plain: a terminal might fill the line with its colour
            Segment(visible("".join(c for _, c in run)), None if ends else styles[level])
            for (level, ends), run in runs
        ]
        console.print(Segments(segments), soft_wrap=True)
        last = text[-1:] or last
    if last != "\n" and sys.stdout.isatty():
        console.print()
    return left_out


def _explain(console: Console, unknown: str) -> None:
    """The legend, on stderr; and why there are no colours, where there are none."""
    legend = [part for name, _, style in SCALE for part in ((f" {name} ", style), " ")]
    if unknown == "skip":
        legend.append((" unknown ", UNKNOWN))
    Console(stderr=True, highlight=False).print(Text.assemble("surprise in bits: ", *legend), soft_wrap=True)
    if console.no_color:
        notice("no colours, since NO_COLOR is set")
    elif console.color_system is None:
        notice("no colours, since stdout is no terminal: FORCE_COLOR=1 colours all the same")


def _characters(pieces: Iterable[str | bytes], surprises: Iterable[Array]) -> Iterator[tuple[str, Array]]:
    """The pieces as text, with the surprise of each character: of one in several bytes, the sum of theirs."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    waiting = np.empty(0)
    for nats, piece in zip(surprises, pieces, strict=True):
        if isinstance(piece, str):
            yield piece, nats
            continue
        waiting = np.concatenate((waiting, nats))
        text = decoder.decode(piece, final=not piece)  # b"" ends a file
        ends = np.cumsum([len(c.encode("utf-8", "surrogateescape")) for c in text], dtype=np.intp)
        upto = np.concatenate(([0], np.cumsum(waiting)))
        yield text, np.diff(upto[np.concatenate(([0], ends))])
        waiting = waiting[ends[-1] if text else 0 :]
