"""The engine: whose cells compute, chosen once, by name, and imported only when chosen."""

import hashlib
import math
import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from charrnn.errors import ConfigError, EngineError
from charrnn.memory import Memory
from charrnn.notation import Array, Ids

ENGINES = ("auto", "numpy", "numba")
LITTLE = 5000
"""Characters that NumPy draws in the time that numba, once it is compiled, takes to load: about a second."""


_folder: tempfile.TemporaryDirectory[str] | None = None
"""Where numba keeps what it compiles if it may write nowhere else; removed at the end of the process."""


class Cell(Protocol):
    """A cell: a pair of pure functions over a whole sequence, and what it needs beside its input.

    `forward(x, *recurrent, state)` returns outputs, next state and cache; `backward(d_outputs, cache)` returns dx, the
    gradients of the recurrent parameters and the gradient of the initial state, and uses the cache up. All but the
    states is in the `memory` that both take last, and holds until that is used again; who gives one gives x up too.
    """

    GATES: int
    STATES: int
    RECURRENT: tuple[str, ...]
    forward: Any
    backward: Any
    step: Any
    """`forward` for a single step with no way back; only of the reference, for `network.step`."""
    inside: Any
    """From the cache of `forward`, what the units stand at and their gates; only of the reference, for `network`."""


class Embedding(Protocol):
    def forward(self, ids: Ids, W_ih: Array, b: Array, memory: Memory, /) -> Array: ...
    def backward(self, dx: Array, ids: Ids, V: int, memory: Memory, /) -> Array: ...


class Linear(Protocol):
    def forward(self, x: Array, W: Array, b: Array, memory: Memory, /) -> Array: ...
    def backward(self, dy: Array, x: Array, W: Array, memory: Memory, /) -> tuple[Array, Array, Array]: ...


class Softmax(Protocol):
    def log_softmax(self, logits: Array, /) -> Array: ...
    def surprises(self, logits: Array, targets: Ids, /) -> Array: ...
    def cross_entropy(self, logits: Array, targets: Ids, /) -> tuple[float, Array]: ...


class Engine(Protocol):
    """A package of cells with the loss and the maps between layers: `charrnn.cells` is the reference."""

    rnn: Cell
    gru: Cell
    lstm: Cell
    embedding: Embedding
    linear: Linear
    softmax: Softmax
    Sampler: Any
    """Draws runs of characters, where the engine has a faster way than step by step; else None."""
    adam: Callable[..., None] | None
    """`optimizers.adam`, where the engine has a faster one; else None."""


def resolve(name: str, characters: float = math.inf) -> str:
    """The engine that `name` stands for on this machine, to draw or score some characters, or to train.

    `auto` is numba where it is installed, but NumPy for little work, which would be done before numba is loaded. Raises
    `ConfigError` for a name that is unknown, `EngineError` for an engine that is not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}: choose one of {', '.join(ENGINES)}")
    if name == "numpy" or (name == "auto" and characters <= LITTLE):
        return "numpy"
    trouble = _trouble()
    if name == "numba" and trouble:
        raise EngineError(f"the numba engine {trouble}, or use --engine numpy")
    return "numpy" if trouble else "numba"


def _trouble() -> str:
    """What keeps numba from being used here, if anything does."""
    if find_spec("numba") is None:
        return "is not installed: pip install 'charrnn[fast]'"
    try:
        import numba
    except Exception as error:  # it doesn't go with every version of NumPy and Python
        return f"can't be used: {error}; mend that"
    return "is switched off: unset NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else ""


def load(name: str) -> Engine:
    """Imports the engine `name`, which `resolve` has returned."""
    return cast(Engine, _compiled() if name == "numba" else import_module("charrnn.cells"))


def _compiled() -> ModuleType:
    """Imports the numba engine, and has what is compiled of it kept in a folder of its own."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _cache_folder(before)
    try:
        return import_module("charrnn.cells.compiled")
    finally:
        numba.config.CACHE_DIR = before


def _cache_folder(given: str) -> str:
    """A folder that can be written to, for this state of the sources: within `given` if numba was told a folder.

    Else it is beside the sources, or in the user's cache where these are read-only. Numba itself would look at the one
    file that a function stands in, and after an upgrade go on with old code of the others.
    """
    from numba.misc.appdirs import AppDirs

    sources = Path(__file__).parent / "cells" / "compiled"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources.glob("*.py")))).hexdigest()[:16]
    places = [Path(given)] if given else [sources / "__pycache__", Path(AppDirs("charrnn", False).user_cache_dir)]
    for place in places:
        try:
            folder = place / f"numba-{digest}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    global _folder
    _folder = tempfile.TemporaryDirectory(prefix="charrnn-")
    return _folder.name


def available_cores() -> int:
    """The processors that this process may use, as the scheduler and, in a container, its share of time allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or no limit: "max"
        return cores


def on_compilation(begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Has `begin` and `end` called around every compilation of a part of the numba engine; there is one on a machine.

    Parts that are compiled for the sake of others, while those are, go without calls of their own.
    """
    from numba.core import event

    class Listener(event.Listener):
        depth = 0  # numba compiles in one thread at a time

        def on_start(self, event: object) -> None:
            self.depth += 1
            if self.depth == 1:
                begin()

        def on_end(self, event: object) -> None:
            self.depth -= 1
            if self.depth == 0:
                end()

    event.register("numba:compile", Listener())
