"""A process that has imported charrnn and waits: a run of the program is a fork of it, so it need not import it again.

A run is a process of its own, with its own streams, folder, environment and exit code. It differs from a new process in
what was settled before the fork: the modules that are loaded, and the seed of Python's hashes.

    python tests/support/fork_server.py FD

serves requests from the socket FD. A request is a byte, with a socket and the standard streams of the run. The socket
brings the arguments, the folder and the environment as JSON, and takes the exit code.
"""

import atexit
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread

available = sys.platform.startswith("linux")
"""Elsewhere a fork of a process that has loaded NumPy may crash."""

READ_LATE = ("CHARRNN_", "_CHARRNN_", "_TYPER_", "COMP_", "PYTEST_", "COLUMNS", "LINES")
"""The beginnings of variables that nothing reads before the fork."""


class ForkServer:
    """The process, seen from the tests."""

    def __init__(self, environment: Mapping[str, str]):
        self.environment = dict(environment)
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=self.environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # not a terminal, as for a run, whose streams take the place of these
                stdout=subprocess.PIPE,
            )

    def can_run_in(self, environment: Mapping[str, str]) -> bool:
        """Whether a run in an environment may be a fork of the process, which has its own."""
        differing = dict(environment.items() ^ self.environment.items())
        return all(name.startswith(READ_LATE) for name in differing)

    def run(
        self, args: list[str], cwd: Path, input: bytes, env: Mapping[str, str], timeout: float
    ) -> CompletedProcess[bytes]:
        """As `subprocess.run` with `capture_output`, for a run of the program with these arguments."""
        ours, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        (stdin, send), (receive_out, stdout), (receive_err, stderr) = pipes
        socket.send_fds(self.control, [b"r"], [theirs.fileno(), stdin, stdout, stderr])
        theirs.close()
        for fd in (stdin, stdout, stderr):
            os.close(fd)
        found: dict[int, bytes] = {}
        threads = [Thread(target=_write, args=(send, input))]
        threads += [Thread(target=_read, args=(fd, found)) for fd in (receive_out, receive_err)]
        for thread in threads:
            thread.start()
        ours.settimeout(timeout)
        with ours, ours.makefile("rw") as channel:
            json.dump([args, str(cwd), dict(env)], channel)
            channel.write("\n")
            channel.flush()
            pid = int(channel.readline())
            try:
                code = int(channel.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(args, timeout) from None
            finally:
                for thread in threads:
                    thread.join()
        return CompletedProcess(args, code, found[receive_out], found[receive_err])


def _write(fd: int, content: bytes) -> None:
    """Writes to a pipe and closes it; a reader that has ended does not matter."""
    with suppress(BrokenPipeError), open(fd, "wb") as file:
        file.write(content)


def _read(fd: int, found: dict[int, bytes]) -> None:
    """Reads a pipe to its end."""
    with open(fd, "rb") as file:
        found[fd] = file.read()


def load_modules() -> None:
    """Imports what a run may import."""
    import charrnn
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


def serve(control: socket.socket) -> None:
    """Forks a run for each request, up to the end of the tests. Returns in the runs too, ready to begin."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for the runs
    while True:
        request, fds, *_ = socket.recv_fds(control, 1, 4)
        if not request:
            sys.exit()
        if os.fork() == 0:
            control.close()
            return begin(*fds)
        for fd in fds:
            os.close(fd)


def begin(channel: int, *streams: int) -> None:
    """Forks a run and waits for it, to report its exit code. Returns in the run."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=channel) as connection, connection.makefile("rw") as file:
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
    for n, fd in enumerate(streams):
        os.dup2(fd, n)
        os.close(fd)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0], sys.argv[1:] = cwd, args


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
    load_modules()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    run()
