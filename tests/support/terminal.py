"""The terminal: what a command shows on one, which pipes and files can't stand in for."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE

from support.processes import command, environment


def on_a_terminal(*args: object, cwd: Path, env: Mapping[str, str], given: bytes | None = None) -> tuple[str, str]:
    """What a command shows on a terminal, and its stderr; it has to succeed."""
    import pty  # which Windows lacks

    terminal, program = pty.openpty()
    done = subprocess.run(
        command(*args), cwd=cwd, env=environment(dict(env)), input=given, stdout=program, stderr=PIPE, timeout=60
    )
    os.close(program)
    shown = b""
    try:
        while part := os.read(terminal, 1 << 16):
            shown += part
    except OSError:  # the end of a terminal on Linux
        pass
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    return shown.decode().replace("\r\n", "\n"), done.stderr.decode()
