"""The compile cache: a folder for the code that numba compiles, a separate one for each version of the sources."""

import hashlib
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

KERNELS = Path(__file__).parent / "kernels"
"""All compiled code comes from the sources in this folder."""

_temporary_folder: tempfile.TemporaryDirectory[str] | None = None
"""The cache if no other folder is writable; removed when the process ends."""


def load_compiled() -> ModuleType:
    """Imports the numba engine, with a cache folder of its own; numba's setting for other packages does not change."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _cache_folder(before)
    try:
        return import_module("charrnn.engine.kernels")
    finally:
        numba.config.CACHE_DIR = before


def _cache_folder(configured: str) -> str:
    """A writable folder for this version of the sources: within `configured`, the folder that numba is set to, if any.

    Otherwise it is beside the sources, or in the user's cache if those are read-only. Numba checks the processor, its
    own version, and the file that a function is in, but not the files of the functions that it calls: after an upgrade
    it would run old code. Hence the digest of all sources in the folder's name.
    """
    from numba.misc.appdirs import AppDirs

    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(KERNELS.rglob("*.py")))).hexdigest()[:16]
    user_cache = Path(AppDirs("charrnn", False).user_cache_dir)
    for parent in [Path(configured)] if configured else [KERNELS / "__pycache__", user_cache]:
        try:
            folder = parent / f"numba-{digest}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    global _temporary_folder
    _temporary_folder = tempfile.TemporaryDirectory(prefix="charrnn-")
    return _temporary_folder.name


def on_compilation(begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Calls `begin` and `end` around every compilation of a function; compiled code from the cache makes no calls.

    Functions that are compiled because another one calls them make no calls of their own.
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
