"""The processor cores that this process may use."""

import math
import os
from pathlib import Path


def available_cores() -> int:
    """The cores that the scheduler allows this process, or fewer if its container has a smaller share of CPU time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or no limit: "max"
        return cores
