"""The failure of a command: what it prints, in one line on stderr."""

import errno
import os

from charrnn.cli.terminal.console import notice
from charrnn.errors import closed_folder

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAX_MESSAGE = 2000
"""The most characters of an error message."""


def print_error(text: str) -> None:
    """Prints an error in one line of limited length, since it may quote a file."""
    line = " ".join(text.split())
    notice("charrnn: " + (line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]} …"))


def unexpected(error: Exception) -> str:
    """The message for an error that no command handles."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, FileNotFoundError) and _is_current_folder_gone():
        return "the current folder no longer exists: change to another one"
    if isinstance(error, PermissionError) and error.filename and (closed := closed_folder(error.filename)):
        return f"can't reach {error.filename}: {closed}"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return f"can't write {error.filename or 'the output'}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'the output'}: {error.strerror}"
    else:
        text = f"{type(error).__name__}: {error}"
    return f"{text} (CHARRNN_DEBUG=1 shows the traceback)"


def _is_current_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
