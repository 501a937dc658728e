"""The engines, which compute the layers: `numpy` is the reference, `numba` the compiled one. Chosen once, by name."""

from charrnn.engine.compile_cache import on_compilation
from charrnn.engine.precision import resolve_precision
from charrnn.engine.protocols import Cell, Engine
from charrnn.engine.selection import (
    ENGINES,
    MAX_NUMPY_CHARS,
    Choice,
    choose,
    load,
    max_numpy_chars,
    pays,
    precision_to_compile,
    resolve,
)
from charrnn.resources.cores import available_cores

__all__ = [
    "ENGINES",
    "MAX_NUMPY_CHARS",
    "Cell",
    "Choice",
    "Engine",
    "available_cores",
    "choose",
    "load",
    "max_numpy_chars",
    "on_compilation",
    "pays",
    "precision_to_compile",
    "resolve",
    "resolve_precision",
]
