"""The rank report: how long each rank of a distributed run has computed, exchanged, and waited for others."""

from dataclasses import dataclass
from typing import Any

SLOW = 0.1
"""The share of the time that others wait for a rank from which on it is worth a notice."""


@dataclass(frozen=True)
class RankReport:
    """The seconds of all ranks in the steps so far, except the first, which may compile."""

    computing: tuple[float, ...]
    """On the gradients of their own rows, and on updates. [R]"""
    exchanging: tuple[float, ...]
    """From when a rank had its gradients to when it had the sums of all. [R]

    The last rank to come waits for nobody: its time is that of the exchange alone.
    """

    @property
    def seconds(self) -> float:
        """The seconds of all steps: a mean, since the ranks differ only by what they measure."""
        return max((sum(self.computing) + sum(self.exchanging)) / len(self.computing), 1e-9)

    @property
    def waiting(self) -> list[float]:
        """The share of the time that each rank waits for slower ones. [R]"""
        return [(seconds - min(self.exchanging)) / self.seconds for seconds in self.exchanging]

    @property
    def exchange_share(self) -> float:
        """The share of the time that the exchange takes."""
        return min(self.exchanging) / self.seconds

    @property
    def efficiency(self) -> float:
        """The share of the time in which the ranks compute: the rest is the exchange, and waiting for slower ranks."""
        return sum(self.computing) / len(self.computing) / self.seconds

    @property
    def slow_rank(self) -> int | None:
        """The rank that the others wait for, if they do for more than `SLOW` of the time."""
        waiting = self.waiting
        return waiting.index(min(waiting)) if max(waiting) > SLOW else None

    def to_json(self) -> dict[str, Any]:
        """What the results of a run say about its ranks."""
        return {
            "ranks": len(self.computing),
            "exchange_share": round(self.exchange_share, 4),
            "efficiency": round(self.efficiency, 4),
        }
