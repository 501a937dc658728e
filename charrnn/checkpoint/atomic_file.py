"""An atomic file: written whole or not at all, flushed to disk before it takes its name."""

import errno
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from charrnn.errors import CheckpointError, closed_folder, why

OWNER_MODE, PERMISSION_BITS = 0o600, 0o777
"""The permissions that the owner of a file always has, and the permission bits to copy from another file."""


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns system errors, such as a full disk, into a `CheckpointError` that names the path."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"can't write {path}: {why(error, path)}") from None


class AtomicFile:
    """New content of a file, flushed to disk under a temporary name beside it, until `commit` gives it its name.

        with AtomicFile(path, content) as file:
            file.commit()

    Without a commit the content is removed again. A reader finds either the old file or the new one. The new file has
    the permissions of the old one or, if there is none, those of the file `like`. A symbolic link stays one: its target
    is written. Raises `CheckpointError` if the content can't be written, and then the old file stays, or if the path is
    not a regular file but, for instance, a folder or a device.
    """

    def __init__(self, path: Path, *parts: bytes | memoryview, like: Path | None = None):
        with write_errors(path):  # the current folder may be gone
            self.path = Path(os.path.realpath(path))
        with write_errors(self.path):
            _check_regular(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.token = secrets.token_hex(4)
            self.temporary = temporary_path(self.path, self.token)
            try:
                with open(self.temporary, "xb") as file:
                    for other in filter(None, (like, self.path)):
                        with suppress(OSError):
                            os.chmod(self.temporary, os.stat(other).st_mode & PERMISSION_BITS | OWNER_MODE)
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                self._remove_temporary()
                raise

    def commit(self, overwrite: bool = True) -> None:
        """Gives the content its name in one step that survives a power cut.

        Without `overwrite`, raises `CheckpointError` if another file has the name by then.
        """
        with write_errors(self.path):
            if overwrite:
                os.replace(self.temporary, self.path)
            else:
                _name_new(self.temporary, self.path)
            _flush_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        with suppress(OSError):  # it may already have its final name; if not, a later run removes it
            os.unlink(self.temporary)


def check_folder(path: Path) -> None:
    """Raises `CheckpointError` if the folder of a file is missing, for those who don't want it to be made unasked.

    So it does if the folder can't be entered.
    """
    if closed := closed_folder(path):
        raise CheckpointError(f"can't write {path}: {closed}")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        shown = path.parent if folder == Path(os.path.realpath(path.parent)) else folder  # a link may lead elsewhere
        raise CheckpointError(f"can't write {path}: there is no folder {shown}; make it first, or give another name")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole, or not at all."""
    with AtomicFile(path, content) as file:
        file.commit()


def remove_stale_temp(path: Path) -> None:
    """Removes the temporary files of a file that killed processes have left behind."""
    for left in _siblings(path, "tmp"):
        with suppress(OSError):
            left.unlink()


def move_to_backup(path: Path, token: str) -> None:
    """Gives a file, if there is one, a hidden name with a token, until `restore_or_delete_backup` is called.

    Raises `CheckpointError` if that can't be done, or if the path is not a regular file.
    """
    with write_errors(path), suppress(FileNotFoundError):
        _check_regular(path)
        os.replace(os.path.realpath(path), _sibling(path, token, "old"))


def restore_or_delete_backup(path: Path, token: str, temporary: Path) -> None:
    """Deletes the backup of a file, or restores it if the new content was not committed.

    The new content's temporary file exists until it is committed.
    """
    backup, real = _sibling(path, token, "old"), os.path.realpath(path)
    with suppress(OSError):  # there may be no backup
        if os.path.exists(temporary) and not os.path.exists(real):
            os.replace(backup, real)
        else:
            os.unlink(backup)


def backup_tokens(path: Path) -> list[str]:
    """The tokens of the backups of a file that killed processes have left behind."""
    return [backup.name.split(".")[-2] for backup in _siblings(path, "old")]


def temporary_path(path: Path, token: str) -> Path:
    """The temporary name of the content with this token."""
    return _sibling(path, token, "tmp")


def _sibling(path: Path, token: str, suffix: str) -> Path:
    """A hidden path beside a file, or beside the target of a link."""
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.{token}.{suffix}")


def _siblings(path: Path, suffix: str) -> list[Path]:
    """The files with such names and any token."""
    real = Path(os.path.realpath(path))
    return list(real.parent.glob(f".{glob.escape(real.name)}.{'[0-9a-f]' * 8}.{suffix}"))


def _name_new(temporary: Path, path: Path) -> None:
    """Gives a file a name that no other file has. Raises `FileExistsError` if one has."""
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces a file
    except FileExistsError:
        raise
    except OSError:  # some file systems have no hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(temporary, path)


def _check_regular(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"can't write {path}: it is not a regular file")


def _flush_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, if the system supports that; the rename itself is already done."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # some network file systems don't support it
            descriptor = os.open(folder, os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
