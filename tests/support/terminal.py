"""The terminal: what a command shows on one, which pipes and files can't stand in for."""

import os
import select
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

from support.processes import command, environment


def on_a_terminal(*args: object, cwd: Path, env: Mapping[str, str], given: bytes | None = None) -> tuple[str, str]:
    """What a command shows on a terminal, and its stderr; it has to succeed."""
    import pty  # which Windows lacks

    terminal, program = pty.openpty()
    done = subprocess.run(
        command(*args), cwd=cwd, env=environment(dict(env)), input=given, stdout=program, stderr=PIPE, timeout=60
    )
    os.close(program)
    shown = _read(terminal)
    assert done.returncode == 0, done.stderr
    return shown, done.stderr.decode()


def notices_on_a_terminal(
    *args: object,
    cwd: Path,
    env: Mapping[str, str],
    columns: int = 100,
    command: Callable[..., list[str]] = command,
) -> str:
    """What a command shows on stderr, progress bars too, if that is a terminal of this width; it has to succeed."""
    import fcntl
    import pty
    import termios

    terminal, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24 * bool(columns), columns, 0, 0))
    env = environment({"TERM": "xterm"} | dict(env))
    with subprocess.Popen(command(*args), cwd=cwd, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=program) as process:
        os.close(program)
        shown = _read(terminal)
    assert process.returncode == 0, shown
    return shown


def _read(terminal: int) -> str:
    """Reads a terminal to its end."""
    shown = b""
    try:
        while part := os.read(terminal, 1 << 16):
            shown += part
    except OSError:  # the end of a terminal on Linux
        pass
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


class TypedSession:
    """A command that runs on a terminal of its own, at which one types."""

    def __init__(self, process: "subprocess.Popen[bytes]", terminal: int):
        self.process, self.terminal = process, terminal
        self.shown = ""
        """Everything that was shown."""
        self.read = 0
        """The characters of it that were waited for."""

    def wait_for(self, text: str, timeout: float = 120) -> str:
        """Waits until a text is shown after what was waited for before; returns what is between them."""
        end = time.monotonic() + timeout
        while text not in self.shown[self.read :]:
            is_alive = self._receive(1)
            assert is_alive, f"it ended without {text!r}: {self.shown[self.read :]!r}"
            assert time.monotonic() < end, f"no {text!r} in {self.shown[self.read :]!r}"
        found = self.shown.index(text, self.read)
        between, self.read = self.shown[self.read : found], found + len(text)
        return between

    def type(self, text: str | bytes) -> None:
        """Types a text as it is, or the bytes that a terminal sends: `\\r` is Enter, `\\x04` Ctrl-D."""
        os.write(self.terminal, text if isinstance(text, bytes) else text.encode())

    def interrupt(self) -> None:
        """Types Ctrl-C, a moment after what was shown: a signal that comes between the prompt and the wait for a line
        is kept by Python until the next key.
        """
        time.sleep(0.5)
        self.type("\x03")

    def wait_for_more(self, n: int) -> None:
        """Waits until so many characters are shown after what was waited for before."""
        while len(self.shown) - self.read < n:
            assert self._receive(120)

    def end(self) -> int:
        """Waits for the end; returns the exit code."""
        while self._receive(60):
            pass
        return self.process.wait(60)

    def _receive(self, timeout: float) -> bool:
        """Reads what is shown; False at the end of the command."""
        if not select.select([self.terminal], [], [], timeout)[0]:
            return True
        try:
            part = os.read(self.terminal, 1 << 16)
        except OSError:  # the end of a terminal on Linux
            return False
        self.shown += part.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(part)


@contextmanager
def at_a_terminal(*args: object, cwd: Path, env: Mapping[str, str]) -> Iterator[TypedSession]:
    """A command on a terminal of its own, which passes Ctrl-C on as a signal; it is killed at the end of the block."""
    import fcntl
    import pty
    import termios

    terminal, program = pty.openpty()
    process = subprocess.Popen(
        command(*args),
        cwd=cwd,
        env=environment({"TERM": "dumb", "INPUTRC": os.devnull, **env}),
        stdin=program,
        stdout=program,
        stderr=program,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(program)
    try:
        yield TypedSession(process, terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
