"""The processor cores that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

from charrnn.resources import control_groups

FILES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""The files of a control group, of version 2 and 1, with the CPU time that it has in each period, and the period."""


_most = math.inf
"""The cores that this process leaves itself: see `limit`."""


def limit(n: int) -> None:
    """From now on this process uses at most n cores: it shares them with others that do the same work."""
    global _most
    _most = n


def available_cores(root: Path = control_groups.ROOT) -> int:
    """The cores that the scheduler allows this process, or fewer if a control group has a smaller share of CPU time.

    Never more than its `limit`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = map(share, control_groups.folders("cpu", root))
    return max(1, math.ceil(min([cores, _most, *shares])))


def share(folder: Path) -> float:
    """The cores whose time a control group has; infinite without a limit."""
    for names in FILES:
        with suppress(OSError, ValueError):  # no such file, or no limit: "max"; -1 in version 1
            quota, period = map(int, " ".join((folder / name).read_text() for name in names).split())
            if quota > 0 and period > 0:
                return quota / period
    return math.inf
