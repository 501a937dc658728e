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
SyncEveryOption = Annotated[
    str | None,
    option(
        RUN,
        "With --distributed: steps that each process takes alone, between averages of the weights; auto: more if these "
        "take too long. [gradients are summed at each step]",
        metavar="N|auto",
    ),
]
OuterLrOption = Annotated[
    float | None, option(RUN, "With --sync-every: how far the weights go towards their average. [1]")
]
OuterMomentumOption = Annotated[
    float | None, option(RUN, "With --sync-every: momentum of the weights towards their average. [0]")
]
RankTimeoutOption = Annotated[
    float | None, option(RUN, "With --distributed: silent seconds after which a rank has failed. [30]")
]
