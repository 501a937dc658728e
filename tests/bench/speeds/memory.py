"""Memory: how much a large text takes besides its ids, and whether a long run grows."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import charrnn
from charrnn.dataset import corpus
from charrnn.dataset.files import Source
from charrnn.engine import available_cores
from speeds import charrnn_runs, texts
from speeds.options import Options
from speeds.race import Outcome, line
from speeds.section import NOTHING, Section
from speeds.shape import Shape

STEPS = 3
"""Steps of training on the large text."""
WARM_UP_STEPS = 100
"""Steps of the run that must not grow before its memory is first measured."""
SMALL = Shape(32, 1, 8, 16)


def measure(options: Options) -> Iterator[Section]:
    """Measures a large text, then a long run."""
    yield large_text(options)
    yield long_training(options)


def large_text(options: Options) -> Section:
    """The peak memory of a process that reads a large text and trains on it."""
    size = options.memory_size
    section = Section(f"Memory: a text of {size:g} MB", ["read as", "ids", "peak resident", "besides the ids"])
    with TemporaryDirectory(prefix="charrnn-bench-") as folder:
        if shutil.disk_usage(folder).free < 1.2e6 * size:
            section.remarks.append(f"Not measured: {folder} has no room for {size:g} MB (see --memory-size).")
            return section
        options.tell(f"memory: writing {size:g} MB")
        path = Path(folder) / "text.txt"
        texts.write(path, size)
        for name, as_bytes in (("characters", False), ("bytes (`--bytes`)", True)):
            options.tell(f"memory: reading {size:g} MB as {name}")
            report(section, name, alone(after_reading, str(path), as_bytes))
    section.remarks.append(
        f"A process that reads the text and takes {STEPS} steps of an LSTM of 2×128 with the engine `auto`; "
        "besides the ids there are Python, NumPy, the engine, the network and the memory for reading. "
        "With `--bytes` the ids are a file mapped into memory: only the part that training has read is resident."
    )
    return section


def long_training(options: Options) -> Section:
    """Resident memory before and after many steps of a small network."""
    steps = options.memory_steps
    section = Section(f"Memory: {steps:,} steps of training", ["engine", "before", "after", "growth"])
    if not Path("/proc/self/statm").exists():
        section.remarks.append("Not measured: this system has no /proc/self/statm.")
        return section
    for engine in ("numba", "numpy"):
        options.tell(f"memory: {steps} steps with {engine}")
        report(section, engine, alone(around_steps, engine, steps))
    section.remarks.append(f'{SMALL.title}; "before" is after {WARM_UP_STEPS} steps.')
    return section


def report(section: Section, name: str, found: tuple[float, float] | str) -> None:
    """Adds a row of two sizes in bytes and their difference; if there are none, an empty row and a remark."""
    if isinstance(found, str):
        section.add(name, [NOTHING] * 3, {"memory": Outcome(remark=found)})
        return
    low, high = found
    cells = [f"{low / 1e6:,.1f} MB", f"{high / 1e6:,.1f} MB", f"{(high - low) / 1e6:+,.1f} MB"]
    section.add(name, cells, {section.header[1]: Outcome([low]), section.header[2]: Outcome([high])})


def alone(function: Callable[..., tuple[float, float]], *arguments: Any) -> tuple[float, float] | str:
    """The result of a function in a new process, or the error in one line."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except Exception as error:
            return line(error)


def after_reading(path: str, as_bytes: bool) -> tuple[float, float]:
    """The size of the ids of a text, and the peak memory of this process while it reads and trains."""
    text = corpus.read(Source((path,), as_bytes=as_bytes))
    for _ in islice(charrnn.train(text, steps=STEPS + 1, val_fraction=0.0, seed=1), STEPS):
        pass
    return text.ids.nbytes, peak()


def around_steps(engine: str, steps: int) -> tuple[float, float]:
    """This process's memory before and after some steps."""
    training = iter(charrnn_runs.run(engine, SMALL, threads=available_cores()))
    for _ in islice(training, WARM_UP_STEPS):
        pass
    before = resident()
    for _ in islice(training, steps):
        pass
    return before, resident()


def peak() -> float:
    """The peak memory of this process, in bytes.

    Linux's `ru_maxrss` begins with the size of the process that started this one; its `VmHWM` does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for row in status.read_text().splitlines():
            if row.startswith("VmHWM:"):
                return float(row.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if os.uname().sysname == "Darwin" else 1024)


def resident() -> float:
    """The resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
