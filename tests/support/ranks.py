"""Jobs of several ranks for tests: `charrnn` under `mpiexec`, with processes that a test can stop and kill."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any

import psutil
import pytest

from charrnn.optional import is_installed
from charrnn.types import Array
from support.processes import command, environment

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or not is_installed("mpi4py") or os.name != "posix", reason="needs mpi4py and mpiexec"
)
"""Marks tests that start several ranks."""
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "self,sm,tcp",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
"""Lets Open MPI run as root in a container, with more ranks than cores."""


def mpiexec(n: int, line: list[str]) -> list[str]:
    """The command that starts n ranks of a command."""
    return [str(MPIEXEC), "-n", str(n), *line]


def run_ranks(n: int, *args: object, cwd: Path, timeout: float = 60) -> CompletedProcess[str]:
    """Runs `charrnn` on n ranks, to its end."""
    return run_line(mpiexec(n, command(*args)), cwd, timeout)


def run_line(line: list[str], cwd: Path, timeout: float = 60) -> CompletedProcess[str]:
    """Runs a command that starts ranks, to its end."""
    env = environment(ENVIRONMENT)
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout)


@contextmanager
def running(n: int, *args: object, cwd: Path) -> Iterator["Job"]:
    """A job of n ranks of `charrnn`, which is killed at the end of the block if it has not ended."""
    env = environment(ENVIRONMENT)
    with Popen(mpiexec(n, command(*args)), cwd=cwd, env=env, stdout=PIPE, stderr=PIPE, text=True) as process:
        job = Job(process)
        try:
            yield job
        finally:
            for each in job.processes():
                each.kill()
            process.kill()


class Job:
    """A running job."""

    def __init__(self, process: "Popen[str]"):
        self.process = process
        self.err: list[str] = []

    def wait_for(self, is_expected: Callable[[str], bool]) -> None:
        """Reads stderr up to an expected line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.err.append(line)
            if is_expected(line):
                return
        pytest.fail(f"the job ended:\n{''.join(self.err)}")

    def processes(self) -> list[psutil.Process]:
        """The processes of the ranks, by their rank."""
        found = {}
        with_children = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        for each in with_children:
            try:
                if (rank := each.environ().get("OMPI_COMM_WORLD_RANK")) is not None:
                    found.setdefault(int(rank), each)  # a process that a rank has started comes after it
            except psutil.Error:
                continue
        return [found[rank] for rank in sorted(found)]

    def end(self, timeout: float) -> tuple[int, float, str]:
        """The exit code, the seconds that it took to end, and all of stderr. Fails after the timeout."""
        began = time.monotonic()
        try:
            _, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the job goes on after {timeout:.0f} s:\n{''.join(self.err)}")
        return self.process.returncode, time.monotonic() - began, "".join((*self.err, err))


class Mirror:
    """A communicator of two ranks in one process, where rank 1 says and does whatever rank 0 does."""

    rank, size = 0, 2

    def __init__(self) -> None:
        self.told: list[Any] = []
        """What was broadcast."""
        self.awaited: list[Array] = []
        """Where messages of rank 1 go."""

    def bcast(self, value: Any) -> Any:
        """What all ranks have."""
        self.told.append(value)
        return value

    def Bcast(self, buffer: Array) -> None:
        """What all ranks have."""

    def allgather(self, value: Any) -> list[Any]:
        """What both ranks have."""
        return [value, value]

    gather = allgather

    def scatter(self, shares: Sequence[Any]) -> Any:
        """What rank 0 gets."""
        return shares[0]

    def Irecv(self, message: Array, rank: int) -> "Mirror":
        """Rank 1 will send what rank 0 sends, so that it comes with `Isend`."""
        self.awaited.append(message)
        return self

    def Isend(self, message: Array, rank: int) -> "Mirror":
        """Sends something to rank 1."""
        self.awaited.pop(0)[:] = message
        return self

    def Iallgather(self, own: Array, found: Array) -> "Mirror":
        """Each rank gets what both send."""
        found[:] = own
        return self

    def Test(self) -> bool:
        """Whether it has arrived: always."""
        return True

    def Wait(self) -> None:
        """Waits for nothing."""
