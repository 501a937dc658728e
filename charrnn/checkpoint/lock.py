"""The claim: a run's hold on the name of its model, which no other run on this machine writes meanwhile."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.checkpoint import file_pair, naming
from charrnn.checkpoint.atomic_file import remove_stale_temp, write_errors
from charrnn.errors import CheckpointError


class LockedError(CheckpointError):
    """A name that another run holds."""


def lock_path(path: Path) -> Path:
    """The file by which a name is held. We leave it: to remove it might let two runs hold two files of that name."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.lock")


def acquire(path: Path) -> FileLock:
    """Holds the name of a model until it is released, or the process ends, however it does; nobody is waited for.

    What earlier runs of this name left half done is removed, or undone. Raises `LockedError` where another run holds it,
    and `CheckpointError` where its folder can't be written to.
    """
    held = lock_path(path)
    with write_errors(path):
        held.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(held, timeout=0)
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            if not os.path.exists(lock.lock_file):  # as in folders that the system makes up
                raise CheckpointError(f"can't write {path}: its folder takes no files") from None
            raise LockedError(f"another run is writing {path}: wait for its end, or give another --out") from None
    file_pair.restore_backups(path)
    for each in (path, naming.resume_path(path)):
        remove_stale_temp(each)
    return lock
