"""The name of a new run's model: given or derived from the corpus, free, and locked."""

import itertools
import os
import re
from pathlib import Path

from charrnn.checkpoint.lock import Lock, acquire
from charrnn.checkpoint.paths import FOLDER, RESUME_SUFFIX, SUFFIX, resume_path
from charrnn.dataset.compression import COMPRESSED_SUFFIXES
from charrnn.dataset.files import STDIN
from charrnn.errors import CheckpointError, ConfigError, LockedError

MAX_NAME_BYTES = 150
"""The longest name that is derived from another: file systems allow 255 bytes, and suffixes follow."""


def check_model_path(path: Path) -> Path:
    """The path, if it is fit for a model's file; otherwise raises `CheckpointError` or `ConfigError`."""
    if os.path.isdir(path):
        raise CheckpointError(f"{path} is a folder: give `checkpoint` the name of a file in it")
    names = (path.name, os.path.basename(os.path.realpath(path)))  # a link may lead to the state of another run
    if path.suffix != SUFFIX or any(name.endswith(RESUME_SUFFIX) for name in names):
        name = path.name.removesuffix(RESUME_SUFFIX).removesuffix(SUFFIX) + SUFFIX
        raise ConfigError(
            f'the name of a model\'s file must end in {SUFFIX}: give `checkpoint="{path.with_name(name)}"`'
        )
    return path


def reserve(path: Path, force: bool, advice: str = "continue it with `charrnn.resume`, ") -> Lock:
    """The lock of a path for a new run. Raises `CheckpointError` if a file exists there, unless `force` is true.

    `advice` says what else can be done about such a file.
    """
    lock = acquire(check_model_path(path))
    for taken in (path, resume_path(path)):
        if taken.exists() and not force:
            lock.discard()
            raise CheckpointError(
                f"{taken} exists: {advice}overwrite it with `force=True`, or give another `checkpoint`"
            )
    return lock


def reserve_free(corpus_path: str, force: bool, folder: Path = FOLDER) -> tuple[Path, Lock]:
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
        lock.discard()
    raise AssertionError("all numbers are taken")


def _stem(path: str) -> str:
    """The name of a model for a corpus: as much of the corpus's name as every file system allows."""
    file = Path(os.path.realpath(path))
    name = "stdin" if path == STDIN else (Path(file.stem) if file.suffix in COMPRESSED_SUFFIXES else file).stem
    short = re.sub(r"[^\w.-]+", "-", name).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return re.sub(r"(\.resume|[-.])+$", "", short.lstrip("-.")) or "corpus"
