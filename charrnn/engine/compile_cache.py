"""The compile cache: folders for the code that numba compiles, a separate one for each version of what it depends on.

It is known without numba which functions are in it. `kernels/kernel.py` reads and writes it.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from charrnn.engine.cpu_features import host_features

KERNELS = Path(__file__).parent / "kernels"
"""All compiled code comes from the sources in this folder."""
VARIABLE = "NUMBA_CACHE_DIR"
"""The environment variable that names the folder for compiled code, of charrnn and of others."""
FOLDER_NAME = re.compile(r"numba-[0-9a-f]{16}")
ORIGIN = "origin.json"
"""The file that says which sources the code in a folder comes from. It is as old as the last use of the folder."""
DAY = 86400.0
MAX_IDLE_DAYS, MAX_IDLE_DAYS_OF_OTHER_SOURCES = 60, 1
"""The days without use after which a folder is removed; and if its sources have changed or are no longer there."""
TARGET_VARIABLES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
"""The environment variables that say which instructions are compiled for."""


class Listener(NamedTuple):
    """What is called before and after a compilation, and with a folder when the code can't be written to it."""

    begin: Callable[[], None]
    end: Callable[[], None]
    failed: Callable[[Path, OSError], None]


listeners: list[Listener] = []
failures: dict[Path, OSError] = {}
"""Why folders can't be written to; nothing is written to them again."""


def mark_used() -> None:
    """Notes that this version is in use."""
    for folder in folders():
        with suppress(OSError):
            if time.time() - (folder / ORIGIN).stat().st_mtime > DAY / 24:
                os.utime(folder / ORIGIN)


def on_compilation(begin: Callable[[], None], end: Callable[[], None], failed: Callable[[Path, OSError], None]) -> None:
    """Calls `begin` and `end` around every compilation of a function; compiled code from the cache makes no calls.

    Functions that are compiled because another one calls them make no calls of their own. `failed` is called with a
    folder that can no longer be written to, for instance because the disk is full: nothing else comes of that.
    """
    listeners.append(Listener(begin, end, failed))


# Which folders, and what is in them


@cache
def folders() -> tuple[Path, ...]:
    """The folders of this version, in the order in which they are read and written; they need not exist."""
    return tuple(parent / f"numba-{_version()}" for parent in _parents())


def _parents() -> list[Path]:
    """The folder that numba is set to; otherwise that beside the sources of a clone, and the user's cache.

    An installed package has nothing beside its sources, since it would stay there when the package is uninstalled.
    """
    if configured := configured_folder():
        return [Path(configured, "charrnn")]
    found = [KERNELS / "__pycache__"] if _is_clone() else []
    if (user := user_cache()) is not None:
        found.append(user / "charrnn")
    return found


def _is_clone() -> bool:
    """Whether the sources are a clone of the repository, not an installed package."""
    return (KERNELS.parents[2] / "pyproject.toml").is_file()


def configured_folder() -> str:
    """The folder that numba is set to, if any: in Python, or in the environment."""
    config = getattr(sys.modules.get("numba"), "config", None)
    return str(os.environ.get(VARIABLE, "") if config is None else config.CACHE_DIR)


def user_cache() -> Path | None:
    """The folder for the caches of this user's programs; None without a home."""
    home = Path(os.path.expanduser("~") if os.environ.get("HOME", "~") else "")
    if sys.platform == "win32":
        given, default = os.environ.get("LOCALAPPDATA", ""), home / "AppData" / "Local"
    elif sys.platform == "darwin":
        given, default = "", home / "Library" / "Caches"
    else:
        given, default = os.environ.get("XDG_CACHE_HOME", ""), home / ".cache"
    if Path(given).is_absolute():
        return Path(given)
    return default if home.is_absolute() and os.path.isdir(home) and home != home.parent else None


@cache
def _version() -> str:
    """A digest of all that compiled code depends on: the sources, where they are, Python, numba and the processor.

    Numba checks most of these too, but not the files of the functions that a function calls: after an upgrade it would
    run old code.
    """
    parts = (sources_digest(KERNELS), str(KERNELS), sys.implementation.cache_tag, _numba_version(), *_target())
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def sources_digest(kernels: Path) -> str:
    """The digest of all sources in a folder."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(kernels.rglob("*.py")))).hexdigest()


def _numba_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:
        return ""


def _target() -> tuple[object, ...]:
    """What says which instructions are compiled for; the host's name, as LLVM knows it, and its features."""
    given = tuple(os.environ.get(name) for name in TARGET_VARIABLES)
    from llvmlite import binding

    return (*given, binding.get_host_cpu_name(), ",".join(sorted(host_features())))


def compiled() -> set[str]:
    """The functions whose code is in the cache, by module and name: `linear._backward`, `linear._backward.bfloat16`."""
    return {name.partition("-")[0] for folder in folders() for name in _names(folder) if name.endswith(".nbc")}


def size() -> int:
    """The bytes of the cache."""
    return sum(os.path.getsize(folder / name) for folder in folders() for name in _names(folder))


def _names(folder: Path) -> list[str]:
    """The names in a folder; none if it can't be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


# Writing


def writable_folder() -> Path | None:
    """The first folder that can be written to, which then exists; None if there is none."""
    for folder in folders():
        if folder in failures:
            continue
        try:
            if not (folder / ORIGIN).exists():
                _create(folder)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            failures[folder] = error
    return None


def is_open() -> bool:
    """Whether a folder may be written to, as far as its permissions say; nothing is created to find that out."""
    existing = (next(filter(os.path.exists, (folder, *folder.parents)), folder) for folder in folders())
    return any(os.path.isdir(folder) and os.access(folder, os.W_OK) for folder in existing)


def give_up(folder: Path, error: OSError) -> None:
    """Writes nothing to the folder any more, and says so."""
    failures[folder] = error
    for listener in listeners:
        listener.failed(folder, error)


def _create(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    origin = {"kernels": str(KERNELS), "sources": sources_digest(KERNELS)}
    (folder / ORIGIN).write_text(json.dumps(origin), encoding="utf-8")
    sweep()


def sweep() -> None:
    """Removes the folders of other versions that nobody has used for a while, and what older ones left in the package.

    It looks in charrnn's own folders alone. A process that uses one all the same loses nothing but time.
    """
    beside = KERNELS / "__pycache__"
    for parent in {*_parents(), beside}:
        for folder in (parent / name for name in _names(parent) if FOLDER_NAME.fullmatch(name)):
            if folder not in folders() and ((parent == beside and not _is_clone()) or _is_stale(folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    """Whether a folder has not been used for as long as one of its kind may be."""
    origin, days = folder / ORIGIN, MAX_IDLE_DAYS_OF_OTHER_SOURCES
    with suppress(OSError, ValueError, KeyError, TypeError):  # an older version of charrnn wrote no origin
        found = json.loads(origin.read_text(encoding="utf-8"))
        if sources_digest(Path(found["kernels"])) == found["sources"]:
            days = MAX_IDLE_DAYS
    try:
        used = (origin if origin.exists() else folder).stat().st_mtime
    except OSError:
        return False
    return time.time() - used > days * DAY
