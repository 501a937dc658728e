"""The lock of a model's path: it keeps two runs on one machine from writing the same model."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.checkpoint import file_pair
from charrnn.checkpoint.atomic_file import remove_stale_temp, write_errors
from charrnn.checkpoint.paths import resume_path
from charrnn.errors import CheckpointError, LockedError


def lock_path(path: Path) -> Path:
    """The path of the lock file. It is never removed: otherwise two runs might lock different files of that name."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.lock")


def acquire(path: Path) -> FileLock:
    """Locks a model's path until the lock is released or the process ends; it never waits for another run.

    Cleans up after killed runs. Raises `LockedError` if another run has the lock, and `CheckpointError` if its folder
    can't be written.
    """
    file = lock_path(path)
    with write_errors(path):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file, timeout=0, thread_local=False)  # a run may end in another thread
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            if not os.path.exists(lock.lock_file):  # as in folders like /proc
                raise CheckpointError(f"can't write {path}: no files can be created in its folder") from None
            raise LockedError(f"another run is writing {path}: wait for it to end, or give another --out") from None
        except OSError:  # filelock follows no link, so that nobody can have another file emptied
            if file.is_symlink():
                raise CheckpointError(f"can't write {path}: its lock {file} is a link: remove the link") from None
            raise
    try:
        file_pair.restore_backups(path)
        for each in (path, resume_path(path)):
            remove_stale_temp(each)
    except BaseException:
        lock.release()
        raise
    return lock
