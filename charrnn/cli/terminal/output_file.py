"""The output file: the name of a page or a picture that a command writes."""

import logging
from pathlib import Path

from charrnn.checkpoint.atomic_file import check_folder
from charrnn.errors import CheckpointError, ConfigError

PAGE_SUFFIXES = (".html", ".htm")
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")


def check_path(path: Path | None, suffixes: tuple[str, ...], force: bool) -> None:
    """Raises `ConfigError` if the name of an output file has another suffix, `CheckpointError` if the file exists.

    A missing folder is a `CheckpointError` too.
    """
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"the name {path} can't be used: it must end in {' or '.join(suffixes)}")
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists: overwrite it with --force, or give another name")
    check_folder(path)


def quiet_matplotlib() -> None:
    """Keeps what matplotlib logs about its cache, which is no matter of the picture, away from stderr."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
