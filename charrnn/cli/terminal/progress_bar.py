"""The progress bar: tqdm, whatever the variables in the environment say that set its defaults."""

import os
import re
import sys
from typing import Any

HONOURED = {
    "TQDM_MININTERVAL": r"\d+(\.\d*)?",
    "TQDM_MAXINTERVAL": r"\d+(\.\d*)?",
    "TQDM_ASCII": r"(?s).{2,}",
}
"""What the environment may say about the bar: the seconds between two updates, and the characters of the bar."""
for name, value in [*os.environ.items()]:  # tqdm reads them once, and all others, or other values, may make it fail
    if name.startswith("TQDM_") and not re.fullmatch(HONOURED.get(name, "(?!)"), value):
        del os.environ[name]

from tqdm import tqdm  # noqa: E402

__all__ = ["complete", "progress_bar", "tqdm"]

DEFAULT_SIZE = (80, 25)
"""The columns and the lines of a terminal that does not say how many it has."""


def progress_bar(total: float, initial: int, count: str, quiet: bool) -> "tqdm[Any]":
    """A bar on stderr, if that is a terminal and there is work; `count` is what it shows of the work that is done."""
    has_size = _width() > 0  # some terminals say that they have none, and tqdm would show nothing
    return tqdm(
        total=total,
        initial=initial,
        file=sys.stderr,
        disable=quiet or not sys.stderr.isatty() or total <= initial,
        dynamic_ncols=has_size,
        ncols=None if has_size else DEFAULT_SIZE[0],
        nrows=None if has_size else DEFAULT_SIZE[1],
        bar_format="{percentage:3.0f}% {bar} " + count + " {elapsed}, {remaining} left",
    )


def _width() -> int:
    """The characters in a line of stderr, as its terminal says."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):  # it is none
        return DEFAULT_SIZE[0]


def complete(bar: "tqdm[Any]") -> None:
    """Shows that all is done, also where it took less than was planned."""
    if not bar.disable:
        bar.total = bar.n = bar.n or 1
        bar.refresh()
