"""The lock of a model's path: it keeps two runs on one machine from writing the same model."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.checkpoint import file_pair
from charrnn.checkpoint.atomic_file import remove_stale_temp, write_errors
from charrnn.checkpoint.paths import resume_path
from charrnn.errors import CheckpointError, LockedError

ATTEMPTS = 5
"""How often a lock is asked for whose file is gone: another run may have discarded it at that moment."""


class Lock:
    """The lock of a model's path, held until it is released or the process ends."""

    def __init__(self, file: FileLock, is_new: bool):
        """`is_new` says that the lock's file was made for it."""
        self._file = file
        self._is_new = is_new

    def release(self) -> None:
        """Releases the lock. Its file stays beside the model that was written."""
        self._file.release()

    def discard(self) -> None:
        """Releases the lock of a run that has not begun, without its file if that is new.

        The file is removed while it is locked: who has opened it before finds out and asks for the lock again. A
        system that removes no open files does so when the lock is released.
        """
        if self._is_new and self._file.is_locked:
            with suppress(OSError):
                os.unlink(self._file.lock_file)
        self._file.release()

    @contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """Discards the lock if the block raises an error."""
        try:
            yield
        except BaseException:
            self.discard()
            raise


def lock_path(path: Path) -> Path:
    """The path of the lock file. It stays as long as the model does, so that all runs lock the same file."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.lock")


def acquire(path: Path) -> Lock:
    """Locks a model's path until the lock is released or the process ends; it never waits for another run.

    Cleans up after killed runs. Raises `LockedError` if another run has the lock, and `CheckpointError` if its folder
    can't be written.
    """
    file = lock_path(path)
    with write_errors(path):
        file.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            is_new = not os.path.lexists(file)
            lock = FileLock(file, timeout=0, thread_local=False)  # a run may end in another thread
            try:
                lock.acquire()
                break
            except Timeout:  # an OSError too
                if os.path.exists(lock.lock_file):
                    raise LockedError(
                        f"another run is writing {path}: wait for it to end, or give another `checkpoint`"
                    ) from None
                if attempt == ATTEMPTS:  # as in folders like /proc
                    raise CheckpointError(f"can't write {path}: no files can be created in its folder") from None
            except OSError:  # filelock follows no link, so that nobody can have another file emptied
                if file.is_symlink():
                    raise CheckpointError(f"can't write {path}: its lock {file} is a link: remove the link") from None
                raise
    locked = Lock(lock, is_new)
    with locked.discarded_on_error():
        file_pair.restore_backups(path)
        for each in (path, resume_path(path)):
            remove_stale_temp(each)
    return locked
