"""Signals and pipes of other systems: Windows has Ctrl-Break, and another error for a pipe that nobody reads."""

import errno
import io
import signal
import sys
from pathlib import Path

import pytest

from charrnn import cli
from charrnn.cli.sample.samples import write_text
from charrnn.cli.terminal import console
from support.processes import SMALL, TEXT, charrnn, posix, read_until, started

BREAK = "import signal\nsignal.SIGBREAK = signal.SIGUSR1\n"
"""As on Windows, except for the number."""


@posix
@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_ctrl_break_saves_as_ctrl_c_does(name: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BREAK)
    (tmp_path / "corpus.txt").write_text(TEXT)
    args = ("train", "corpus.txt", *SMALL, "--steps", 10**6, "--eval-every", 20, "--out", "m.safetensors")
    with started(*args, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as process:
        read_until(process, "step 20/")
        number = getattr(signal, name)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.decode().splitlines()[-1].startswith("interrupted at step ")
    done = charrnn("train", "--resume", "m.safetensors", "--time", "1s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


class ClosedPipe(io.RawIOBase):
    """A pipe whose other end is closed, as it is on some system."""

    def __init__(self, error: int, filename: str | None = None) -> None:
        self.error = OSError(error, "no reader", filename) if filename else OSError(error, "no reader")

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise self.error

    def fileno(self) -> int:
        raise io.UnsupportedOperation

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("known", "error", "filename", "closed"),
    [
        ((errno.EPIPE,), errno.EPIPE, None, True),
        ((errno.EPIPE,), errno.EINVAL, None, False),
        ((errno.EPIPE, errno.EINVAL), errno.EINVAL, None, True),
        ((errno.EPIPE, errno.EINVAL), errno.EPIPE, None, True),
        ((errno.EPIPE, errno.EINVAL), errno.EINVAL, "a:b", False),
        ((errno.EPIPE, errno.EINVAL), errno.ENOSPC, None, False),
    ],
)
def test_a_closed_pipe_is_recognised_by_the_errors_of_its_system(
    known: tuple[int, ...], error: int, filename: str | None, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "CLOSED_PIPE", known)
    pipe = ClosedPipe(error, filename)
    assert console.is_closed_pipe(pipe.error) == closed

    class Stdout:
        buffer = pipe
        isatty = pipe.isatty

    monkeypatch.setattr(sys, "stdout", Stdout())
    if closed:
        assert write_text("a", ["b"], console.Output())
    else:
        with pytest.raises(OSError, match="no reader"):
            write_text("a", ["b"], console.Output())


@pytest.mark.parametrize(("error", "code"), [(errno.EPIPE, 0), (errno.EINVAL, 0), (errno.EIO, 1)])
def test_the_program_ends_silently_if_nobody_reads(
    error: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "CLOSED_PIPE", (errno.EPIPE, errno.EINVAL))

    class Program:
        def main(self, **_: object) -> None:
            raise ClosedPipe(error).error

    monkeypatch.setattr(cli, "program", Program)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert ("no reader" in capsys.readouterr().err) == bool(code)


def test_the_errors_are_those_of_this_system() -> None:
    assert errno.EPIPE in console.CLOSED_PIPE
    assert (errno.EINVAL in console.CLOSED_PIPE) == (sys.platform == "win32")


class Pipe(io.RawIOBase):
    """A pipe that keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        """Whether it takes bytes: always."""
        return True

    def write(self, chunk: object) -> int:
        """Keeps the bytes."""
        assert isinstance(chunk, (bytes, bytearray, memoryview))
        self.writes.append(bytes(chunk))
        return len(chunk)


@pytest.mark.parametrize("has_bars", [False, True])
def test_a_notice_is_written_at_once_so_that_other_processes_cannot_break_its_line(
    has_bars: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_bars:
        import tqdm

        monkeypatch.setitem(sys.modules, "tqdm", tqdm)
    else:
        monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    pipe = Pipe()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(pipe, write_through=True, newline="\n"))
    console.notice("rank 1 has died")
    assert [written for written in pipe.writes if written] == [b"rank 1 has died\n"]
