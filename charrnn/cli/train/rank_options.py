"""The options of `charrnn train` about the ranks of a distributed run."""

from typing import Annotated

from charrnn.cli.terminal.help import RUN, either, option
from charrnn.config import PRECISIONS

DistributedOption = Annotated[
    bool, option(RUN, "Train with all processes that mpiexec starts; the batch is shared out.", "--distributed")
]
ExchangeOption = Annotated[
    str | None,
    option(RUN, f"With --distributed: numbers that are exchanged: {either(PRECISIONS)}. [float32]", values=PRECISIONS),
]
RankTimeoutOption = Annotated[
    float | None, option(RUN, "With --distributed: silent seconds after which a rank has failed. [30]")
]
