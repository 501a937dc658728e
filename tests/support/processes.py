"""Runs the program as its users do: as a process of its own, without the settings of the tests' environment."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

import pytest

import charrnn as package
from support import fork_server
from support.fork_server import ForkServer

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals, shells and devices")
"""Marks tests that need POSIX."""

OPENING = """It is a truth universally acknowledged, that a single man in possession of a good fortune,
must be in want of a wife. However little known the feelings or views of such a man may be on his first entering a
neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he is considered as the
rightful property of some one or other of their daughters.
"""
TEXT = OPENING * 4
"""A text of 1,516 characters, which is long enough to hold out a tenth of it."""
OPTIONS = {"hidden-size": 16, "layers": 1, "batch-size": 8, "seq-length": 16, "seed": 1, "engine": "numpy"}
SMALL = tuple(word for name, value in OPTIONS.items() for word in (f"--{name}", str(value)))
"""Options of a model that trains in a moment."""


PROGRAM = [sys.executable, "-m", "charrnn"]


def package_folder() -> Path | None:
    """The folder of the package that new processes import, wherever they start; None if they find none."""
    code = "import charrnn; print(charrnn.__path__[0])"
    found = subprocess.run([sys.executable, "-Pc", code], capture_output=True, text=True, check=False)
    return None if found.returncode else Path(found.stdout.strip()).resolve()


def require_package_of(checkout: Path) -> None:
    """Raises `UsageError` if the tests or the processes that they start use another copy than the checkout's."""
    source = checkout / "charrnn"
    for found in (Path(str(package.__file__)).resolve().parent, package_folder()):
        if found != source:
            how = f"in {checkout}, pip install -e '.[test,fast]'"
            raise pytest.UsageError(f"the tests would run {found or 'no charrnn'}, not {source}: {how}")


def command(*args: object) -> list[str]:
    """The command line of `charrnn` with these arguments."""
    return [*PROGRAM, *map(str, args)]


def unprivileged(*args: object) -> list[str]:
    """As `command`, but permissions bind root too; skips the test if that is not possible."""
    if os.geteuid() != 0:
        return command(*args)
    drop = "import ctypes; prctl = ctypes.CDLL(None).prctl; failed = prctl(24, 1, 0, 0, 0) or prctl(24, 2, 0, 0, 0)"
    if not sys.platform.startswith("linux") or subprocess.call([sys.executable, "-c", f"{drop}; exit(failed)"]):
        pytest.skip("root may read and write everything here")
    return [sys.executable, "-c", f"{drop}; import os, sys; os.execv(sys.argv[1], sys.argv[1:])", *command(*args)]


def after_script(script: str) -> Callable[..., list[str]]:
    """Makes command lines in which a shell runs a script before it runs `charrnn`."""
    return lambda *args: ["sh", "-c", f'{script} && exec "$@"', "sh", *command(*args)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests, without the variables that change the program's behaviour; and extra variables."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "PYTHONIOENCODING", "PYTHONUTF8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CHARRNN_") and k not in left_out}
    return kept | dict(extra or {})


@cache
def _server() -> ForkServer | None:
    """The process of which runs are forks, if it is available."""
    return ForkServer(environment()) if fork_server.available else None


def charrnn(
    *args: object,
    cwd: Path,
    input: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    command: Callable[..., list[str]] = command,
    new: bool = False,
) -> CompletedProcess[str]:
    """Runs `charrnn` to its end. Its output is decoded so that no byte is lost: see `raw`.

    The process is a fork of one that has imported everything, which saves most of the time; unless it should be `new`,
    for then its hashes have another seed, or its command line or its environment are not those of the tests.
    """
    given, env = input.encode() if isinstance(input, str) else input, environment(env)
    line = command(*args)
    if not new and line[:3] == PROGRAM and (server := _server()):
        done = server.run(line[3:], cwd, given, env, timeout)
    else:
        done = subprocess.run(line, cwd=cwd, input=given, env=env, timeout=timeout, capture_output=True, check=False)
    out, err = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
    return CompletedProcess(done.args, done.returncode, out, err)


def python(code: str, *args: object, **env: str) -> str:
    """The output of a Python process that runs the code."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=env.get("PYTHONPATH"),  # the first folder in which modules are searched
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def raw(text: str) -> bytes:
    """The bytes of output that the function `charrnn` decoded."""
    return text.encode("utf-8", "surrogateescape")


@contextmanager
def started(
    *args: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdout: int = PIPE,
    command: Callable[..., list[str]] = command,
) -> Iterator[Popen[bytes]]:
    """A running `charrnn`, with pipes for its streams; it is killed at the end of the block."""
    pipes = {"stdin": PIPE, "stdout": stdout, "stderr": PIPE}
    # Unbuffered: `communicate` does not return text that a buffer has read ahead
    with Popen(command(*args), cwd=cwd, env=environment(env), bufsize=0, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "Popen[bytes]", word: str) -> str:
    """Reads the process's stderr up to a line that contains the word; returns that line."""
    for line in process.stderr:
        if word in line.decode():
            return line.decode()
    raise AssertionError(f"it ended without {word!r}")


def error_line(done: CompletedProcess[str], *codes: int) -> str:
    """The one line of a failed process, which says why; it ended with one of these codes and wrote nothing else."""
    assert done.returncode in codes, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("charrnn: ")
    return line


def train_model(folder: Path, text: str | bytes = TEXT, *options: object, steps: int = 30) -> Path:
    """Trains a small model a little on a text; returns its file, `model.safetensors` in the folder."""
    corpus = folder / "corpus.txt"
    corpus.write_bytes(text.encode() if isinstance(text, str) else text)
    done = charrnn(
        "train", corpus, *SMALL, "--steps", steps, "--out", "model.safetensors", "--quiet", *options, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "model.safetensors"
