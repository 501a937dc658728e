"""Completions: the texts of a request, drawn by the scheduler, as one answer of JSON or as a stream of events."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from charrnn.errors import CharRNNError
from charrnn.model.model import Model
from charrnn.server.completion_request import CompletionRequest, as_text, parse, prime_ids
from charrnn.server.errors import SURROGATE, ApiError, to_json, took_too_long, unexpected
from charrnn.server.exchange import Disconnected, Exchange, event
from charrnn.server.job import Job, Part
from charrnn.server.logprobs import LogprobReader
from charrnn.server.service import Service
from charrnn.types import Ids

MAX_DRAWN_SEED = 2**31
"""Seeds that are drawn for a request without one are smaller, so that every program can say them."""
MAX_READ_AGAIN = 50_000
"""The most characters, of prompts and completions, of a request with log-probabilities: they take seconds to read."""


class Inbox:
    """The parts of the texts of a request, as they arrive, each with the index of its text."""

    def __init__(self) -> None:
        self.parts: deque[tuple[int, Part]] = deque()
        self.arrived = asyncio.Event()
        self.closed = False

    def put(self, index: int, part: Part) -> None:
        """Takes a part."""
        self.parts.append((index, part))
        self.arrived.set()

    def close(self, _: object = None) -> None:
        """Ends the wait for a part: the client has left."""
        self.closed = True
        self.arrived.set()

    async def next(self) -> tuple[int, Part]:
        """The next part. Raises its error, if it has one, and `Disconnected` once it is closed."""
        while not self.parts and not self.closed:
            self.arrived.clear()
            await self.arrived.wait()
        if self.closed:
            raise Disconnected
        index, part = self.parts.popleft()
        if part.error is not None:
            raise part.error if isinstance(part.error, CharRNNError) else unexpected() from part.error
        return index, part


class Choice:
    """One text of an answer, part by part in the form of the original."""

    def __init__(self, model: Model, request: CompletionRequest, prime: Ids, index: int, seed: int):
        self.model, self.request, self.prime, self.index, self.seed = model, request, prime, index, seed
        self.reader = None if request.logprobs is None else LogprobReader(model, request.logprobs)
        self.begun, self.offset = False, 0
        self.chars, self.logprob = 0, 0.0

    def part(self, part: Part) -> dict[str, Any]:
        """The next part; the first one has the prompt if that is to be echoed."""
        text, ids = part.text, part.ids
        if not self.begun:
            self.begun = True
            if self.request.echo:
                text, ids = as_text(self.model, self.prime) + text, np.concatenate((self.prime, ids))
            elif self.reader is not None:
                self.reader.skip(self.prime)
        logprobs = None if self.reader is None else self.reader.read(ids.astype(self.prime.dtype), self.offset)
        self.offset += len(text)
        self.chars += len(part.ids)
        if self.request.best_of > self.request.n:
            self.logprob += float(part.logps.sum())
        shown = SURROGATE.sub("\ufffd", text)
        return {
            "text": shown,
            "index": self.index,
            "logprobs": logprobs,
            "finish_reason": part.finish_reason,
            "seed": self.seed,
        }

    @property
    def mean_logprob(self) -> float:
        """By which the best texts are found, if not all of them are wanted."""
        return self.logprob / max(1, self.chars)


class Completions:
    """The answer to one request."""

    def __init__(self, service: Service, exchange: Exchange, request: CompletionRequest, began: float):
        self.service, self.exchange, self.request, self.began = service, exchange, request, began
        self.inbox, self.jobs, self.choices = Inbox(), list[Job](), list[Choice]()
        self.prompt_chars = 0
        self.name = ""
        self.head: dict[str, Any] = {}

    async def begin(self) -> None:
        """Gives the scheduler the texts. Raises `ApiError` and other errors for what can't be drawn."""
        request, service = self.request, self.service
        served = service.models.named(request.model)
        loaded = await service.models.get(request.model)
        model, self.name = loaded.model, served.name
        seed = secrets.randbelow(MAX_DRAWN_SEED) if request.seed is None else request.seed
        for prompt in request.prompts:
            prime = prime_ids(model, prompt, service.options.unknown)
            self.prompt_chars += len(prime)
            for _ in range(request.best_of):
                index = len(self.jobs)
                asked = request.sampling_request(model, index, seed)
                self.choices.append(Choice(model, request, prime, index, asked.seed))
                take = partial(self.inbox.put, index)
                self.jobs.append(Job(model, prime, asked, take, request.stream))
        if request.logprobs is not None:
            read_again = sum(len(choice.prime) + request.max_tokens for choice in self.choices)
            if read_again > MAX_READ_AGAIN:
                raise ApiError(
                    f"with logprobs a request can have at most {MAX_READ_AGAIN:,} characters, and this one has up to "
                    f"{read_again:,}",
                    "logprobs",
                )
        self.head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": served.name,
            "system_fingerprint": loaded.fingerprint,
        }
        service.scheduler.submit(self.jobs)

    async def answer(self) -> None:
        """Sends the texts, all at once or as they come; stops drawing them if the client leaves."""
        leaving = asyncio.ensure_future(self.exchange.until_disconnected())
        leaving.add_done_callback(self.inbox.close)
        try:
            async with asyncio.timeout(self.service.options.timeout):
                await (self._stream() if self.request.stream else self._send_whole())
        except TimeoutError:
            raise took_too_long(self.service.options.timeout) from None
        finally:
            for job in self.jobs:
                job.cancelled = True
            leaving.cancel()
            self._count()

    async def _stream(self) -> None:
        left = len(self.jobs)
        before = b"data: " + to_json(self.head)[:-1] + b',"choices":['  # of the choice of each event
        after = b'],"usage":null}\n\n' if self.request.include_usage else b"]}\n\n"
        while left:
            index, part = await self.inbox.next()
            if not self.exchange.status:
                self.service.metrics.first_seconds.add(time.perf_counter() - self.began)
                await self.exchange.begin(200, "text/event-stream; charset=utf-8", {"x-accel-buffering": "no"})
            events = before + to_json(await self._part(self.choices[index], part)) + after
            left -= part.is_last
            if not left:
                if self.request.include_usage:
                    events += event(self.head | {"choices": [], "usage": self._usage()})
                events += b"data: [DONE]\n\n"
            await self.exchange.write(events, more=left > 0)

    async def _send_whole(self) -> None:
        found: list[Any] = [None] * len(self.jobs)
        for _ in self.jobs:
            index, part = await self.inbox.next()
            found[index] = await self._part(self.choices[index], part)
        await self.exchange.answer_json(self.head | {"choices": self._best(found), "usage": self._usage()})

    async def _part(self, choice: Choice, part: Part) -> dict[str, Any]:
        """A part in its form; if the text has to be read again for that, another thread does it."""
        return choice.part(part) if choice.reader is None else await self.service.read(choice.part, part)

    def _best(self, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """For each prompt the n texts of the highest likelihood per character."""
        n, best_of = self.request.n, self.request.best_of
        best = []
        for first in range(0, len(found), best_of):
            group = sorted(range(first, first + best_of), key=lambda k: -self.choices[k].mean_logprob)
            best += [found[k] for k in (group[:n] if best_of > n else sorted(group))]
        return [choice | {"index": index} for index, choice in enumerate(best)]

    @property
    def _chars(self) -> int:
        """The characters of all texts so far."""
        return sum(choice.chars for choice in self.choices)

    def _usage(self) -> dict[str, int]:
        total = self.prompt_chars + self._chars
        return {"prompt_tokens": self.prompt_chars, "completion_tokens": self._chars, "total_tokens": total}

    def _count(self) -> None:
        chars, metrics = self._chars, self.service.metrics
        metrics.prompt_chars[self.name] += self.prompt_chars
        metrics.chars[self.name] += chars
        metrics.answer_seconds.add(time.perf_counter() - self.began)
        self.exchange.about = f"{self.name} {self.prompt_chars:,}+{chars:,} characters"


async def complete(service: Service, exchange: Exchange) -> None:
    """Answers a request for completions."""
    began, options = time.perf_counter(), service.options
    body = await exchange.json_body(options.max_body, options.timeout)
    completions = Completions(service, exchange, parse(body, options.max_tokens), began)
    await completions.begin()
    await completions.answer()
