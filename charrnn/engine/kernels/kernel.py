"""The kernel: a function that numba compiles, without the GIL, and whose code the compile cache keeps."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from numba import njit, types
from numba.core import event, sigutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from charrnn.engine import compile_cache
from charrnn.engine.compile_time import IN_BFLOAT16, IN_INT8

PAIR_TYPE = types.uint32
"""Numba's type of a pair of values in bfloat16 (see `bfloat16`), which no array in float32 has."""
PANEL_TYPES = {types.uint16: IN_BFLOAT16, types.int32: IN_INT8}
"""Numba's types of narrow weights (see `narrow_panels`): other arrays of these types have fewer axes than panels."""
PANEL_AXES = 3


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Makes a kernel of a function, with further options of numba if there are any: `@kernel`, `@kernel(…)`."""
    if function is None:
        return partial(kernel, **options)
    compiled = njit(nogil=True, **options)(function)
    compiled._cache = KernelCache(function)
    return compiled


inner_kernel = partial(kernel, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""A kernel that only kernels call: what Python would need to call it takes longer to compile than all the rest."""


class Locator(_CacheLocator):
    """Tells numba in which folder it finds the code of a function: the one that is being tried."""

    def __init__(self, function: Callable[..., Any]):
        self.line = function.__code__.co_firstlineno
        self.folder = Path()

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Self:
        return cls(py_func)

    def get_cache_path(self) -> str:
        return str(self.folder)

    def get_source_stamp(self) -> str:
        return ""  # the name of the folder says which sources these are

    def get_disambiguator(self) -> str:
        return str(self.line)


class KernelCacheImpl(CompileResultCacheImpl):
    """Numba's way to store compiled code, in any folder."""

    _locator_classes: list[Any] = [Locator]  # noqa: RUF012 - as numba has it


class KernelCache(FunctionCache):
    """The stored code of a function: read from all folders of the cache, written to the first that can be written to.

    Code for narrower products has files of its own, whose names say their precision: see `compile_cache.compiled`.

    Numba's own cache needs a folder that can be written to even if it is complete, and an error while it writes, such
    as a full disk, ends the program.
    """

    _impl_class = KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for these types; None if there is none, or none that can be read."""
        for folder in compile_cache.folders():
            self._open(folder, sig)
            try:
                found = super().load_overload(sig, target_context)
            except Exception:  # a damaged file
                found = None
                with suppress(OSError):
                    self.flush()
            if found is not None:
                return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Stores the code for these types; if no folder takes it, it is for this process alone."""
        while (folder := compile_cache.writable_folder()) is not None:
            self._open(folder, sig)
            try:
                super().save_overload(sig, data)
                return
            except OSError as error:
                compile_cache.give_up(folder, error)

    def _open(self, folder: Path, sig: Any) -> None:
        locator = self._impl.locator
        locator.folder, self._cache_path = folder, str(folder)
        name, dash, rest = self._impl.filename_base.partition("-")
        name += ending(sig)
        self._cache_file = IndexDataCacheFile(self._cache_path, name + dash + rest, locator.get_source_stamp())


def ending(sig: Any) -> str:
    """How the name of the code for a signature of numba's ends: the precision of the matrices that it multiplies."""
    arguments, _ = sigutils.normalize_signature(sig)
    for array in _arrays(arguments):
        if array.dtype == PAIR_TYPE:
            return IN_BFLOAT16
        if array.ndim >= PANEL_AXES and array.dtype in PANEL_TYPES:
            return PANEL_TYPES[array.dtype]
    return ""


def _arrays(kinds: Iterable[Any]) -> Iterator[Any]:
    """The types of arrays among these types, and in tuples among them."""
    for kind in kinds:
        if isinstance(kind, types.Array):
            yield kind
        elif isinstance(kind, types.BaseTuple):
            yield from _arrays(kind)


class _Listener(event.Listener):
    """Tells the listeners of the compile cache about compilations; numba compiles in one thread at a time."""

    depth = 0

    def on_start(self, event: object) -> None:
        self.depth += 1
        if self.depth == 1:
            for listener in compile_cache.listeners:
                listener.begin()

    def on_end(self, event: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            for listener in compile_cache.listeners:
                listener.end()


event.register("numba:compile", _Listener())
