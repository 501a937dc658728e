"""The service: the models, the threads that draw and read, and what is counted; what all answers share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from charrnn.server.errors import overloaded
from charrnn.server.job import Job, Part
from charrnn.server.metrics import Metrics
from charrnn.server.models import Models
from charrnn.server.options import ServerOptions
from charrnn.server.scheduler import Scheduler

MAX_SCORING = 64
"""The most requests for scores and labels that wait for each other."""
Result = TypeVar("Result")


class Service:
    """What a server has while it runs."""

    def __init__(self, models: Models, options: ServerOptions, is_local: bool = False):
        self.models, self.options = models, options
        self.is_local = is_local
        """Whether only this machine reaches the server, so that requests have to name it as their host."""
        self.metrics = Metrics()
        self.loop: asyncio.AbstractEventLoop
        self.scheduler: Scheduler
        self.reader, self.scorer = ThreadPoolExecutor(1, "charrnn reader"), ThreadPoolExecutor(1, "charrnn scorer")
        self.scoring = 0
        self.active = 0
        """The requests that are being answered."""
        self.is_draining = False

    def start(self) -> None:
        """Begins to draw; in the loop of the server."""
        self.loop = asyncio.get_running_loop()
        self.scheduler = Scheduler(self._deliver, self.options.batch_size, self.options.queue)

    def close(self) -> None:
        """Ends the threads."""
        self.scheduler.close()
        self.models.close()
        for executor in (self.reader, self.scorer):
            executor.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, parts: list[tuple[Job, Part]]) -> None:
        self.loop.call_soon_threadsafe(_hand_over, parts)

    async def read(self, function: Callable[..., Result], *args: Any) -> Result:
        """The result of a function that takes no time to speak of, which another thread computes."""
        return await self.loop.run_in_executor(self.reader, function, *args)

    async def score(self, function: Callable[[], Result]) -> Result:
        """The result of a function that may take long. Raises `ApiError` if too many wait for theirs."""
        if self.scoring >= MAX_SCORING:
            raise overloaded(f"{MAX_SCORING} requests for scores and labels wait already: try later")
        self.scoring += 1
        try:
            return await self.loop.run_in_executor(self.scorer, function)
        finally:
            self.scoring -= 1


def _hand_over(parts: list[tuple[Job, Part]]) -> None:
    for job, part in parts:
        job.hand_over(part)
