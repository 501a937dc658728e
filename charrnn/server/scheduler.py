"""The scheduler: a thread that draws the texts of all requests, those of one model side by side.

Between two draws finished texts leave the batch and waiting ones join it. A draw takes `DRAW_SECONDS`; after it, the
first one of texts that have joined only `FIRST_DRAW_SECONDS`, so that nobody waits long for a first character. While
one is on its way in another thread, which needs no lock of Python, what the one before has brought is handed over, and
primes are read in parts.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.sampling.decoder import check_predictions
from charrnn.sampling.live_batch import LiveBatch, PrimeReader
from charrnn.server.errors import overloaded
from charrnn.server.job import Job, Part, failed
from charrnn.types import Array, Ids

DRAW_SECONDS, FIRST_DRAW_SECONDS = 0.02, 0.003
READ_SECONDS, MIN_READ_SECONDS = 0.01, 0.002
"""How long primes are read during a draw: not longer than that takes, but at least so long."""
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
        self.workspace = Workspace()
        self.states: OrderedDict[bytes, PrimeReader] = OrderedDict()
        self.seconds_per_step = 0.0
        self.is_short = False
        """Whether the last draw was short."""

    def read(self, job: Job, until: float) -> bool:
        """Reads some of a job's prime, up to a time; whether it is read to its end, perhaps by another text before."""
        key = job.prime.tobytes()
        if known := self.states.pop(key, None):
            job.reader = known
        else:
            job.reader = job.reader or PrimeReader(self.model, job.prime, self.workspace)
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
        leaving = {row for row, job in enumerate(self.jobs) if job.is_done}
        states = [job.begin() for job in joining]
        self.batch.change(leaving, states, [job.request.config for job in joining])
        self.jobs = [*(job for row, job in enumerate(self.jobs) if row not in leaving), *joining]

    def steps(self, seconds: float) -> int:
        """The characters of each text to draw in about so many seconds."""
        N = int(seconds / self.seconds_per_step) if self.seconds_per_step else 1
        return max(1, min(N, MAX_DRAW, max(job.left_to_draw for job in self.jobs)))

    def draw(self, N: int) -> tuple[Ids, Array]:
        """`LiveBatch.draw`, timed."""
        began = time.perf_counter()
        drawn = self.batch.draw(N)
        taken = (time.perf_counter() - began) / N
        self.seconds_per_step = taken if not self.seconds_per_step else 0.7 * self.seconds_per_step + 0.3 * taken
        return drawn


class Flight(NamedTuple):
    """A draw that is on its way, and the texts of its rows."""

    batch: ModelBatch
    jobs: Sequence[Job]
    drawn: "Future[tuple[Ids, Array]]"
    due: float
    """When it should be complete, in the time of `time.perf_counter`."""

    def parts(self) -> list[tuple[Job, Part]]:
        """Waits for the characters, gives them to the texts, and returns what is to be handed over."""
        ids, logps = self.drawn.result()
        parts = []
        for row, job in enumerate(self.jobs):
            if job.cancelled or job.text.ended:
                continue
            check_predictions(logps[:, row])
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
        self.drawer = ThreadPoolExecutor(1, "charrnn drawer")
        self.flight: Flight | None = None
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
        self.drawer.shutdown()

    def _run(self) -> None:
        while True:
            with self.wake:
                while not self.queue and not self.drawn and self.flight is None and not self.closed:
                    self.wake.wait()
                if self.closed:
                    return
            self._turn()

    def _turn(self) -> None:
        """Reads primes and draws once with each model."""
        joining = self._read_primes()
        models = {key: batch.model for key, batch in self.batches.items()}
        models |= {id(job.model): job.model for jobs in joining.values() for job in jobs}
        for key, model in models.items():
            if key in self.batches or joining.get(key):  # its batch may have failed or been forgotten meanwhile
                self._advance(self._batch(model), joining.get(key, []))
        if self.flight is not None and self.flight.batch not in self.batches.values():  # it has failed meanwhile
            landed, self.flight = self.flight, None
            self._hand_over((), landed)
        self._forget_idle()

    def _read_primes(self) -> dict[int, list[Job]]:
        """Reads primes of waiting texts for a while; returns the texts that can join, by the `id` of their models.

        The shortest are read first, so that a book does not keep others waiting; those that are read join in the order
        in which they came.
        """
        now, joining = time.perf_counter(), dict[int, list[Job]]()
        until = now + READ_SECONDS
        if self.flight is not None:
            until = max(now + MIN_READ_SECONDS, min(until, self.flight.due))
        with self.wake:
            waiting = [job for job in self.queue if not job.cancelled]
        done = set[int]()
        for job in sorted(waiting, key=lambda job: job.left):
            try:
                if not job.is_read and not self._batch(job.model).read(job, until):
                    break
            except Exception as error:
                self.deliver([(job, failed(error))])
                done.add(id(job))
        for job in waiting:
            ready = joining.setdefault(id(job.model), [])
            if job.is_read and id(job) not in done and self._active(job.model) + len(ready) < self.batch_size:
                ready.append(job)
                done.add(id(job))
        with self.wake:
            self.queue = deque(job for job in self.queue if id(job) not in done and not job.cancelled)
        return joining

    def _active(self, model: Model) -> int:
        """The texts that are drawn with a model and not done yet."""
        batch = self.batches.get(id(model))
        return 0 if batch is None else sum(not job.is_done for job in batch.jobs)

    def _batch(self, model: Model) -> ModelBatch:
        batch = self.batches.pop(id(model), None) or ModelBatch(model, self.threads)
        self.batches[id(model)] = batch
        return batch

    def _advance(self, batch: ModelBatch, joining: Sequence[Job]) -> None:
        """Begins to draw with one model, after texts have left and joined; hands over what was drawn before."""
        landed, self.flight = self.flight, None
        if landed is not None:
            wait([landed.drawn])
        try:
            batch.change(joining)
            if batch.jobs:
                batch.is_short = bool(joining) and not batch.is_short  # a series of short ones would cost much
                N = batch.steps(FIRST_DRAW_SECONDS if batch.is_short else DRAW_SECONDS)
                for job in batch.jobs:
                    job.left_to_draw -= N
                due = time.perf_counter() + N * batch.seconds_per_step
                self.flight = Flight(batch, batch.jobs, self.drawer.submit(batch.draw, N), due)
        except Exception as error:
            self._fail(batch, joining, error)
        self._hand_over(joining, landed)

    def _hand_over(self, joining: Sequence[Job], landed: Flight | None) -> None:
        """Hands over what a draw has brought, and the texts that have no length."""
        begun = [job for job in joining if not job.cancelled]  # else they may have failed before they had a text
        parts = [(job, part) for job in begun if job.text.ended and (part := job.part()) is not None]
        if landed is not None:
            try:
                parts += landed.parts()
            except Exception as error:
                self._fail(landed.batch, landed.jobs, error)
        if parts:
            self.deliver(parts)

    def _fail(self, batch: ModelBatch, others: Sequence[Job], error: Exception) -> None:
        """Ends all texts that are drawn with one model; nobody else's are touched by an error."""
        jobs = {id(job): job for job in (*batch.jobs, *others)}
        batch.jobs = []
        self.batches.pop(id(batch.model), None)
        for job in jobs.values():
            job.cancelled = True
        self.deliver([(job, failed(error)) for job in jobs.values()])

    def _forget_idle(self) -> None:
        """Forgets the packed weights of models with which nothing is drawn, but for those that were used last."""
        idle = [key for key, batch in self.batches.items() if not batch.jobs]
        for key in idle[:-MAX_IDLE]:
            del self.batches[key]
