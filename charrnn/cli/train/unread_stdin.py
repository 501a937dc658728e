"""The unread stdin: a text that is piped to a run that reads another one, found without reading any of it."""

import os
import select
import stat
import sys

NOTICE = "stdin is not read: add - to train on it"


def has_text() -> bool:
    """Whether stdin is a pipe that is open or has something, or a file that has something left."""
    try:
        number = sys.stdin.fileno()
        found = os.fstat(number)
        if stat.S_ISREG(found.st_mode):
            return os.lseek(number, 0, os.SEEK_CUR) < found.st_size
        return stat.S_ISFIFO(found.st_mode) and not _is_at_end(number)
    except (OSError, ValueError, AttributeError):  # it may be closed, or none
        return False


def _is_at_end(number: int) -> bool:
    """Whether a pipe is known to be empty, with nobody who writes to it."""
    if not hasattr(select, "poll"):
        return False
    watch = select.poll()
    watch.register(number, select.POLLIN)
    return any(event & select.POLLHUP and not event & select.POLLIN for _, event in watch.poll(0))
