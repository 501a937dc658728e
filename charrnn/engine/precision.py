"""The precision: in which format an engine multiplies matrices, float32 or bfloat16, which not all processors have.

In either, parameters, states, gates, sums and the loss are float32: see `layers.matmul`.
"""

from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Literal, cast

from charrnn.config import PRECISIONS, one_of
from charrnn.engine.cpu_features import IS_ARM
from charrnn.engine.protocols import Engine
from charrnn.errors import EngineError

NAMES = ("auto", *PRECISIONS)


def resolve_precision(name: str, engine: str) -> Literal["float32", "bfloat16"]:
    """The precision for a numba or numpy engine: `auto` means bfloat16 where the processor multiplies faster in it.

    Raises `ConfigError` for an unknown name, and `EngineError` for bfloat16 where the processor or the system lacks it.
    NumPy has it everywhere, but slowly: it is the reference.
    """
    one_of("precision", name, NAMES)
    if name == "auto":
        return "bfloat16" if engine == "numba" and bfloat16_is_faster() else "float32"
    if name == "bfloat16" and engine == "numba" and (problem := problem_with_bfloat16()):
        raise EngineError(f'{problem}: use `precision="float32"`')
    return cast(Literal["float32", "bfloat16"], name)


def bfloat16_is_faster() -> bool:
    """Whether the numba engine computes in bfloat16 here, and multiplies large matrices faster in it."""
    from charrnn.engine.kernels.bfloat16 import IS_FASTER

    return IS_FASTER and not problem_with_bfloat16()


def problem_with_bfloat16() -> str:
    """Why the numba engine can't compute in bfloat16 here; empty if it can, which asks the system for what it takes."""
    from charrnn.engine.kernels.amx import request_tiles
    from charrnn.engine.kernels.bfloat16 import HAS_PRODUCTS, HAS_TILES

    if not HAS_PRODUCTS:
        needed = "FEAT_BF16" if IS_ARM else "AVX512_BF16 or AMX"
        return f"this processor can't multiply in bfloat16, for which it takes {needed}"
    if HAS_TILES and not request_tiles():
        return "this system doesn't let programs use the processor's AMX, which multiplies in bfloat16"
    return ""


@cache
def in_bfloat16(engine: Engine) -> Engine:
    """The engine, with all products of its cells and of its linear layer in bfloat16."""
    cells = {name: layer for name, layer in vars(engine).items() if hasattr(layer, "GATES")}
    changed = {name: _in_bfloat16(cell, "forward") for name, cell in cells.items()}
    changed["linear"] = _in_bfloat16(engine.linear, "forward", "backward")
    return cast(Engine, SimpleNamespace(**(vars(engine) | changed)))


def _in_bfloat16(layer: Any, *functions: str) -> SimpleNamespace:
    """The layer, of which some functions take a precision."""
    changed = {name: partial(getattr(layer, name), precision="bfloat16") for name in functions}
    return SimpleNamespace(**(vars(layer) | changed))
