"""The selection of an engine: by name, and imported only when it is chosen."""

import math
from collections.abc import Collection
from importlib import import_module
from typing import Literal, NamedTuple, cast

from charrnn.config import one_of
from charrnn.engine import compile_cache, compile_time
from charrnn.engine.precision import bfloat16_is_faster, in_bfloat16, resolve_precision
from charrnn.engine.protocols import Engine
from charrnn.errors import EngineError
from charrnn.optional import import_optional, install, is_installed

ENGINES = ("auto", "numpy", "numba")
MAX_NUMPY_CHARS = 5000
"""The most characters for which `auto` chooses NumPy: those that it draws in the second that numba takes to load."""
DRAWING_SPEED, SCORING_SPEED = 5000.0, 50_000.0
"""The characters that NumPy draws or scores in a second, at the least."""
LEARNING_SPEED = 2000.0
"""The characters from which NumPy learns in a second as it reads them, at the least."""
MIN_TIME_PER_COMPILE_TIME = 1.6
"""The shortest training, in compile times, for which `auto` compiles: in what is left of it, numba then learns from as
many characters as NumPy would in all of it, if it is 2.7 times as fast."""


class Choice(NamedTuple):
    """The engine that was chosen, and why."""

    engine: Literal["numpy", "numba"]
    spared: float = 0.0
    """The seconds of compiling for which numba was not chosen; 0 if these were not the reason."""


def choose(
    name: str,
    characters: float = math.inf,
    *,
    speed: float = DRAWING_SPEED,
    seconds: float = math.inf,
    kernels: Collection[str] = (),
) -> Choice:
    """The engine for drawing or scoring this many characters, or for training for this many seconds.

    `auto` means numba if it is installed, and NumPy for small jobs, which are done before numba is loaded, or would be
    before it has compiled those of the `kernels` that are not in its cache; NumPy has this `speed`, in characters per
    second. What is not limited in characters or in time is no small job, whatever is in the cache: the same command
    gives the same result. Raises `ConfigError` for an unknown name, and `EngineError` for an engine that can't be used.
    """
    one_of("engine", name, ENGINES)
    if name == "numpy" or (name == "auto" and characters <= MAX_NUMPY_CHARS):
        return Choice("numpy")
    if name == "auto" and min(characters, seconds) < math.inf:
        compiling = compile_time.to_compile(kernels)
        if characters <= MAX_NUMPY_CHARS + speed * compiling or not pays(seconds, kernels):
            return Choice("numpy", compiling)
    problem = problem_with_numba()
    if name == "numba" and problem:
        raise EngineError(f'the numba engine {problem}, or use `engine="numpy"`')
    return Choice("numpy" if problem else "numba")


def pays(seconds: float, kernels: Collection[str]) -> bool:
    """Whether a training of so many seconds learns more if it compiles those of the kernels that the cache lacks."""
    return is_installed("numba") and seconds >= MIN_TIME_PER_COMPILE_TIME * compile_time.to_compile(kernels)


def max_numpy_chars(name: str, speed: float, kernels: Collection[str]) -> float:
    """The most characters for which `choose` chooses NumPy if numba can be used; 0 if the name is not `auto`."""
    return MAX_NUMPY_CHARS + speed * compile_time.to_compile(kernels) if name == "auto" else 0


def resolve(name: str, characters: float = math.inf) -> Literal["numpy", "numba"]:
    """The engine that `choose` chooses where nothing has to be compiled."""
    return choose(name, characters).engine


def problem_with_numba() -> str:
    """Why numba can't be used here, and what to do; empty if it can."""
    if not is_installed("numba"):
        return f"is not installed: {install('fast')}"
    try:
        is_disabled = import_optional("numba").config.DISABLE_JIT
    except Exception as error:  # some versions of numba reject some versions of NumPy or Python
        return f"can't be loaded: {error}: reinstall it with pip install numba"
    return "is disabled by NUMBA_DISABLE_JIT: unset it" if is_disabled else ""


def precision_to_compile(name: str) -> str:
    """The precision for which numba would compile where this one, which may be `auto`, is asked for."""
    if name != "auto":
        return name
    return "bfloat16" if not problem_with_numba() and bfloat16_is_faster() else "float32"


def load(name: str, precision: str = "float32") -> Engine:
    """Imports the engine with this name, one that `resolve` returned, for a precision, as `resolve_precision` knows it.

    Raises `EngineError` for a precision that the engine doesn't have on this machine.
    """
    if name != "numba":
        engine = cast(Engine, import_module("charrnn.layers"))
    else:
        compile_cache.mark_used()
        engine = cast(Engine, import_module("charrnn.engine.kernels"))
    return engine if resolve_precision(precision, name) == "float32" else in_bfloat16(engine)
