"""Asks a fork server for a run of `charrnn`, with the streams, the folder and the environment of the one who asks.

    python -IS tests/support/fork_client.py SOCKET ARGUMENTS

is such a run. It starts at once, since it imports next to nothing.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence


def run(
    path: str,
    args: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    streams: Sequence[int],
    begun: Callable[[int], object] = lambda pid: None,
) -> int:
    """Runs `charrnn` to its end; returns its exit code. `begun` gets the process's id."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as file:
        connection.connect(path)
        socket.send_fds(connection, [b"\n"], streams)
        file.write(json.dumps([args, cwd, dict(env)]) + "\n")
        file.flush()
        begun(int(file.readline()))
        return int(file.readline())


if __name__ == "__main__":
    code = run(sys.argv[1], sys.argv[2:], os.getcwd(), os.environ, (0, 1, 2))
    sys.exit(code if code >= 0 else 128 - code)
