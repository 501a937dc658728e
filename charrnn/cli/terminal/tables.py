"""Tables on stdout, and text from files within them."""

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from charrnn.dataset.control_characters import one_line

MAX_WIDTH = 10_000
"""The width of a file or a pipe."""


def plain(text: str) -> Text:
    """Text from a file, unchanged, as brackets in it are not markup; control characters become escapes."""
    return Text(one_line(text))


def plain_table(*columns: str) -> Table:
    """A table with the first column aligned left and the others right; without columns it has no header."""
    table = Table(box=box.SIMPLE_HEAD if columns else None, show_header=bool(columns), pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(plain(column), justify="left" if k == 0 else "right")
    return table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table, as wide as it needs to be."""
    table = plain_table(*columns)
    for row in rows:
        table.add_row(*map(plain, row))
    Console(highlight=False, width=None if sys.stdout.isatty() else MAX_WIDTH).print(table)
