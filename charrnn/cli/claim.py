"""The claim: a run's hold on the name of its model, which no other run on this machine writes meanwhile."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn import checkpoint as checkpoints
from charrnn.errors import CheckpointError
from charrnn.storage import writing


class TakenError(CheckpointError):
    """A name that another run holds."""


def claim(path: Path) -> FileLock:
    """Holds the name of a model until it is released, or the process ends, however it does; nobody is waited for.

    What earlier runs of this name left half written is removed. Raises `TakenError` where another run holds it, and
    `CheckpointError` where its folder can't be written to.
    """
    path = Path(os.path.realpath(path))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            if not os.path.exists(lock.lock_file):  # as in folders that the system makes up
                raise CheckpointError(f"can't write {path}: its folder takes no files") from None
            raise TakenError(f"another run is writing {path}: wait for its end, or give another --out") from None
    for name in (path.name, checkpoints.resume_path(path).name):
        for left in path.parent.glob(f".{glob.escape(name)}.*.tmp"):
            with suppress(OSError):
                left.unlink()
    return lock


@contextmanager
def given_up_on_failure(lock: FileLock) -> Iterator[None]:
    """Leaves nothing of a claim where what is done with it fails: nothing was written under the name then."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()
        raise
