"""The scheduler: the texts of all requests that wait, and the lanes that draw them, one for each core."""

import math
import threading
from collections import deque
from collections.abc import Sequence

from charrnn.engine import available_cores
from charrnn.engine.threads import row_shards
from charrnn.model.model import Model
from charrnn.server.errors import overloaded
from charrnn.server.job import Job
from charrnn.server.lane import Deliver, Lane

MIN_LANE = 8
"""The fewest texts for which a lane of their own pays."""


class Scheduler:
    """Takes jobs from any thread; `deliver` is called in those of the lanes, with parts of several texts at once."""

    def __init__(self, deliver: Deliver, batch_size: int, max_queue: int, threads: int | None = None):
        """`batch_size` is the most texts that are drawn with one model; `threads` the most lanes, else the cores."""
        self.batch_size, self.max_queue = batch_size, max_queue
        self.queue: deque[Job] = deque()
        self.wake = threading.Condition()
        self.closed = False
        shares = row_shards(batch_size, max(1, min(threads or available_cores(), batch_size // MIN_LANE)))
        self.lanes: list[Lane] = []
        self.lanes += [Lane(self.lanes, self._claim, deliver, share.stop - share.start) for share in shares]
        self.threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"charrnn lane {n}", daemon=True)
            for n, lane in enumerate(self.lanes)
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Takes jobs. Raises `ApiError` if too many wait."""
        with self.wake:
            waiting, free = self.waiting, max(0, self.batch_size - self.drawn)
            if waiting + len(jobs) > self.max_queue + free:
                raise overloaded(f"{waiting:,} texts wait already, and at most {self.max_queue:,} can: try later")
            self.queue.extend(jobs)
            self.wake.notify_all()

    @property
    def drawn(self) -> int:
        """The texts that are being drawn."""
        return sum(lane.drawn for lane in self.lanes)

    @property
    def waiting(self) -> int:
        """The texts that wait, or whose primes are being read."""
        return len(self.queue) + sum(len(lane.reading) for lane in self.lanes)

    def close(self) -> None:
        """Ends the lanes after their present draws."""
        with self.wake:
            self.closed = True
            self.wake.notify_all()
        for thread in self.threads:
            thread.join()

    def _run(self, lane: Lane) -> None:
        """Draws in a lane until the end."""
        while True:
            with self.wake:
                while not self.queue and lane.is_idle and not self.closed:
                    self.wake.wait()
                if self.closed:
                    return
            try:
                lane.turn()
            except Exception as error:  # of memory, say: other texts can still be drawn
                lane.fail(error)

    def _claim(self, lane: Lane) -> None:
        """Gives a lane the waiting texts that it should draw, in the order in which they came."""
        if not self.queue:
            return
        with self.wake:
            waiting = [job for job in self.queue if not job.cancelled]
            places = {
                id(model): self._places(lane, model, sum(job.model is model for job in waiting))
                for model in {id(job.model): job.model for job in waiting}.values()
            }
            claimed, left = list[Job](), deque[Job]()
            for job in waiting:
                places[id(job.model)] -= 1
                (claimed if places[id(job.model)] >= 0 else left).append(job)
            self.queue, lane.reading = left, [*lane.reading, *claimed]

    def _places(self, lane: Lane, model: Model, waiting: int) -> int:
        """How many of the waiting texts of a model a lane should draw: all lanes have equally many then."""
        texts = sum(each.texts_of(model) for each in self.lanes) + waiting
        return min(lane.size, math.ceil(texts / len(self.lanes))) - lane.texts_of(model)
