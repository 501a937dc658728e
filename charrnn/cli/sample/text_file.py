"""The file of a text that is written in the interactive mode: whole, exact, and never over another one unasked."""

import os
from pathlib import Path

from charrnn.checkpoint.atomic_file import AtomicFile, check_folder, write_errors
from charrnn.cli.terminal.console import as_utf8
from charrnn.errors import CheckpointError, ConfigError


class TextFile:
    """Where a text was saved, and what."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.content = b""

    def holds(self, text: str) -> bool:
        """Whether the text was saved as it is."""
        return self.path is not None and self.content == as_utf8(text)

    def save(self, name: str, text: str, overwrite: bool) -> Path:
        """Writes the text; without a name, to the file where it was saved. Returns the path.

        Raises `CheckpointError` if it can't be written, or if there is another file, unless `overwrite` says so: the
        file where it was saved is not another one, as long as it has what was saved.
        """
        if not name.strip() and self.path is None:
            raise ConfigError("/save needs the name of a file")
        path = named(name) if name.strip() or self.path is None else self.path
        own = self.path is not None and os.path.realpath(path) == os.path.realpath(self.path) and os.path.exists(path)
        if own and not overwrite:
            with write_errors(path):
                if path.read_bytes() != self.content:
                    raise CheckpointError(f"{path} has changed since it was saved: /save! {path} overwrites it")
        if not own:
            check_new(path, overwrite, "save")
        content = as_utf8(text)
        with AtomicFile(path, content) as file:
            file.commit(overwrite=overwrite or own)
        self.path, self.content = path, content
        return path


def named(value: str) -> Path:
    """The path that a command names: no shell has seen it."""
    name = value.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1]
    if not name or "\0" in name:
        raise ConfigError(f"{value!r} is not the name of a file")
    return Path(name).expanduser()


def check_new(path: Path, overwrite: bool, command: str) -> None:
    """Raises `CheckpointError` for a folder, for a file in none, and for one that exists unless `overwrite` says so."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: name a file in it")
    if os.path.lexists(path) and not overwrite:
        raise CheckpointError(f"{path} exists: /{command}! {path} overwrites it")
    check_folder(path)
