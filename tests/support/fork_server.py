"""A process that has imported charrnn and waits: a run of the program is a fork of it, so it need not import it again.

A run is a process of its own, with its own streams, folder, environment, clock and exit code. It differs from a new
process in what was settled before the fork: the modules that are loaded, and the seed of Python's hashes. If its
environment differs from the server's in what may be read by then, it is a new process.

    PYTHONPATH=tests python -m support.fork_server SOCKET

serves requests until its stdin is closed, and then removes the folder of the socket. A request is what `fork_client.py`
sends.
"""

import atexit
import gc
import json
import os
import pkgutil
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from threading import Thread, Timer

from support import fork_client

available = sys.platform.startswith("linux")
"""Elsewhere a fork of a process that has loaded NumPy may crash."""

READ_LATE = r"(_?CHARRNN|_TYPER|COMP|PYTEST)_.*|COLUMNS|LINES|TERM|NO_COLOR|FORCE_COLOR|PWD|OLDPWD|SHLVL|_"
"""The variables that nothing reads before the fork."""


class ForkServer:
    """The process, seen from the tests."""

    def __init__(self, environment: Mapping[str, str]):
        self.path = f"{tempfile.mkdtemp(prefix='fork-')}/socket"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}  # no terminals; the runs have their own
        line = [sys.executable, "-m", "support.fork_server", self.path]
        self._process = subprocess.Popen(line, cwd=Path(__file__).parents[1], env=dict(environment), **pipes)
        self._process.stdout.readline()  # it is ready

    def close(self) -> None:
        """Ends the process."""
        with self._process:
            self._process.stdin.close()

    def client(self) -> list[str]:
        """The beginning of a command line that runs the program as a fork of the process."""
        return [sys.executable, "-IS", fork_client.__file__, self.path]

    def run(
        self, args: list[str], cwd: Path, input: bytes, env: Mapping[str, str], timeout: float
    ) -> CompletedProcess[bytes]:
        """As `subprocess.run` with `capture_output`, for a run of the program with these arguments."""
        (stdin, send), (receive_out, stdout), (receive_err, stderr) = (os.pipe() for _ in range(3))
        out: list[bytes] = []
        err: list[bytes] = []
        threads = [Thread(target=_write, args=(send, input))]
        threads += [Thread(target=_read, args=pair) for pair in ((receive_out, out), (receive_err, err))]
        killed: list[int] = []

        def begun(pid: int) -> None:
            timer = Timer(timeout, lambda: [killed.append(pid), os.kill(pid, signal.SIGKILL)])
            threads.append(timer)
            for fd in (stdin, stdout, stderr):
                os.close(fd)
            for thread in threads:
                thread.start()

        code = fork_client.run(self.path, args, str(cwd), env, (stdin, stdout, stderr), begun)
        threads[-1].cancel()
        for thread in threads:
            thread.join()
        if killed:
            raise TimeoutExpired(args, timeout)
        return CompletedProcess(args, code, *out, *err)


def _write(fd: int, content: bytes) -> None:
    """Writes to a pipe and closes it; a reader that has ended does not matter."""
    with suppress(BrokenPipeError), open(fd, "wb") as file:
        file.write(content)


def _read(fd: int, found: list[bytes]) -> None:
    """Reads a pipe to its end."""
    with open(fd, "rb") as file:
        found.append(file.read())


# The process


def load_modules() -> None:
    """Imports what a run may import, as the program does: with one thread of BLAS."""
    import charrnn
    from charrnn.resources import blas

    blas.start_with_one()
    from charrnn import cli, engine
    from charrnn.errors import CharRNNError

    for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        if ".kernels" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    if find_spec("numba"):
        engine.load("numba")
    for name in (
        "matplotlib.figure",
        "matplotlib.backends.backend_svg",
        "jinja2",
        "regex",
        "tqdm",
        "safetensors.numpy",
    ):
        if find_spec(name.partition(".")[0]):
            import_module(name)
    for command in ("train", "sample"):  # a command line imports more when it is read
        with suppress(CharRNNError):
            cli.program().main([command, f"{os.devnull}/missing"], standalone_mode=False)


def serve(path: str, own: Mapping[str, str]) -> None:
    """Forks a run for each request, until stdin is closed. Returns in the runs, ready to begin.

    `own` is the environment in which this process was started.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for the runs
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print(flush=True)
        while listener in select.select([listener, 0], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    return begin(connection, own)
    shutil.rmtree(os.path.dirname(path))
    os._exit(0)


def begin(connection: socket.socket, own: Mapping[str, str]) -> None:
    """Forks a run and waits for it, to report its exit code. Returns in the run."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rw") as file:
        args, cwd, environment = json.loads(file.readline())
        child = os.fork()
        if child:
            for fd in (0, 1, 2, *streams):
                os.close(fd)
            file.write(f"{child}\n")
            file.flush()
            file.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
            file.flush()
            os._exit(0)
    connection.close()
    for n, fd in enumerate(streams):
        os.dup2(fd, n)
        os.close(fd)
    os.chdir(cwd)
    if any(not re.fullmatch(READ_LATE, name) for name, _ in environment.items() ^ own.items()):
        os.execve(sys.executable, [sys.executable, "-m", "charrnn", *args], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0], sys.argv[1:] = cwd, args
    for name, module in sys.modules.items():
        if name.startswith("charrnn.cli") and hasattr(module, "STARTED"):
            module.STARTED = time.monotonic()  # from here on, `--time` counts


def run() -> None:
    """Runs the program and ends the process as the interpreter does, but leaves the modules as they are.

    To take them down would take longer than most runs.
    """
    from charrnn.__main__ import main

    try:
        main()
    except SystemExit as end:
        exit_code.append(int(end.code or 0))
        raise


exit_code: list[int] = []

if __name__ == "__main__":
    atexit.register(lambda: os._exit(*exit_code or [1]))  # what is registered first is called last
    own = dict(os.environ)  # which some modules change
    load_modules()
    gc.freeze()
    serve(sys.argv[1], own)
    run()
