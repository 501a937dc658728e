"""The progress bar: tqdm, whatever the variables in the environment say that set its defaults."""

import math
import os
import re
import sys
from typing import Any

from charrnn.optional import is_installed

HONOURED = {
    "TQDM_MININTERVAL": r"\d+(\.\d*)?",
    "TQDM_MAXINTERVAL": r"\d+(\.\d*)?",
    "TQDM_ASCII": r"(?s).{2,}",
}
"""What the environment may say about the bar: the seconds between two updates, and the characters of the bar."""
others = {  # tqdm reads them once, and all others, or other values, may make it fail
    name: os.environ.pop(name)
    for name, value in [*os.environ.items()]
    if name.startswith("TQDM_") and not re.fullmatch(HONOURED.get(name, "(?!)"), value)
}

from tqdm import tqdm  # noqa: E402

os.environ.update(others)  # which are for other programs

__all__ = ["complete", "in_notebook", "progress_bar", "tqdm"]

DEFAULT_SIZE = (80, 25)
"""The columns and the lines of a terminal that does not say how many it has."""


def progress_bar(total: float, initial: int, count: str, quiet: bool) -> "tqdm[Any]":
    """A bar, if there is work; `count` is what it shows of the work that is done.

    It is on stderr, if that is a terminal, or in a notebook: a widget or, without ipywidgets, a line of text. If the
    total is infinite, it says how long the work has taken, and not how much is left.
    """
    has_size = _width() > 0  # some terminals say that they have none, and tqdm would show nothing
    is_notebook = in_notebook()
    known = f"{{percentage:3.0f}}% {{bar}} {count} {{elapsed}}, {{remaining}} left"
    return (_widget if is_notebook and is_installed("ipywidgets") else tqdm)(
        total=total,
        initial=initial,
        file=sys.stderr,
        disable=quiet or not (is_notebook or sys.stderr.isatty()) or total <= initial,
        dynamic_ncols=has_size,
        ncols=None if has_size else DEFAULT_SIZE[0],
        nrows=None if has_size else DEFAULT_SIZE[1],
        bar_format=known if total < math.inf else f"{count} {{elapsed}}",
    )


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, rather than of a console; a program that it starts is not."""
    if "IPython.utils._process_emscripten" in sys.modules:  # in the browser
        return True
    if "ipykernel.zmqshell" not in sys.modules or any(n == "QT_API" or n.startswith("SPYDER") for n in os.environ):
        return False
    shell = type(sys.modules["IPython"].get_ipython()).__name__.lower()
    return not any(console in shell for console in ("qt", "spyder", "nonetype"))


def _widget(**options: Any) -> "tqdm[Any]":
    """tqdm's bar of a notebook: what `tqdm.auto` chooses there, but without its warnings."""
    from tqdm.notebook import tqdm as widget

    return widget(**options)


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
        if hasattr(bar, "container"):  # of a notebook
            bar.container.children[1].max = bar.total
        bar.refresh()
