"""The machine: what computes a run, this process or all ranks of a job, and how fast it is."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from charrnn import engine as engines
from charrnn.config import ModelConfig, TrainingConfig
from charrnn.distributed.exchange import Exchange
from charrnn.distributed.ranks import Ranks
from charrnn.model.forms import network_for
from charrnn.training.averaging import MAX_SHARE
from charrnn.training.throughput import measure_throughput

EXCHANGES = 5
"""The exchanges that are measured, after a first one that may open connections."""

Request = tuple[str, str, int, ModelConfig, int, int, TrainingConfig | None]
"""The arguments of `Machine.throughput`."""


@dataclass(frozen=True)
class Machine:
    """This process, or all ranks of a job, each of which computes an equal part."""

    ranks: Ranks | None = None
    exchange: str = "float32"
    """The format of the gradients that the ranks exchange."""
    sync_every: int = 0
    """The steps between averages of their weights; 0: they exchange gradients at each."""
    sync_grows: bool = False
    """Whether these steps become more as long as the averages take more than `MAX_SHARE` of the time."""

    @classmethod
    def of(cls, ranks: Ranks | None, options: Mapping[str, Any]) -> Self:
        """The machine of a run with these options."""
        names = ("exchange", "sync_every", "sync_grows")
        return cls(ranks, **{name: options[name] for name in names if name in options})

    @property
    def size(self) -> int:
        """The number of processes."""
        return 1 if self.ranks is None else self.ranks.size

    def throughput(
        self,
        engine: str,
        precision: str,
        threads: int,
        model: ModelConfig,
        B: int,
        T: int,
        config: TrainingConfig | None = None,
    ) -> float:
        """The characters per second that all ranks together learn from, with B rows of T in each of their threads.

        It is `measure_throughput` on all ranks at once, with the exchange that each step has on average; the slowest
        rank counts.
        """
        if self.ranks is None:
            return measure_throughput(engines.load(engine, precision), threads, model, B, T, config)
        request = engine, precision, threads, model, B, T, config
        options = {"exchange": self.exchange, "sync_every": self.sync_every, "sync_grows": self.sync_grows}
        with self.ranks.busy():
            self.ranks.tell("measure", options, request)
            return self.measure(request)

    def measure(self, request: Request) -> float:
        """What a rank does for `throughput`, whose arguments it gets; the result is the same on all of them."""
        assert self.ranks is not None
        engine, precision, threads, model, B, T, config = request
        own = measure_throughput(engines.load(engine, precision), threads, model, B, T, config)
        slowest, chars = min(self.ranks.collect(own)), threads * B * T
        shapes = network_for(model, engines.load("numpy")).param_shapes
        exchange, took = Exchange(self.ranks, shapes, self.exchange), []
        grads = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        for _ in range(1 + EXCHANGES):
            began = time.perf_counter()
            exchange(0.0, grads)
            took.append(time.perf_counter() - began)
        longest = max(self.ranks.collect(statistics.median(took[1:]))) / max(1, self.sync_every)
        step = chars / slowest
        if self.sync_grows:
            longest = min(longest, MAX_SHARE / (1 - MAX_SHARE) * step)
        return float(self.ranks.size * chars / (step + longest))
