"""The scheduler: a thread that draws the texts of all requests, those of one model side by side.

Between two draws finished texts leave the batch and waiting ones join it. A draw takes `DRAW_SECONDS`, and the first
one after texts have joined only `FIRST_DRAW_SECONDS`, so that nobody waits long for a first character. Primes are read
in parts between draws.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

import numpy as np

from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.sampling.live_batch import LiveBatch, PrimeReader
from charrnn.server.errors import overloaded
from charrnn.server.job import Job, Part, failed

DRAW_SECONDS, FIRST_DRAW_SECONDS = 0.02, 0.003
READ_SECONDS = 0.01
"""How long primes are read between two draws."""
READ_CHARS = 256
"""The characters of a prime that are read at once."""
MAX_DRAW = 64
"""The most characters of each text that are drawn at once."""
MAX_STATES = 64
"""The primes whose states are kept, of each model, for requests that begin alike."""
MAX_IDLE = 4
"""The models whose packed weights are kept while no text is drawn with them."""

Deliver = Callable[[list[tuple[Job, Part]]], None]


class ModelBatch:
    """The texts that are drawn with one model, and the states of the primes that came last."""

    def __init__(self, model: Model, threads: int | None):
        self.model, self.batch = model, LiveBatch(model, threads)
        self.jobs: list[Job] = []
        self.states: OrderedDict[bytes, PrimeReader] = OrderedDict()
        self.seconds_per_step = 0.0

    def read(self, job: Job, until: float) -> bool:
        """Reads some of a job's prime, up to a time; whether it is read to its end, perhaps by another text before."""
        key = job.prime.tobytes()
        if known := self.states.pop(key, None):
            job.reader = known
        else:
            job.reader = job.reader or PrimeReader(self.model, job.prime)
            while job.reader.left and time.perf_counter() < until:
                job.reader.advance(READ_CHARS)
            if job.reader.left:
                return False
        self.states[key] = job.reader
        if len(self.states) > MAX_STATES:
            self.states.popitem(last=False)
        return True

    def change(self, joining: Sequence[Job]) -> None:
        """Lets go of the texts that are finished or cancelled, and takes others."""
        leaving = {row for row, job in enumerate(self.jobs) if job.cancelled or job.text.ended}
        states = [job.begin() for job in joining]
        self.batch.change(leaving, states, [job.request.config for job in joining])
        self.jobs = [*(job for row, job in enumerate(self.jobs) if row not in leaving), *joining]

    def draw(self, seconds: float) -> list[tuple[Job, Part]]:
        """Draws for about so long; returns what is to be handed over."""
        most = max(job.request.max_length - job.text.chars for job in self.jobs)
        N = int(seconds / self.seconds_per_step) if self.seconds_per_step else 1
        N = max(1, min(N, MAX_DRAW, most))
        began = time.perf_counter()
        ids, logps = self.batch.draw(N)
        taken = (time.perf_counter() - began) / N
        self.seconds_per_step = taken if not self.seconds_per_step else 0.7 * self.seconds_per_step + 0.3 * taken
        parts = []
        for row, job in enumerate(self.jobs):
            if not np.isfinite(logps[:, row]).all():
                raise CheckpointError("the model's predictions are NaN or infinite: its weights are too large")
            if not job.cancelled:
                job.add(ids[:, row], logps[:, row])
                if (part := job.part()) is not None:
                    parts.append((job, part))
        return parts


class Scheduler:
    """Takes jobs from any thread; `deliver` is called in the scheduler's own, with parts of several texts at once."""

    def __init__(self, deliver: Deliver, batch_size: int, max_queue: int, threads: int | None = None):
        self.deliver, self.batch_size, self.max_queue, self.threads = deliver, batch_size, max_queue, threads
        self.queue: deque[Job] = deque()
        self.batches: dict[int, ModelBatch] = {}
        """By the `id` of their models, those that were used last at the end."""
        self.wake = threading.Condition()
        self.closed = False
        self.thread = threading.Thread(target=self._run, name="charrnn scheduler", daemon=True)
        self.thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Takes jobs. Raises `ApiError` if too many wait."""
        with self.wake:
            free = max(0, self.batch_size - self.drawn)
            if len(self.queue) + len(jobs) > self.max_queue + free:
                raise overloaded(
                    f"{len(self.queue):,} texts wait already, and at most {self.max_queue:,} can: try later"
                )
            self.queue.extend(jobs)
            self.wake.notify()

    @property
    def drawn(self) -> int:
        """The texts that are being drawn."""
        return sum(len(batch.jobs) for batch in [*self.batches.values()])

    @property
    def waiting(self) -> int:
        """The texts that wait, or whose primes are being read."""
        return len(self.queue)

    def close(self) -> None:
        """Ends the thread after its present draw."""
        with self.wake:
            self.closed = True
            self.wake.notify()
        self.thread.join()

    def _run(self) -> None:
        while True:
            with self.wake:
                while not self.queue and not self.drawn and not self.closed:
                    self.wake.wait()
                if self.closed:
                    return
            joining = self._read_primes()
            parts = []
            for batch in [*self.batches.values()]:
                parts += self._advance(batch, joining.get(id(batch.model), []))
            if parts:
                self.deliver(parts)
            self._forget_idle()

    def _read_primes(self) -> dict[int, list[Job]]:
        """Reads primes of waiting texts for a while; returns the texts that can join, by the `id` of their models.

        The shortest are read first, so that a book does not keep others waiting.
        """
        until, joining = time.perf_counter() + READ_SECONDS, dict[int, list[Job]]()
        with self.wake:
            waiting = [job for job in self.queue if not job.cancelled]
        done = set[int]()
        for job in sorted(waiting, key=lambda job: job.left):
            batch, ready = self._batch(job.model), joining.setdefault(id(job.model), [])
            active = sum(not (other.cancelled or other.text.ended) for other in batch.jobs)
            if active + len(ready) >= self.batch_size:
                continue
            try:
                if not batch.read(job, until):
                    break
                ready.append(job)
            except Exception as error:
                self.deliver([(job, failed(error))])
            done.add(id(job))
        with self.wake:
            self.queue = deque(job for job in self.queue if id(job) not in done and not job.cancelled)
        return joining

    def _batch(self, model: Model) -> ModelBatch:
        batch = self.batches.pop(id(model), None) or ModelBatch(model, self.threads)
        self.batches[id(model)] = batch
        return batch

    def _advance(self, batch: ModelBatch, joining: list[Job]) -> list[tuple[Job, Part]]:
        """Draws with one model, after texts have left and joined; returns what is to be handed over."""
        try:
            batch.change(joining)
            ended = [(job, part) for job in batch.jobs if job.text.ended and (part := job.part()) is not None]
            if ended:  # texts of no length
                batch.change(())
            parts = batch.draw(FIRST_DRAW_SECONDS if joining else DRAW_SECONDS) if batch.jobs else []
        except Exception as error:  # nobody else's texts are touched by it
            jobs = {id(job): job for job in (*batch.jobs, *joining)}
            del self.batches[id(batch.model)]
            return [(job, failed(error)) for job in jobs.values()]
        return ended + parts

    def _forget_idle(self) -> None:
        """Forgets the packed weights of models with which nothing is drawn, but for those that were used last."""
        idle = [key for key, batch in self.batches.items() if not batch.jobs]
        for key in idle[:-MAX_IDLE]:
            del self.batches[key]
