"""The tables of `charrnn inspect`, and text from files within them."""

from rich import box
from rich.table import Table
from rich.text import Text

from charrnn.cli.terminal.console import one_line


def plain(text: str) -> Text:
    """Text from a file, unchanged, as brackets in it are not markup; control characters become escapes."""
    return Text(one_line(text))


def plain_table(*columns: str) -> Table:
    """A table with the first column aligned left and the others right; without columns it has no header."""
    table = Table(box=box.SIMPLE_HEAD if columns else None, show_header=bool(columns), pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(plain(column), justify="left" if k == 0 else "right")
    return table
