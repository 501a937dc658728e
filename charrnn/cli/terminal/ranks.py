"""The ranks of a command: rank 0 runs it, the others follow, and what goes wrong on any of them ends all."""

import atexit
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import NoReturn

import typer

from charrnn.cli.terminal.console import STOP_SIGNALS, notice
from charrnn.cli.terminal.environment import DEBUG
from charrnn.cli.terminal.failure import print_error, unexpected
from charrnn.config import between
from charrnn.distributed.ranks import DismissedError, Ranks, join
from charrnn.distributed.shared_cores import cores_of_rank
from charrnn.distributed.watchdog import MAX_SILENCE, MIN_SILENCE, SILENCE, STOP, Watchdog
from charrnn.errors import CharRNNError, ConfigError
from charrnn.resources import cores

LAST_SECONDS = 0.5
"""The seconds that a rank goes on after SIGTERM: a launcher that notices a death first ends the other ranks with it,
and their watchdogs still have to say which one has died."""

LEADER_SECONDS = 3.0
"""The seconds in which rank 0 may say what another rank has found too."""

Serve = Callable[[Ranks], None]
"""What followers do: what the leader tells them, until it ends the job, which raises `DismissedError`."""


def check_timeout(rank_timeout: float | None) -> float:
    """The seconds of silence after which a rank has failed. Raises `ConfigError` if they are out of range."""
    silence = SILENCE if rank_timeout is None else rank_timeout
    between("rank_timeout", silence, MIN_SILENCE, MAX_SILENCE)
    return silence


@contextmanager
def leading(
    serve: Serve, rank_timeout: float | None, advice: str = "", passes_signals: bool = False, quiet: bool = False
) -> Iterator[Ranks]:
    """The ranks, for the leader's part of a command.

    Followers do not enter the block: they `serve` the leader, and end with its exit code. `advice` is what to do after
    a rank has died; `passes_signals` says that the leader decides what to do when a signal asks a follower to stop.
    Raises `ConfigError` on the leader for a timeout that is out of range.
    """
    ranks, watchdog = _join(rank_timeout, advice, quiet)
    if not ranks.is_leader:
        raise typer.Exit(_follow(ranks, watchdog, serve, passes_signals))
    try:
        check_timeout(rank_timeout)
        yield ranks
    except BaseException as error:
        if not ranks.are_listening or ranks.waiting_since is not None:
            _fail(ranks, watchdog, error)
        ranks.dismiss(_exit_code(error))
        raise
    else:
        ranks.dismiss(0)
    finally:
        watchdog.close()


@contextmanager
def side_by_side(rank_timeout: float | None, advice: str = "", quiet: bool = False) -> Iterator[Ranks]:
    """The ranks, for a command that each of them runs: an error on one ends all, and what all find is said once."""
    ranks, watchdog = _join(rank_timeout, advice, quiet)
    try:
        check_timeout(rank_timeout)
        yield ranks
    except typer.Exit:
        raise
    except BaseException as error:
        if ranks.is_leader:  # what is wrong is printed first
            atexit.register(ranks.abort, _exit_code(error))
            raise
        time.sleep(LEADER_SECONDS)
        _fail(ranks, watchdog, error)
    finally:
        watchdog.close()


def _join(rank_timeout: float | None, advice: str, quiet: bool) -> tuple[Ranks, Watchdog]:
    """Joins the job, and watches it; with the default timeout, if the given one is out of range."""
    ranks = join()
    try:
        _handle_signals()
        cores.limit(cores_of_rank(ranks))
        silence = SILENCE
        with suppress(ConfigError):
            silence = check_timeout(rank_timeout)
        watchdog = Watchdog(ranks, print_error, silence, advice)
        ranks.signals, ranks.pass_on = watchdog.signals, partial(watchdog.say, STOP)
        for rank in watchdog.unwatched if ranks.is_leader and not quiet else ():
            notice(f"{ranks.name(rank)} has no connection to rank 0 apart from MPI: nobody will notice if it hangs")
    except BaseException as error:  # the others wait for this rank
        _fail(ranks, None, error)
    return ranks, watchdog


def _handle_signals() -> None:
    """Ends after SIGTERM with a little delay, where nothing else handles it, and takes SIGUSR1 for it.

    `mpiexec` passes SIGUSR1 on to all ranks, and does not end them itself as after SIGTERM.
    """
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end_late)
    number = getattr(signal, "SIGUSR1", None)
    if number is not None and signal.getsignal(number) == signal.SIG_DFL:
        signal.signal(number, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _end_late(number: int, frame: FrameType | None) -> None:
    """Ends this process by a signal, after the time for the last line of the watchdog."""
    time.sleep(LAST_SECONDS)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _follow(ranks: Ranks, watchdog: Watchdog, serve: Serve, passes_signals: bool) -> int:
    """Follows the leader to the end of the job; returns its exit code."""
    if ranks.rank in watchdog.unwatched:  # nobody would hear of the signal
        passes_signals = False
    for name in STOP_SIGNALS if passes_signals else ():
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), lambda number, frame: ranks.pass_on(number))
    try:
        serve(ranks)
    except DismissedError as end:
        return end.code
    except BaseException as error:
        _fail(ranks, watchdog, error)
    finally:
        watchdog.close()
    return 0


def _fail(ranks: Ranks, watchdog: Watchdog | None, error: BaseException) -> NoReturn:
    """Ends all ranks because of an error on this one, which it prints."""
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
    why = str(error) or type(error).__name__
    if isinstance(error, Exception) and not isinstance(error, CharRNNError):
        why = unexpected(error)
    if not isinstance(error, (KeyboardInterrupt, SystemExit)):
        print_error(f"{ranks.name(ranks.rank)}: {why}")
    if watchdog is not None:
        watchdog.close()
    ranks.abort(_exit_code(error))


def _exit_code(error: BaseException) -> int:
    """With which code a rank ends because of an error, or because it was interrupted."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    code = error.code if isinstance(error, SystemExit) else getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1
