"""The job of `charrnn train --distributed`: rank 0 leads, and what goes wrong on any rank ends all of them."""

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from charrnn.cli.terminal.console import STOP_SIGNALS
from charrnn.cli.terminal.environment import DEBUG
from charrnn.cli.terminal.failure import print_error, unexpected
from charrnn.distributed.ranks import DismissedError, Ranks, join
from charrnn.errors import CharRNNError


@contextmanager
def joined(distributed: bool) -> Iterator[Ranks | None]:
    """The ranks for the leader's part of a command; None if it is not distributed.

    Followers do not enter the block: they follow the leader, and end with its exit code.
    """
    if not distributed:
        yield None
        return
    ranks = join()
    if not ranks.is_leader:
        raise typer.Exit(follow(ranks))
    try:
        yield ranks
    except BaseException as error:
        if not ranks.are_listening or ranks.waiting_since is not None:
            fail(ranks, error)
        ranks.dismiss(getattr(error, "exit_code", 1))
        raise
    ranks.dismiss(0)


def follow(ranks: Ranks) -> int:
    """Follows the leader to the end of the job; returns its exit code."""
    from charrnn.training.follower import serve

    for name in STOP_SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # the leader decides
    try:
        serve(ranks)
    except DismissedError as end:
        return end.code
    except BaseException as error:
        fail(ranks, error)
    return 0


def fail(ranks: Ranks, error: BaseException) -> None:
    """Ends all ranks because of an error on this one, which it prints."""
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
    known = isinstance(error, CharRNNError) or not isinstance(error, Exception)
    why = str(error) or type(error).__name__ if known else unexpected(error)
    print_error(f"{ranks.name(ranks.rank)}: {why}")
    ranks.abort(getattr(error, "exit_code", 1))
