"""The selection of an engine: by name, by the size of the job, and if numba can't be used."""

import importlib.util
import sys

import pytest

from charrnn import engine as engines
from charrnn.engine import MAX_NUMPY_CHARS, Engine, selection
from charrnn.engine.protocols import Attention, Cell, Dropout, Embedding, Linear, Softmax
from charrnn.errors import ConfigError, EngineError
from support.cells import CELLS

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")


def declared(protocol: type) -> set[str]:
    """The names of a protocol's attributes and methods."""
    return {name for name in {*protocol.__annotations__, *vars(protocol)} if not name.startswith("_")}


def test_every_engine_has_what_the_protocols_declare(engine: Engine) -> None:
    layers = {"dropout": Dropout, "embedding": Embedding, "linear": Linear, "softmax": Softmax, "attention": Attention}
    parts = layers | dict.fromkeys(CELLS, Cell)
    assert declared(Engine) == {*parts, "Decoder", "Learner", "adam"}
    assert all(hasattr(engine, name) for name in declared(Engine))
    of_the_reference = set() if engine is engines.load("numpy") else {"step", "units_and_gates"}
    for name, protocol in parts.items():
        layer = getattr(engine, name)
        assert {attribute for attribute in declared(protocol) if not hasattr(layer, attribute)} <= of_the_reference


@needs_numba
def test_auto_is_numba_except_for_small_jobs() -> None:
    assert engines.resolve("auto") == engines.resolve("numba") == "numba"
    assert engines.resolve("auto", MAX_NUMPY_CHARS + 1) == engines.resolve("numba", 1) == "numba"
    assert engines.resolve("auto", MAX_NUMPY_CHARS) == engines.resolve("numpy") == "numpy"


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(ConfigError, match="choose one of auto, numpy, numba"):
        engines.resolve("fortran")


def test_without_numba_auto_is_numpy_and_numba_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "is_installed", lambda name: False)
    assert engines.resolve("auto") == "numpy"
    with pytest.raises(
        EngineError, match=r"is not installed: pip install 'charrnn-text\[fast\]', or use `engine=.numpy.`"
    ):
        engines.resolve("numba")


def test_a_numba_that_fails_to_load_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "is_installed", lambda name: True)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert engines.resolve("auto") == "numpy"
    with pytest.raises(EngineError, match=r"can't be loaded: .*, or use `engine=.numpy.`"):
        engines.resolve("numba")


@needs_numba
def test_a_disabled_compiler_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert engines.resolve("auto") == "numpy"
    with pytest.raises(EngineError, match=r"is disabled by NUMBA_DISABLE_JIT: unset it, or use `engine=.numpy.`"):
        engines.resolve("numba")
