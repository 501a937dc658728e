"""The options of `charrnn train` for the course of a run: a log, and curves."""

from pathlib import Path
from typing import Annotated

from charrnn.cli.terminal.help import OUTPUT, option

LogOption = Annotated[
    Path | None, option(OUTPUT, "File for losses, learning rate and speed: one JSON object per line.")
]
TensorboardOption = Annotated[
    Path | None,
    option(OUTPUT, "Folder for TensorBoard: the same as curves, and the samples. Needs tensorboardX.", metavar="DIR"),
]
