"""The names of checkpoint files: of a model, of the training state beside it, and of a new run."""

import itertools
import os
import re
from pathlib import Path

from filelock import FileLock

from charrnn.checkpoint.lock import LockedError, acquire
from charrnn.checkpoint.paths import RESUME_SUFFIX, SUFFIX, resume_path
from charrnn.dataset.files import STDIN
from charrnn.errors import CheckpointError, ConfigError

FOLDER = Path("checkpoints")
"""Where models are written, and looked for, if no path is given."""
MAX_NAME_BYTES = 150
"""The longest name that is derived from another: file systems allow 255 bytes, and suffixes follow."""


def newest(folder: Path = FOLDER) -> Path:
    """The checkpoint of a folder that was written last. Raises `CheckpointError` if there is none."""
    return _newest(folder, [path for path in folder.glob("*" + SUFFIX) if not path.name.endswith(RESUME_SUFFIX)])


def newest_resumable(folder: Path = FOLDER) -> Path:
    """The checkpoint whose training state was written last. Raises `CheckpointError` if there is none."""
    found = _newest(folder, list(folder.glob("*" + RESUME_SUFFIX)))
    return found.with_name(found.name.removesuffix(RESUME_SUFFIX) + SUFFIX)


def _newest(folder: Path, paths: list[Path]) -> Path:
    paths = [path for path in paths if path.is_file()]  # a link may lead nowhere
    if not paths:
        raise CheckpointError(
            f"there is nothing in {folder}{os.sep} yet: make a model with `charrnn train`, or name its file"
        )
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def check_model_path(path: Path) -> Path:
    """The path, if it is fit for a model's file; else raises `CheckpointError` or `ConfigError`."""
    if os.path.isdir(path):
        raise CheckpointError(f"{path} is a folder: give --out the name of a file in it")
    names = (path.name, os.path.basename(os.path.realpath(path)))  # a link may lead to the state of another run
    if path.suffix != SUFFIX or any(name.endswith(RESUME_SUFFIX) for name in names):
        name = path.name.removesuffix(RESUME_SUFFIX).removesuffix(SUFFIX) + SUFFIX
        raise ConfigError(f"the name of a model's file ends in {SUFFIX}: give --out {path.with_name(name)}")
    return path


def reserve(path: Path, force: bool) -> FileLock:
    """The lock of a path for a new run. Raises `CheckpointError` if a file is there, unless `force` is given."""
    lock = acquire(check_model_path(path))
    for taken in (path, resume_path(path)):
        if taken.exists() and not force:
            lock.release()
            raise CheckpointError(
                f"{taken} exists: continue it with --resume, overwrite it with --force, or give another --out"
            )
    return lock


def reserve_free(corpus_path: str, force: bool, folder: Path = FOLDER) -> tuple[Path, FileLock]:
    """A path for a new run, named after its corpus, and the lock; a number is added if the name is taken."""
    path = folder / f"{_stem(corpus_path)}{SUFFIX}"
    if force:
        return path, acquire(path)
    for n in itertools.count(1):
        numbered = path.with_stem(f"{path.stem}-{n}") if n > 1 else path
        try:
            lock = acquire(numbered)  # first, since it cleans up after a killed run
        except LockedError:
            continue
        if not (numbered.exists() or resume_path(numbered).exists()):
            return numbered, lock
        lock.release()
    raise AssertionError("all numbers are taken")


def _stem(path: str) -> str:
    """The name of a model for a corpus: as much of the corpus's name as every file system allows."""
    name = "stdin" if path == STDIN else Path(os.path.realpath(path)).stem
    short = re.sub(r"[^\w.-]+", "-", name).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return re.sub(r"(\.resume|[-.])+$", "", short.lstrip("-.")) or "corpus"
