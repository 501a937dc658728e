"""The options of `charrnn train` about the ranks of a distributed run."""

from typing import Annotated

from charrnn.cli.terminal.help import RUN, either, option
from charrnn.cli.terminal.sharing import RankTimeoutOption
from charrnn.config import PRECISIONS

__all__ = [
    "DistributedOption",
    "ExchangeOption",
    "MembersOption",
    "OuterLrOption",
    "OuterMomentumOption",
    "RankTimeoutOption",
    "SyncEveryOption",
]

DistributedOption = Annotated[
    bool, option(RUN, "Train with all processes that mpiexec starts; the batch is shared out.", "--distributed")
]
ExchangeOption = Annotated[
    str | None,
    option(RUN, f"With --distributed: numbers that are exchanged: {either(PRECISIONS)}. [float32]", values=PRECISIONS),
]
MembersOption = Annotated[
    bool | None,
    option(RUN, "With --distributed: each process trains a model of its own; at the end they are merged.", "--members"),
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
