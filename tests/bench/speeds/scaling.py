"""Scaling: training, sampling of 64 streams and scoring of lines on 1, 2, 4 and more threads, up to all cores."""

from collections.abc import Callable, Iterator
from typing import Any

from charrnn.engine import available_cores
from speeds import charrnn_runs
from speeds.options import Options
from speeds.race import Competitor, Step, race, ratio
from speeds.section import Section, quantity, times
from speeds.shape import MIN_CHAR, SHAPES

STREAMS = 64
SIZE = ("2x128", "1x512")
"""The shapes of the LSTMs that draw and score."""
Make = Callable[..., tuple[Step, str]]


def measure(options: Options) -> Iterator[Section]:
    """Measures the LSTMs, of which training in both precisions."""
    cores = available_cores()
    threads = sorted({1 << k for k in range(cores.bit_length())} | {cores})
    header = ["", "1 thread", *(f"{n} threads" for n in threads[1:])]
    section = Section("Scaling: characters per second on one thread, and how many times as many on more", header)
    for title, make, arguments in _work(options):
        outcomes = race(
            [Competitor(str(n), make, {"engine": "numba", "threads": n, **arguments}) for n in threads],
            options.rounds,
            options.seconds,
            options.teller(title),
        )
        one = outcomes["1"]
        cells = [quantity(one.median), *(times(ratio(outcomes[str(n)], one)) for n in threads[1:])]
        section.add(title, cells, outcomes)
        options.tell(f"{title}: {section.last()}")
    yield section


def _work(options: Options) -> Iterator[tuple[str, Make, dict[str, Any]]]:
    """What is measured: its title, what makes its step, and with which arguments."""
    shapes = {name: SHAPES[name] for name in options.shapes if name != MIN_CHAR}
    for shape in shapes.values():
        for precision in ("float32", "bfloat16"):
            yield (
                f"training, {shape.title}, {precision}",
                charrnn_runs.training,
                {"shape": shape, "precision": precision},
            )
    for name in (name for name in SIZE if name in shapes):
        network = f"lstm {shapes[name].layers}×{shapes[name].hidden_size}"
        arguments = {"shape": shapes[name]}
        yield f"sampling, {network}, {STREAMS} streams", charrnn_runs.sampler, {"streams": STREAMS, **arguments}
        yield f"scoring, {network}", charrnn_runs.scorer, arguments
