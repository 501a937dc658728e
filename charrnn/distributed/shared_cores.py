"""The cores of a rank: what it may use of a host that it shares with other ranks."""

import math
import os
from collections import Counter

from charrnn.distributed.ranks import Ranks
from charrnn.resources.cores import available_cores


def cores_of_rank(ranks: Ranks) -> int:
    """The cores of each rank: as many as the rank with the fewest has, so that none is late.

    A launcher may bind a rank to cores of its own, or let all ranks of a host run on any: then they share these.
    """
    bound = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    of_ranks = ranks.collect(([*bound], available_cores()))
    return min(share(of_ranks, ranks.hosts, rank) for rank in range(ranks.size))


def share(of_ranks: list[tuple[list[int], int]], hosts: list[str], rank: int) -> int:
    """The cores of a rank, given those that each is bound to, and how many the system lets it use at a time."""
    on_host = [of_ranks[r] for r in range(len(hosts)) if hosts[r] == hosts[rank]]
    users = Counter(core for bound, _ in on_host for core in bound)
    bound, available = of_ranks[rank]
    cores = sum(1 / users[core] for core in bound)
    if available < len(bound):  # a control group has a smaller share of the time, which its ranks share too
        cores = min(cores, available / len(on_host))
    return max(1, math.floor(cores + 1e-9))
