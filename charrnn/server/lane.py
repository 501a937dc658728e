"""The lane: one of the threads that draw, with its share of the texts; those of one model are drawn side by side.

Between two draws finished texts leave, primes of waiting ones are read, and these join. Lanes do not wait for each
other: what one of them does in Python between its draws, and the thread that speaks HTTP, run beside the draws of the
others, which need no lock of Python.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.sampling.decoder import check_predictions
from charrnn.sampling.live_batch import LiveBatch, PrimeReader
from charrnn.server.job import Job, Part, failed
from charrnn.types import Array, Ids

DRAW_SECONDS, READ_SECONDS = 0.01, 0.01
"""How long a draw takes at most, unless it is one character, and how long primes are read before it."""
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

    def __init__(self, model: Model, other: "ModelBatch | None" = None):
        """It shares packed weights with another one of this model."""
        self.model = model
        self.batch: LiveBatch = LiveBatch(model, 1, other.batch if other else None)
        self.jobs: list[Job] = []
        self.workspace: Workspace = Workspace(other.workspace.packed if other else {})
        self.states: OrderedDict[bytes, PrimeReader | None] = OrderedDict()
        """By their primes; None for one that came once, and was read as it was drawn."""
        self.seconds_per_step = 0.0

    @property
    def unfinished(self) -> list[Job]:
        """The texts of which more has to be drawn."""
        return [job for job in self.jobs if not job.is_done]

    def read(self, job: Job, until: float) -> bool:
        """Reads some of a job's prime, up to a time; whether its text can begin.

        It can once the prime is read, perhaps by another text before; or if the prime is so short that it is read as
        it is drawn. One that has come before is not, so that its state is kept for those that follow.
        """
        key = job.prime.tobytes()
        is_new = key not in self.states
        reader = self.states.pop(key, None) or job.reader or PrimeReader(self.model, job.prime, self.workspace)
        job.reader = reader
        if not (is_new and self._reads_as_drawn(reader)):
            while reader.left and time.perf_counter() < until:
                reader.advance(READ_CHARS)
            if reader.left:
                self.states[key] = None  # it is not new the next time
                return False
        self.states[key] = None if reader.left else reader
        if len(self.states) > MAX_STATES:
            self.states.popitem(last=False)
        return True

    def _reads_as_drawn(self, reader: PrimeReader) -> bool:
        """Whether a prime should be read as it is drawn: if one draw is long enough."""
        is_short = reader.left <= MAX_DRAW and reader.left * self.seconds_per_step <= DRAW_SECONDS
        return is_short and not reader.read and self.batch.reads_primes

    def change(self, joining: Sequence[Job]) -> None:
        """Lets go of the texts that are finished or cancelled, and takes others."""
        leaving = {row for row, job in enumerate(self.jobs) if job.is_done}
        states = [job.begin() for job in joining]
        unread = [job.reader.unread for job in joining if job.reader is not None]
        self.batch.change(leaving, states, [job.request.config for job in joining], unread)
        self.jobs = [*(job for row, job in enumerate(self.jobs) if row not in leaving), *joining]

    def draw(self) -> list[tuple[Job, Part]]:
        """Draws characters of each text for about `DRAW_SECONDS`; returns what is to be handed over."""
        in_time = int(DRAW_SECONDS / self.seconds_per_step) if self.seconds_per_step else 1
        unread = [*map(len, self.batch.unread)]
        N = max(1, min(in_time, MAX_DRAW, max(n + job.left_to_draw for n, job in zip(unread, self.jobs, strict=True))))
        began = time.perf_counter()
        ids, logps = self.batch.draw(N)
        taken = (time.perf_counter() - began) / N
        self.seconds_per_step = taken if not self.seconds_per_step else 0.7 * self.seconds_per_step + 0.3 * taken
        return self._parts(ids, logps, unread)

    def _parts(self, ids: Ids, logps: Array, unread: Sequence[int]) -> list[tuple[Job, Part]]:
        """Gives the characters that were drawn, [N, B], to the texts; returns what is to be handed over.

        The first ones of each text were `unread` [B] characters of its prime.
        """
        parts, now, streams = [], time.monotonic(), sum(job.streams for job in self.jobs)
        for job, of_text, their_logps, n in zip(self.jobs, ids.T, logps.T, unread, strict=True):
            if job.cancelled:
                continue
            try:
                check_predictions(their_logps)
                job.add(*((of_text[n:], their_logps[n:]) if n else (of_text, their_logps)))
                part = job.part(now, streams)
            except Exception as error:
                job.cancelled, part = True, failed(error)
            if part is not None:
                parts.append((job, part))
        return parts


class Lane:
    """Draws its share of the texts."""

    def __init__(self, lanes: Sequence["Lane"], claim: Callable[["Lane"], None], deliver: Deliver, size: int):
        """`lanes` are all of them, which share packed weights.

        `claim` adds waiting texts to those whose primes are being read, so that there are at most `size` of each model.
        `deliver` is called with parts of several texts at once.
        """
        self.lanes, self.claim, self.deliver, self.size = lanes, claim, deliver, size
        self.batches: dict[int, ModelBatch] = {}
        """By the `id` of their models, those that were used last at the end."""
        self.reading: list[Job] = []
        """The texts whose primes are being read."""
        self.joining: list[Job] = []
        """The texts whose primes have been read, which are not drawn yet."""

    @property
    def drawn(self) -> int:
        """The texts that are being drawn."""
        return sum(len(batch.jobs) for batch in [*self.batches.values()])

    @property
    def is_idle(self) -> bool:
        """Whether it has no text."""
        return not self.reading and not self.drawn

    def texts_of(self, model: Model) -> int:
        """The texts of a model that it has, without those that are done."""
        batch = self.batches.get(id(model))
        drawn = len(batch.unfinished) if batch else 0
        return drawn + sum(job.model is model for job in self.reading)

    def turn(self) -> None:
        """Reads primes, and draws once with each model."""
        self.claim(self)
        self.joining = self._read_primes()
        models = {key: b.model for key, b in self.batches.items()} | {id(job.model): job.model for job in self.joining}
        for model in models.values():
            batch, joining = self._batch(model), [job for job in self.joining if job.model is model]
            self.joining = [job for job in self.joining if job.model is not model]
            self._advance(batch, joining)
        self._forget_idle()

    def fail(self, error: Exception) -> None:
        """Ends all its texts because of an error."""
        jobs = [*self.reading, *self.joining, *(job for batch in self.batches.values() for job in batch.unfinished)]
        self.reading, self.joining, self.batches = [], [], {}
        self._end(jobs, error)

    def _end(self, jobs: Iterable[Job], error: Exception) -> None:
        """Ends texts because of an error, each once."""
        ended = {id(job): job for job in jobs if not job.cancelled}.values()
        for job in ended:
            job.cancelled = True
        self.deliver([(job, failed(error)) for job in ended])

    def _batch(self, model: Model) -> ModelBatch:
        batch = self.batches.pop(id(model), None)
        if batch is None:
            others = (other for lane in self.lanes if (other := lane.batches.get(id(model))))
            batch = ModelBatch(model, next(others, None))
        self.batches[id(model)] = batch
        return batch

    def _read_primes(self) -> list[Job]:
        """Reads primes for a while, the shortest first, so that a book does not keep others waiting.

        Returns the texts whose primes are read.
        """
        until, read = time.perf_counter() + READ_SECONDS, list[Job]()
        for job in sorted(self.reading, key=lambda job: job.left):
            try:
                if not job.cancelled and not self._batch(job.model).read(job, until):
                    break
                read.append(job)
            except Exception as error:
                self._end([job], error)
        self.reading = [job for job in self.reading if job not in read and not job.cancelled]
        return [job for job in read if not job.cancelled]

    def _advance(self, batch: ModelBatch, joining: Sequence[Job]) -> None:
        """Draws with one model, after texts have left and joined; no other's are touched by an error."""
        try:
            batch.change(joining)
            parts = batch.draw() if batch.jobs else []
        except Exception as error:
            self.batches.pop(id(batch.model), None)
            self._end([*joining, *batch.unfinished], error)
            return
        if parts:
            self.deliver(parts)

    def _forget_idle(self) -> None:
        """Forgets the packed weights of models with which nothing is drawn, but for those that were used last."""
        idle = [key for key, batch in self.batches.items() if not batch.jobs]
        for key in idle[:-MAX_IDLE]:
            del self.batches[key]
