"""The threads of BLAS, the library with which NumPy multiplies matrices: one, wherever charrnn computes.

Its matrices are small, and threads that share such a product wait for each other more than they work. With several
processes they also wait for cores that the others have, ten times as long. What is worth several threads is divided
into shards, each computed by a thread of its own: see `engine.threads`.

The program says so to BLAS before that starts (`start_with_one`). Other programs use charrnn as a library, so BLAS is
limited while charrnn computes, and has its own number of threads after that (`limit`, `limited`). This does not reach
Apple's Accelerate: with it, set VECLIB_MAXIMUM_THREADS=1 before you import NumPy.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import compress
from operator import not_
from threading import RLock
from typing import Any, TypeVar

VARIABLES = {
    "OPENBLAS_NUM_THREADS": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "MKL_NUM_THREADS": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "BLIS_NUM_THREADS": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS": ("VECLIB_MAXIMUM_THREADS",),
}
"""The variable of each library, and those that it reads when it is loaded: the first that is set holds."""
NAMES = {name for names in VARIABLES.values() for name in names}
Item = TypeVar("Item")

_starts_with_one = False
"""Whether every library that NumPy may use reads in the environment that it has one thread."""
_lock = RLock()
_limits: list[int] = []
"""Those that are in force, in any thread of Python."""
_before: list[int] = []
"""The threads that each shared library had before them."""


def start_with_one() -> None:
    """Gives BLAS one thread by the environment, unless a variable there says how many; before NumPy is loaded.

    It is for a process that runs nothing but charrnn, which then starts sooner too: BLAS has no threads to start. If
    NumPy has been loaded, it changes nothing.
    """
    global _starts_with_one
    if "numpy" in sys.modules:
        return
    for own, names in VARIABLES.items():
        if not any(map(os.environ.get, names)):
            os.environ[own] = "1"
    said = [next(filter(None, map(os.environ.get, names))) for names in VARIABLES.values()]
    _starts_with_one = said == ["1"] * len(said)


@contextmanager
def limit(n: int | None = 1) -> Iterator[None]:
    """Gives BLAS n threads within the block; None: one, unless a variable of the environment says how many.

    The limit is that of the whole process, or of this thread and those that `limit_thread` is called in; that depends
    on the library. Of several at the same time the smallest holds, and after the last one BLAS has what it had.
    """
    if n is None:
        n = None if any(map(os.environ.get, NAMES)) else 1
    if n is None or (n == 1 and _starts_with_one):
        yield
        return
    shared, own = _libraries()
    with _lock:
        if not _limits:
            _before[:] = [library.num_threads for library in shared]
        _limits.append(n)
        before = [library.num_threads for library in own]
        _set((*shared, *own), [min(_limits)] * (len(shared) + len(own)))
    try:
        yield
    finally:
        with _lock:
            _limits.remove(n)
            _set(own, before)
            _set(shared, [min(_limits)] * len(shared) if _limits else _before)


def limited(items: Iterator[Item], n: int | None = 1) -> Iterator[Item]:
    """The items, with `limit` while each one is made, but not while the caller has it."""
    end = object()
    while True:
        with limit(n):
            item: Any = next(items, end)
        if item is end:
            return
        yield item


def limit_thread() -> None:
    """Gives BLAS one thread in this thread, to its end, if the library counts for each thread of its own."""
    if not _starts_with_one:
        own = _libraries()[1]
        _set(own, [1] * len(own))


@cache
def _libraries() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What controls NumPy's BLAS: the libraries with a number for the process, and those with one for each thread."""
    import numpy  # noqa: F401 - loads BLAS
    from threadpoolctl import ThreadpoolController  # takes longer than most steps

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [library.internal_api == "mkl" or library.threading_layer == "openmp" for library in found]
    return tuple(compress(found, map(not_, own))), tuple(compress(found, own))


def _set(libraries: Sequence[Any], numbers: Sequence[int]) -> None:
    """Sets the number of threads of each library."""
    for library, n in zip(libraries, numbers, strict=True):
        # Newer versions of threadpoolctl let a single thread control OpenBLAS, and ignore the others
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(n)
        release(force=True)
