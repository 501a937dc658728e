"""What each rank of `tests/bench/distributed.py --hosts` runs to measure exchanges: sums of arrays, and nothing else.

    mpiexec … python tests/bench/hosts/exchanges.py 65536 1048576

Rank 0 prints a JSON object: the seconds for each number of float32 values, the median of some exchanges.
"""

import json
import statistics
import sys
import time

import numpy as np

from charrnn.distributed.exchange import Exchange
from charrnn.distributed.ranks import Ranks, join

EXCHANGES = 5
"""The exchanges that are measured, after a first one that opens connections."""


def seconds(ranks: Ranks, n: int) -> float:
    """The seconds of an exchange of n values, from when all ranks have come to when the last of them has the sums."""
    exchange, took = Exchange(ranks, {"w": (n,)}, "float32"), []
    grads = {"w": np.ones(n, np.float32)}
    for _ in range(1 + EXCHANGES):
        ranks.collect(None)
        began = time.perf_counter()
        exchange(0.0, grads)
        took.append(max(ranks.collect(time.perf_counter() - began)))
    return statistics.median(took[1:])


def main() -> None:
    """Measures all numbers of values on the command line."""
    ranks = join()
    found = {n: seconds(ranks, int(n)) for n in sys.argv[1:]}
    if ranks.is_leader:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
