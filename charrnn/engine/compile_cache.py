"""The compile cache: a folder for what numba compiles, kept apart for each state of the sources."""

import hashlib
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

_temporary_folder: tempfile.TemporaryDirectory[str] | None = None
"""Where numba keeps what it compiles if it may write nowhere else; removed at the end of the process."""


def load_compiled() -> ModuleType:
    """Imports the numba engine, and has what is compiled of it kept in a folder of its own."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _cache_folder(before)
    try:
        return import_module("charrnn.engine.kernels")
    finally:
        numba.config.CACHE_DIR = before


def _cache_folder(given: str) -> str:
    """A folder that can be written to, for this state of the sources: within `given` if numba was told a folder.

    Else it is beside the sources, or in the user's cache where these are read-only. Numba itself would look at the one
    file that a function stands in, and after an upgrade go on with old code of the others.
    """
    from numba.misc.appdirs import AppDirs

    sources = Path(__file__).parent / "kernels"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources.glob("*.py")))).hexdigest()[:16]
    places = [Path(given)] if given else [sources / "__pycache__", Path(AppDirs("charrnn", False).user_cache_dir)]
    for place in places:
        try:
            folder = place / f"numba-{digest}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    global _temporary_folder
    _temporary_folder = tempfile.TemporaryDirectory(prefix="charrnn-")
    return _temporary_folder.name


def on_compilation(begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Has `begin` and `end` called around every compilation of a part of the numba engine; there is one on a machine.

    Parts that are compiled for the sake of others, while those are, go without calls of their own.
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
