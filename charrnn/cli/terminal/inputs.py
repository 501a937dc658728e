"""The inputs of a command that reads a model and then texts: which argument is which, and lines as they arrive."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.dataset.files import Part

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


def notice_typing(paths: list[str], notice: Callable[[str], None]) -> None:
    """Says that the program waits for text that is typed, if it does."""
    from charrnn.dataset.files import STDIN

    if STDIN in paths and sys.stdin.isatty():
        notice("reading what you type, up to Ctrl-D")
