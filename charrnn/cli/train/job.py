"""The job of `charrnn train --distributed`: rank 0 leads the training, and the others follow it."""

from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.cli.terminal.ranks import check_timeout, leading, side_by_side
from charrnn.config import PRECISIONS, one_of
from charrnn.distributed.ranks import Ranks

ADVICE = "; --resume continues from the last save"
"""What to do after a rank has failed."""


@contextmanager
def joined(
    distributed: bool, rank_timeout: float | None, exchange: str | None, members: bool | None
) -> Iterator[Ranks | None]:
    """The ranks for the leader's part of the command; None if it is not distributed.

    Followers do not enter the block: they follow the leader, and end with its exit code. But if each trains a member,
    all ranks enter it. Raises `ConfigError` for options that are out of range.
    """
    silence = check_timeout(rank_timeout)
    one_of("exchange", exchange or PRECISIONS[0], PRECISIONS)
    if not distributed:
        yield None
        return
    if members:
        with side_by_side(silence, ADVICE) as ranks:
            yield ranks
        return
    with leading(_serve, silence, ADVICE, passes_signals=True) as ranks:
        yield ranks


def _serve(ranks: Ranks) -> None:
    from charrnn.training.follower import serve

    serve(ranks)
