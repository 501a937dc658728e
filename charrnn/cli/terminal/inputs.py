"""The inputs of a command that reads a model and then texts: which argument is which, and lines as they arrive."""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.dataset.files import Part
    from charrnn.dataset.vocabulary import Vocabulary
    from charrnn.model.model import Model

Row = tuple[str, str]
"""A source, and the target that is expected, if any."""

ARRIVAL_BLOCK = 1 << 15
"""The most bytes that are read at once as they arrive: about 500 lines, enough to be read side by side."""


def model_and_texts(command: str, first: str | None, rest: list[str] | None) -> tuple[Path | None, list[str]]:
    """The model's file, if it is given, and the paths of the texts, which are stdin if none are.

    The first argument is the model only if its name ends as that of a model. Raises `ConfigError` for a model among the
    texts.
    """
    from charrnn.checkpoint.paths import SUFFIX
    from charrnn.dataset.files import STDIN
    from charrnn.errors import ConfigError

    paths = rest or []
    if first is not None and not first.endswith(SUFFIX):
        paths, first = [first, *paths], None
        if models := [path for path in paths if path.endswith(SUFFIX)]:
            raise ConfigError(f"the model comes before the texts: charrnn {command} {models[0]} {paths[0]}")
    return Path(first) if first else None, paths or [STDIN]


def arriving_parts(paths: list[str], notice: Callable[[str], None]) -> Iterator["Part"]:
    """The bytes of files and of stdin as they arrive. Raises `CorpusError` for a file that can't be found."""
    from charrnn.dataset.files import list_files, read_parts, total_size

    paths = list_files(paths)
    total_size(paths)
    notice_typing(paths, notice)
    return read_parts(paths, ARRIVAL_BLOCK)


def load_model(path: Path, paths: list[str], engine: str) -> tuple["Model", str]:
    """The model, with the engine that suits the amount of text, and the name of that engine."""
    from charrnn import engine as engines
    from charrnn.checkpoint.model_file import load
    from charrnn.dataset.files import list_files, total_size

    engines.resolve(engine, 0)  # an invalid engine is an error before anything is read
    size = total_size(list_files(paths))
    chosen = engines.resolve(engine, 0 if size == math.inf else size)  # a stream may be short: it need not compile
    return replace(load(path).model, engine=engines.load(chosen)), chosen


def rows_of(parts: Iterator["Part"], vocabulary: "Vocabulary", target: str) -> Iterator[list[Row]]:
    """The lines of a text as they arrive, each a source and, if `target` names what it has to have, its target.

    Without a target a line is a source as it is; with one, empty lines are left out, as in training. Raises
    `CorpusError` for a line that lacks its target.
    """
    from charrnn.dataset.line_reader import read_lines
    from charrnn.errors import CorpusError

    number = 0
    for lines in read_lines(parts, vocabulary):
        rows = []
        # a \r within a line ends a line too, as in training
        for text in (text for line in lines for text in line.text.removesuffix("\n").split("\n")):
            number += 1
            if target and not text:
                continue
            source, tab, expected = text.partition("\t") if target else (text, "", "")
            if target and (not tab or "\t" in expected):
                raise CorpusError(f"line {number} is not a text, a tab and its {target}: --evaluate needs both")
            rows.append((source, expected))
        yield rows


def notice_typing(paths: list[str], notice: Callable[[str], None]) -> None:
    """Says that the program waits for text that is typed, if it does."""
    from charrnn.dataset.files import STDIN

    if STDIN in paths and sys.stdin.isatty():
        notice("reading what you type, up to Ctrl-D")
