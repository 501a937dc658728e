"""The engine of a command: the one that suits its job, and notices of what is compiled for it, or is not worth it."""

import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from charrnn.cli.terminal.console import notice
from charrnn.errors import counted

if TYPE_CHECKING:
    from rich.status import Status

    from charrnn.model.model import Model


class Work(NamedTuple):
    """What a model has to do, apart from how many characters it reads or writes."""

    kernels: frozenset[str]
    """Those that it needs of the numba engine."""
    speed: float
    """The characters that NumPy does in a second."""


def scoring(model: "Model") -> Work:
    """The work of a model that reads texts."""
    from charrnn.engine import compile_time
    from charrnn.engine.selection import SCORING_SPEED

    return Work(compile_time.scoring(model.config.cell), SCORING_SPEED)


def sampling(precision: str) -> Work:
    """The work of a model that writes texts, with weights in a precision."""
    from charrnn.engine import compile_time
    from charrnn.engine.selection import DRAWING_SPEED

    return Work(compile_time.sampling(precision), DRAWING_SPEED)


def adapting(model: "Model") -> Work:
    """The work of a model that learns from texts as it reads them."""
    from charrnn.engine import compile_time
    from charrnn.engine.selection import LEARNING_SPEED

    return Work(compile_time.adapting(model.config.cell), LEARNING_SPEED)


def with_engine(
    model: "Model", name: str, characters: float, quiet: bool, precision: str = "float32", work: Work | None = None
) -> "Model":
    """The model in a precision, with the engine for so many characters of some work; by default it reads them."""
    from charrnn import engine as engines

    work = work or scoring(model)
    kernels = work.kernels
    choice = engines.choose(name, characters, speed=work.speed, kernels=kernels)
    if choice.spared and not quiet:
        notify_spared(choice.spared)
    notify_compilation(choice.engine, kernels, quiet)
    model = model.with_precision(precision)
    if precision != "float32" and not quiet:
        notice(f"weights in {precision}")
    return replace(model, engine=engines.load(choice.engine))


def notify_spared(compiling: float, time: float | None = None) -> None:
    """Says why the engine is NumPy: compiling takes too many seconds for a job, or for a training with this `time`."""
    from charrnn.engine import compile_cache

    job = "this" if time is None else f"a training of {time:.0f}"
    advice = "charrnn warm-up does it once"
    if not compile_cache.is_open():
        advice = f"set {compile_cache.VARIABLE} to a folder that can be written to, so that it is done once"
    notice(
        f"NumPy engine: compiling the faster one would take about {_seconds(compiling)}, too long for {job}; {advice}"
    )


def notify_compilation(engine: str, kernels: Collection[str], quiet: bool) -> None:
    """Shows a notice, or a spinner on a terminal, while the numba engine compiles: a first step would seem to hang.

    `kernels` are those that the command needs.
    """
    if engine != "numba" or quiet:
        return
    from charrnn.engine import on_compilation

    status: list[Status] = []
    notified: list[bool] = []

    def begin() -> None:
        text = _compiling(kernels) if not status and not notified else ""
        if sys.stderr.isatty():
            if not status:
                from rich.console import Console
                from rich.status import Status

                status.append(Status(text, console=Console(stderr=True)))
            status[0].start()
        elif not notified:
            notice(text)
            notified.append(True)

    def end() -> None:
        for spinner in status:
            spinner.stop()

    on_compilation(begin, end, notify_failure)


def _compiling(kernels: Collection[str]) -> str:
    """What is being compiled, for how long, and whether it is kept."""
    from charrnn.engine import compile_cache, compile_time

    text = f"compiling the numba engine, as far as this needs it: about {_seconds(compile_time.to_compile(kernels))}, "
    if compile_cache.writable_folder() is not None:
        return f"{text}kept for later"
    return f"{text}in each run, as {no_folder()}: set {compile_cache.VARIABLE} to a folder that can be written to"


def no_folder() -> str:
    """Why no folder takes compiled code."""
    from charrnn.engine import compile_cache

    configured = compile_cache.configured_folder()
    for folder, error in reversed(compile_cache.failures.items()):
        where = f"{compile_cache.VARIABLE}, {configured}," if configured else f"the cache folder {folder.parent}"
        return f"{where} can't be written to ({error.strerror or error})"
    return "there is no home folder for a cache"


def notify_failure(folder: Path, error: OSError) -> None:
    """Says that a folder takes no more code, and what comes of it."""
    from charrnn.engine import compile_cache

    other = compile_cache.writable_folder()
    then = f"it goes to {other}" if other is not None else "it is for this run only"
    advice = (
        "make room there"
        if other is not None
        else f"make room there, or set {compile_cache.VARIABLE} to another folder"
    )
    notice(f"can't write compiled code to {folder} ({error.strerror or error}): {then}; {advice}")


def _seconds(seconds: float) -> str:
    return counted(max(1, round(seconds)), "seconds")
