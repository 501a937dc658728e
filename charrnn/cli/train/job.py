"""The job of `charrnn train --distributed`: rank 0 leads the training, and the others follow it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from charrnn.cli.terminal.ranks import check_timeout, leading, side_by_side
from charrnn.config import TrainingConfig
from charrnn.distributed.ranks import Ranks

ADVICE = "; --resume continues from the last save"
"""What to do after a rank has failed."""


@contextmanager
def joined(
    distributed: bool, rank_timeout: float | None, members: bool | None, quiet: bool, **options: Any
) -> Iterator[Ranks | None]:
    """The ranks for the leader's part of the command; None if it is not distributed.

    Followers do not enter the block: they follow the leader, and end with its exit code. But if each trains a member,
    all ranks enter it. Raises `ConfigError` for options that are out of range, those of `TrainingConfig` too, if they
    are not None.
    """
    with ExitStack() as stack:
        ranks = None
        if not distributed:
            check_timeout(rank_timeout)
        elif members:
            ranks = stack.enter_context(side_by_side(rank_timeout, ADVICE, quiet))
        else:
            ranks = stack.enter_context(leading(_serve, rank_timeout, ADVICE, passes_signals=True, quiet=quiet))
        TrainingConfig(0, **{name: value for name, value in options.items() if value is not None})
        yield ranks


def _serve(ranks: Ranks) -> None:
    from charrnn.training.follower import serve

    serve(ranks)
