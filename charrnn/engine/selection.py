"""The selection of an engine: chosen once, by name, and imported only when chosen."""

import math
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from charrnn.engine.compile_cache import load_compiled
from charrnn.engine.protocols import Engine
from charrnn.errors import ConfigError, EngineError

ENGINES = ("auto", "numpy", "numba")
MAX_NUMPY_CHARS = 5000
"""Characters that NumPy draws in the time that numba, once it is compiled, takes to load: about a second."""


def resolve(name: str, characters: float = math.inf) -> str:
    """The engine that `name` stands for on this machine, to draw or score some characters, or to train.

    `auto` is numba where it is installed, but NumPy for little work, which would be done before numba is loaded. Raises
    `ConfigError` for a name that is unknown, `EngineError` for an engine that is not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}: choose one of {', '.join(ENGINES)}")
    if name == "numpy" or (name == "auto" and characters <= MAX_NUMPY_CHARS):
        return "numpy"
    trouble = _why_no_numba()
    if name == "numba" and trouble:
        raise EngineError(f"the numba engine {trouble}, or use --engine numpy")
    return "numpy" if trouble else "numba"


def _why_no_numba() -> str:
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
    return cast(Engine, load_compiled() if name == "numba" else import_module("charrnn.layers"))
