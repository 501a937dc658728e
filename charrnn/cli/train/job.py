"""The job of `charrnn train --distributed`: rank 0 leads, and what goes wrong on any rank ends all of them."""

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from charrnn.cli.terminal.console import STOP_SIGNALS, notice
from charrnn.cli.terminal.environment import DEBUG
from charrnn.cli.terminal.failure import print_error, unexpected
from charrnn.config import TrainingConfig, between
from charrnn.distributed.ranks import DismissedError, Ranks, join
from charrnn.distributed.shared_cores import cores_of_rank
from charrnn.distributed.watchdog import MAX_SILENCE, MIN_SILENCE, SILENCE, STOP, Watchdog
from charrnn.errors import CharRNNError
from charrnn.resources import cores


@contextmanager
def joined(distributed: bool, rank_timeout: float | None, **options: Any) -> Iterator[Ranks | None]:
    """The ranks for the leader's part of a command; None if it is not distributed.

    Followers do not enter the block: they follow the leader, and end with its exit code. Raises `ConfigError` for
    options that are out of range, those of `TrainingConfig` too, if they are not None.
    """
    silence = SILENCE if rank_timeout is None else rank_timeout
    between("rank_timeout", silence, MIN_SILENCE, MAX_SILENCE)
    TrainingConfig(0, **{name: value for name, value in options.items() if value is not None})
    if not distributed:
        yield None
        return
    ranks = join()
    cores.limit(cores_of_rank(ranks))
    watchdog = Watchdog(ranks, print_error, silence)
    if not ranks.is_leader:
        raise typer.Exit(follow(ranks, watchdog))
    for rank in watchdog.unwatched:
        notice(f"{ranks.name(rank)} has no connection to rank 0 apart from MPI: nobody will notice if it hangs")
    ranks.signals = watchdog.signals
    try:
        yield ranks
    except BaseException as error:
        if not ranks.are_listening or ranks.waiting_since is not None:
            fail(ranks, watchdog, error)
        ranks.dismiss(getattr(error, "exit_code", 1))
        raise
    else:
        ranks.dismiss(0)
    finally:
        watchdog.close()


def follow(ranks: Ranks, watchdog: Watchdog) -> int:
    """Follows the leader to the end of the job; returns its exit code.

    A signal that asks to stop is passed on to the leader, which decides.
    """
    from charrnn.training.follower import serve

    for name in STOP_SIGNALS:
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), lambda number, frame: watchdog.say(STOP, number))
    try:
        serve(ranks)
    except DismissedError as end:
        return end.code
    except BaseException as error:
        fail(ranks, watchdog, error)
    finally:
        watchdog.close()
    return 0


def fail(ranks: Ranks, watchdog: Watchdog, error: BaseException) -> NoReturn:
    """Ends all ranks because of an error on this one, which it prints."""
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
    why = str(error) or type(error).__name__
    if isinstance(error, Exception) and not isinstance(error, CharRNNError):
        why = unexpected(error)
    print_error(f"{ranks.name(ranks.rank)}: {why}")
    watchdog.close()
    ranks.abort(getattr(error, "exit_code", 1))
