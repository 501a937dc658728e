"""The race: competitors are timed in turn, round after round, so that a slow minute of the machine affects all alike.

Each runs in a process of its own, which sleeps while others have their turn: so none disturbs another through waiting
threads, BLAS settings or fragmented memory, and a failure or crash of one does not affect the others.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from statistics import geometric_mean, median
from typing import Any

MAX_WAIT = 900.0
"""The most seconds that a competitor may take to get ready (PyTorch may compile), or for one timing."""
MAX_WARM_UP = 10.0
"""Seconds after which a warm-up ends."""
PAUSE = 0.05
"""Seconds between two timings, in which threads that are still spinning for work fall asleep."""

Step = Callable[[], float]
"""Does one piece of work and returns how much it was: characters, bytes, floating-point operations."""


@dataclass(frozen=True)
class Competitor:
    """A competitor: `make(**arguments)`, called in the new process, returns the warm step to time and a remark."""

    name: str
    make: Callable[..., tuple[Step, str]]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """The result of a competitor."""

    rates: list[float] = field(default_factory=list)
    """Work per second, or seconds, one for each round; empty if it could not run."""
    remark: str = ""
    """The variant that ran, or why none could."""

    @property
    def median(self) -> float | None:
        return median(self.rates) if self.rates else None


Outcomes = dict[str, Outcome]


def ratio(above: Outcome, below: Outcome) -> float | None:
    """The median of their ratios, taken within each round."""
    pairs = zip(above.rates, below.rates, strict=False)
    return median([a / b for a, b in pairs]) if above.rates and below.rates else None


def mean(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean of the ratios that are not None."""
    found = [r for r in ratios if r is not None]
    return geometric_mean(found) if found else None


def in_turn(entrants: Mapping[str, Callable[[], float]], rounds: int, tell: Callable[[str], None]) -> Outcomes:
    """Calls every entrant once in each round and keeps the results; an entrant that raises an error is out.

    Each round begins with a different entrant, so that none always follows the same one.
    """
    outcomes = {name: Outcome() for name in entrants}
    running = list(entrants)
    for n in range(rounds):
        tell(f"round {n + 1} of {rounds}")
        shift = n % max(1, len(running))
        for name in running[shift:] + running[:shift]:
            try:
                outcomes[name].rates.append(entrants[name]())
            except Exception as error:
                outcomes[name] = Outcome(remark=line(error))
                running.remove(name)
                tell(f"{name}: {line(error)}")
    return outcomes


def race(competitors: Iterable[Competitor], rounds: int, seconds: float, tell: Callable[[str], None]) -> Outcomes:
    """Lets the competitors get ready, one after the other, and times them in turn; returns rates in work per second."""
    outcomes: Outcomes = {}
    with ExitStack() as stack:
        ready = {}
        for competitor in competitors:
            name = competitor.name
            tell(f"warming up {name}")
            try:
                runner = stack.enter_context(Runner(competitor))
                outcomes[name] = Outcome(remark=runner.answer())
                ready[name] = partial(runner.time, seconds)
            except RuntimeError as error:
                outcomes[name] = Outcome(remark=line(error))
                tell(f"{name}: {line(error)}")
        for name, outcome in in_turn(ready, rounds, tell).items():
            outcomes[name] = Outcome(outcome.rates, outcome.remark or outcomes[name].remark)
    return outcomes


class Runner:
    """A competitor's process, seen from this one; it ends with the `with` block."""

    def __init__(self, competitor: Competitor):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_run, args=(other, competitor), daemon=True)
        self.process.start()
        other.close()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self.process.join(0.1)
        self.process.terminate()
        self.process.join()

    def answer(self) -> Any:
        """The process's answer. Raises `RuntimeError` for an error, or if there is no answer."""
        if not self.pipe.poll(MAX_WAIT):
            raise RuntimeError(f"gave up after {MAX_WAIT:.0f} s")
        try:
            is_good, answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"the process ended with exit code {self.process.exitcode}") from None
        if not is_good:
            raise RuntimeError(answer)
        return answer

    def time(self, seconds: float) -> float:
        """The rate of one timing."""
        time.sleep(PAUSE)
        self.pipe.send(seconds)
        return float(self.answer())


def _run(pipe: Connection, competitor: Competitor) -> None:
    """The competitor's process: gets ready and reports it, then answers each number of seconds with a rate."""
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        try:
            step, remark = competitor.make(**competitor.arguments)
            pipe.send((True, remark))
            while True:
                seconds = pipe.recv()
                pipe.send((True, rate(step, seconds)))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            pipe.send((False, line(error)))


def rate(step: Step, seconds: float) -> float:
    """The work per second of a step that is repeated for this many seconds, at least once."""
    done, began = 0.0, time.perf_counter()
    while True:
        done += step()
        if (took := time.perf_counter() - began) >= seconds:
            return done / took


def fastest(candidates: Mapping[str, Step], rounds: int = 3, seconds: float = 0.3) -> tuple[Step, str]:
    """The step with the highest median rate in a short race within this process, and its name.

    Slow steps get fewer rounds.
    """
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    began = time.perf_counter()
    for n in range(rounds):
        if n and time.perf_counter() - began > MAX_WARM_UP:
            break
        for name, step in candidates.items():
            rates[name].append(rate(step, seconds))
    name = max(candidates, key=lambda name: median(rates[name]))
    return candidates[name], name


def warm_up(step: Step, min_steps: int, max_steps: int) -> None:
    """Takes some steps before the first timed one; fewer if they are slow."""
    began = time.perf_counter()
    for n in range(max_steps):
        if n >= min_steps and time.perf_counter() - began > MAX_WARM_UP:
            break
        step()


def line(error: BaseException) -> str:
    """An error in one line that fits into a table."""
    text = " ".join((str(error).strip().splitlines() or [""])[0].replace("|", "¦").split())
    kind = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
    return f"{kind}{text[:160]}"
