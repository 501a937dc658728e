"""The compile time: how long numba would take to compile what a job needs and the cache lacks, known without numba."""

import os
import time
from collections.abc import Collection
from functools import cache

from charrnn.engine import compile_cache
from charrnn.optional import is_installed

SECONDS = {
    "adam._adam": 1.0,
    "attention._activation_back": 0.1,
    "attention._attend": 5.5,
    "attention._attend_back": 6.3,
    "attention._remove_padding": 0.3,
    "attention._restore_padding": 0.3,
    "decoder._run": 19.5,
    "decoder._run.bfloat16": 19.5,
    "decoder._run.int8": 26.0,
    "dropout._drop": 0.5,
    "embedding._add_rows": 0.2,
    "embedding._look_up": 0.3,
    "gru._pack_and_backward": 1.6,
    "gru._pack_and_backward.bfloat16": 0.8,
    "gru._pack_and_forward": 1.6,
    "gru._pack_and_forward.bfloat16": 0.8,
    "learner._read_gru": 19.8,
    "learner._read_lstm": 19.8,
    "learner._read_rnn": 19.0,
    "linear._backward": 3.5,
    "linear._backward.bfloat16": 1.7,
    "lstm._pack_and_backward": 1.5,
    "lstm._pack_and_backward.bfloat16": 0.8,
    "lstm._pack_and_forward": 1.7,
    "lstm._pack_and_forward.bfloat16": 1.4,
    "matmul._multiply": 0.3,
    "matmul.pack_and_multiply": 3.4,
    "matmul.pack_and_multiply.bfloat16": 1.5,
    "matmul.pack_panels": 0.7,
    "outer.add_outer": 3.2,
    "outer.add_outer.bfloat16": 0.7,
    "rnn._pack_and_backward": 1.4,
    "rnn._pack_and_backward.bfloat16": 0.8,
    "rnn._pack_and_forward": 1.4,
    "rnn._pack_and_forward.bfloat16": 0.9,
    "softmax._cross_entropy": 0.3,
    "softmax._token_nll": 0.7,
}
"""The seconds that each kernel which Python calls took to compile on a core of an AMD EPYC; what several of them call
counts once. Those in bfloat16 were measured on a core of an Intel Xeon with AMX, and scaled by what the others took."""
YARDSTICK_SECONDS = 0.042
"""The seconds that `_yardstick` took on that machine."""
IN_BFLOAT16, IN_INT8 = ".bfloat16", ".int8"
"""How the names end of kernels that are compiled for products in these; the same kernels exist in float32 too."""
SHARED = ("linear.", "matmul.", "outer.")
"""How the names begin of kernels in bfloat16 that all cells call."""


def sampling(precision: str = "float32") -> frozenset[str]:
    """The kernels that sampling calls with weights in a precision: one for all cells."""
    return frozenset(
        {"decoder._run", "matmul.pack_panels"} if precision == "float32" else {f"decoder._run.{precision}"}
    )


def scoring(cell: str) -> frozenset[str]:
    """The kernels that a model with this cell calls when it reads texts."""
    names = ("embedding._look_up", "matmul.pack_and_multiply", "softmax._token_nll")
    return frozenset({f"{cell}._pack_and_forward", *names})


def adapting(cell: str) -> frozenset[str]:
    """The kernels that a language model with this cell calls when it learns from a text as it reads it."""
    return frozenset({f"learner._read_{cell}", "matmul.pack_panels"})


def training(
    cell: str, form: str = "language_model", samples: bool = False, precision: str = "float32"
) -> frozenset[str]:
    """The kernels that training such a network calls, also in its evaluations; `samples`: and in samples on the way.

    Evaluations and samples are in float32, whatever the precision of training. The network has dropout, as most do.
    """
    products = {f"{cell}._pack_and_backward", "outer.add_outer", "linear._backward"}
    if precision == "bfloat16":
        steps = {f"{cell}._pack_and_{way}{IN_BFLOAT16}" for way in ("forward", "backward")}
        products = steps | {name for name in SECONDS if name.endswith(IN_BFLOAT16) and name.startswith(SHARED)}
    others = {"adam._adam", "dropout._drop", "embedding._add_rows", "softmax._cross_entropy"}
    of_attention = {name for name in SECONDS if name.startswith("attention.")}
    of_attention |= {"matmul._multiply", "matmul.pack_panels"}
    found = scoring(cell) | products | others | (of_attention if form == "translator" else set())
    return found | sampling() if samples and form == "language_model" else found


def to_compile(kernels: Collection[str]) -> float:
    """The seconds that compiling those of the kernels takes that are not in the cache; 0 if there is no numba."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" or not all(map(is_installed, ("numba", "llvmlite"))):
        return 0.0
    try:
        missing = {*kernels} - compile_cache.compiled()
    except (ImportError, OSError):  # llvmlite can't be loaded, and so numba can't
        return 0.0
    return sum(SECONDS[name] for name in missing) * _slowness() if missing else 0.0


@cache
def _slowness() -> float:
    """How much longer than that machine this one takes, as it is loaded now."""
    return _yardstick() / YARDSTICK_SECONDS


def _yardstick() -> float:
    """The seconds that Python takes to parse a few sources: work of the same kind as a compiler's."""
    import ast

    sources = [path.read_text(encoding="utf-8") for path in sorted(compile_cache.KERNELS.glob("*.py"))]
    began = time.perf_counter()
    for source in sources:
        ast.parse(source)
    return time.perf_counter() - began
