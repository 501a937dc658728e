"""An atomic file: written whole or not at all, flushed to disk before it takes its name."""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from charrnn.errors import CheckpointError

OWNER_MODE, PERMISSION_BITS = 0o600, 0o777
"""Permissions: what the owner always may do with a file, and all that there are."""


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raises `CheckpointError`, which names the path, for what the system says: the disk is full, the folder gone, …"""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"can't write {path}: {error.strerror or error}") from None


class AtomicFile:
    """A file as it is to be, flushed to disk beside the place that it will take. Left unpublished, it goes again.

        with Draft(path, content) as draft:
            draft.publish()

    Whoever reads finds the old file or the new one, which others may read as they could the old one, or, where there is
    none, the one that it is to be `like`. A symbolic link stays one: what it leads to is written. Raises
    `CheckpointError` where the disk won't have it, and the old file then stays, or for what is no file, such as a
    folder or a device.
    """

    def __init__(self, path: Path, *parts: bytes | memoryview, like: Path | None = None):
        with write_errors(path):  # the working folder may be gone
            self.path = Path(os.path.realpath(path))
        with write_errors(self.path):
            _check_file(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.token = secrets.token_hex(4)
            self.temporary = temporary_path(self.path, self.token)
            try:
                with open(self.temporary, "xb") as file:
                    for model in filter(None, (like, self.path)):
                        with suppress(OSError):
                            os.chmod(self.temporary, os.stat(model).st_mode & PERMISSION_BITS | OWNER_MODE)
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                self._discard()
                raise

    def publish(self) -> None:
        """Gives the file its name, in one step, and has that last through a power cut."""
        with write_errors(self.path):
            os.replace(self.temporary, self.path)
            _flush_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _discard(self) -> None:
        with suppress(OSError):  # it may have its name already; or be in nobody's way, and is swept later
            os.unlink(self.temporary)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes any file as `write` does."""
    with AtomicFile(path, content) as file:
        file.publish()


def remove_stale_temp(path: Path) -> None:
    """Removes what processes that were killed have left of drafts of a file."""
    for left in _siblings(path, "tmp"):
        with suppress(OSError):
            left.unlink()


def move_to_backup(path: Path, token: str) -> None:
    """Gives a file, if there is one, a hidden name with a token, until `restore_or_delete_backup` is called.

    Raises `CheckpointError` where that can't be done, or for what is no file.
    """
    with write_errors(path), suppress(FileNotFoundError):
        _check_file(path)
        os.replace(os.path.realpath(path), _sibling(path, token, "old"))


def restore_or_delete_backup(path: Path, token: str, temporary: Path) -> None:
    """Removes a file that was set aside for what a draft was to be, or puts it back where the draft is one still.

    That is so as long as its temporary file is there.
    """
    old, real = _sibling(path, token, "old"), os.path.realpath(path)
    with suppress(OSError):  # there was none
        if os.path.exists(temporary) and not os.path.exists(real):
            os.replace(old, real)
        else:
            os.unlink(old)


def backup_tokens(path: Path) -> list[str]:
    """Those with which a file was set aside by processes that were killed before they had settled it."""
    return [old.name.split(".")[-2] for old in _siblings(path, "old")]


def temporary_path(path: Path, token: str) -> Path:
    """Where the draft with that token lies."""
    return _sibling(path, token, "tmp")


def _sibling(path: Path, token: str, suffix: str) -> Path:
    """A hidden name beside a file, or beside what it leads to."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.{token}.{suffix}")


def _siblings(path: Path, suffix: str) -> list[Path]:
    """The files that have such names, with whatever token."""
    real = Path(os.path.realpath(path))
    return list(real.parent.glob(f".{glob.escape(real.name)}.{'[0-9a-f]' * 8}.{suffix}"))


def _check_file(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"can't write {path}: it is no file that could be replaced")


def _flush_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system has a way to; the rename is done in any case."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # some file systems of a network know no such thing
            descriptor = os.open(folder, os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
