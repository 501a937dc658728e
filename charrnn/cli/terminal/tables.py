"""The tables that `charrnn inspect` prints, and text out of files in them."""

from rich import box
from rich.table import Table
from rich.text import Text

from charrnn.cli.terminal.console import one_line


def plain(text: str) -> Text:
    """Text out of a file: as it is, for brackets are no markup in it, but with control characters made harmless."""
    return Text(one_line(text))


def plain_table(*columns: str) -> Table:
    """A table, the first column to the left and the others to the right; without names it has no head."""
    table = Table(box=box.SIMPLE_HEAD if columns else None, show_header=bool(columns), pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(plain(column), justify="left" if k == 0 else "right")
    return table
