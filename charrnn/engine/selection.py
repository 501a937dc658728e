"""The selection of an engine: by name, and imported only when it is chosen."""

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast

from charrnn.engine.compile_cache import load_compiled
from charrnn.engine.protocols import Engine
from charrnn.errors import ConfigError, EngineError

ENGINES = ("auto", "numpy", "numba")
MAX_NUMPY_CHARS = 5000
"""The most characters for which `auto` chooses NumPy: those that it draws in the second that numba takes to load."""


def resolve(name: str, characters: float = math.inf) -> Literal["numpy", "numba"]:
    """The engine, `numpy` or `numba`, for drawing or scoring this many characters; for training, infinitely many.

    `auto` means numba if it is installed, and NumPy for small jobs, which are done before numba is loaded. Raises
    `ConfigError` for an unknown name, and `EngineError` for an engine that can't be used.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}: choose one of {', '.join(ENGINES)}")
    if name == "numpy" or (name == "auto" and characters <= MAX_NUMPY_CHARS):
        return "numpy"
    problem = _problem_with_numba()
    if name == "numba" and problem:
        raise EngineError(f"the numba engine {problem}, or use --engine numpy")
    return "numpy" if problem else "numba"


def _problem_with_numba() -> str:
    """Why numba can't be used here, and what to do; empty if it can."""
    if find_spec("numba") is None:
        return "is not installed: pip install 'charrnn[fast]'"
    try:
        import numba
    except Exception as error:  # some versions of numba reject some versions of NumPy or Python
        return f"can't be loaded: {error}: reinstall it with pip install 'charrnn[fast]'"
    return "is disabled by NUMBA_DISABLE_JIT: unset it" if numba.config.DISABLE_JIT else ""


def load(name: str) -> Engine:
    """Imports the engine with this name, one that `resolve` returned."""
    return cast(Engine, load_compiled() if name == "numba" else import_module("charrnn.layers"))
