"""The terminal: what a command shows on one, which pipes and files can't stand in for."""

import os
import struct
import subprocess
from collections.abc import Mapping
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


def notices_on_a_terminal(*args: object, cwd: Path, env: Mapping[str, str], columns: int = 100) -> str:
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
