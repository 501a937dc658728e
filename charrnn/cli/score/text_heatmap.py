"""The heatmap of a text: each character in a colour for its surprisal."""

import codecs
import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from charrnn.cli.terminal.console import notice
from charrnn.cli.terminal.heatmap import SURPRISAL_SCALE, UNKNOWN
from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.dataset.control_characters import visible
from charrnn.dataset.files import Part, decoded_texts
from charrnn.model.model import Model
from charrnn.scoring.score import stream_surprisal
from charrnn.types import Array

if TYPE_CHECKING:
    from charrnn.scoring.adaptation import Adaptation


def show(
    model: Model,
    parts: Iterable[Part],
    unknown: str,
    quiet: bool,
    undecoded: UndecodedBytes,
    adaptation: "Adaptation | None" = None,
) -> int:
    """Prints a text in colours, with control characters shown as escapes, and a legend on stderr.

    With an adaptation of the model, the surprisals are those before it learns from the text.
    Returns the number of unknown characters. Raises `VocabularyError` and `CorpusError`.
    """
    policy = "skip" if unknown == "count" else unknown
    unseen = model.unseen_nats if unknown == "count" else np.nan
    console = Console(highlight=False)
    if not quiet:
        _explain(console, unknown)
    styles = [Style.parse(style) for _, _, style in SURPRISAL_SCALE] + [Style.parse(UNKNOWN)]
    bounds = [start for _, start, _ in SURPRISAL_SCALE[1:]]
    pieces, again = itertools.tee(undecoded.watched(decoded_texts(parts, model.vocabulary, model.text_form)))
    skipped, last = 0, "\n"
    for text, nats in _characters(again, stream_surprisal(model, pieces, unknown=policy, adaptation=adaptation)):
        skipped += int(np.isnan(nats).sum())
        nats[np.isnan(nats)] = unseen
        levels = np.searchsorted(bounds, nats / np.log(2), side="right")
        levels[np.isnan(nats)] = len(SURPRISAL_SCALE)
        runs = itertools.groupby(zip(levels.tolist(), text, strict=True), key=lambda pair: (pair[0], pair[1] == "\n"))
        segments = [
            # A newline has no colour: a terminal might fill the line with it
            Segment(visible("".join(c for _, c in run)), None if is_newline else styles[level])
            for (level, is_newline), run in runs
        ]
        console.print(Segments(segments), soft_wrap=True)
        last = text[-1:] or last
    if last != "\n" and sys.stdout.isatty():
        console.print()
    return skipped


def _explain(console: Console, unknown: str) -> None:
    """Prints the legend on stderr; and if there are no colours, why."""
    legend = [part for name, _, style in SURPRISAL_SCALE for part in ((f" {name} ", style), " ")]
    if unknown == "skip":
        legend.append((" unknown ", UNKNOWN))
    Console(stderr=True, highlight=False).print(Text.assemble("surprisal in bits: ", *legend), soft_wrap=True)
    if console.no_color:
        notice("no colours, because NO_COLOR is set")
    elif console.color_system is None:
        notice("no colours, because stdout is not a terminal: FORCE_COLOR=1 prints them anyway")


def _characters(pieces: Iterable[str | bytes], surprisals: Iterable[Array]) -> Iterator[tuple[str, Array]]:
    """The pieces as text, with the surprisal of each character; that of several bytes is the sum of theirs."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    pending = np.empty(0)
    for nats, piece in zip(surprisals, pieces, strict=True):
        if isinstance(piece, str):
            yield piece, nats
            continue
        pending = np.concatenate((pending, nats))
        text = decoder.decode(piece, final=not piece)  # b"" ends a file
        ends = np.cumsum([len(c.encode("utf-8", "surrogateescape")) for c in text], dtype=np.intp)
        upto = np.concatenate(([0], np.cumsum(pending)))
        yield text, np.diff(upto[np.concatenate(([0], ends))])
        pending = pending[ends[-1] if text else 0 :]
