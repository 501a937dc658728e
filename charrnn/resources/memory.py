"""The memory that this process may still allocate."""

import math
from contextlib import suppress
from pathlib import Path

import psutil

from charrnn.resources import control_groups

FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.high", "memory.current", "inactive_file"),  # above it, the system slows the process down
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""The files of a control group, of version 2 and 1, with a limit and what is used, and a name in its `memory.stat`.

It is that of cached files, which the system drops when memory is needed.
"""


def available(root: Path = control_groups.ROOT) -> int:
    """The bytes that are free on the machine or, if fewer, in the tightest control group of this process."""
    free = int(psutil.virtual_memory().available)
    return max(0, int(min([free, *map(_room, control_groups.folders("memory", root))])))


def _room(folder: Path) -> float:
    """The bytes that a control group may still take; infinite without a limit."""
    room = math.inf
    for limit, usage, cached in FILES:
        with suppress(OSError, ValueError):  # no such file, or no limit: "max"
            most, used = (int((folder / name).read_text()) for name in (limit, usage))
            with suppress(OSError, ValueError):
                statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                used -= int(statistics.get(cached, 0))
            room = min(room, most - used)
    return room
