"""The sharing of a command's texts among the ranks of a job, with its options."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from charrnn.cli.terminal.help import RUN, option
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.distributed.ranks import Ranks

SharingOption = Annotated[
    bool, option(RUN, "Share the texts among all processes that mpiexec starts.", "--distributed")
]
RankTimeoutOption = Annotated[
    float | None, option(RUN, "With --distributed: silent seconds after which a rank has failed. [30]")
]


@contextmanager
def sharing(distributed: bool, rank_timeout: float | None, quiet: bool) -> Iterator["Ranks | None"]:
    """The ranks, for the leader's part of a command; None if it is not distributed.

    Followers do not enter the block: they answer what the leader deals them. Raises `ConfigError` for a timeout that is
    out of range, or for one process.
    """
    if not distributed and rank_timeout is None:
        yield None
        return
    from charrnn.cli.terminal.ranks import check_timeout, leading
    from charrnn.scoring.rank_answers import serve

    if not distributed:
        check_timeout(rank_timeout)
        raise ConfigError("--rank-timeout is only for several ranks: give --distributed too")
    with leading(serve, rank_timeout, quiet=quiet) as ranks:
        yield ranks
