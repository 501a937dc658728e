"""The log of a run: a file with a JSON object a line, which tells of every step up to what was saved last."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError, ConfigError


class Log:
    """The file that a run is told in, line by line; without a path there is none, and nothing is done."""

    def __init__(self, path: Path | None, resumes_at: int | None, force: bool):
        """A new file; but a training that is resumed at a step adds to its own, and there begins to tell anew.

        Raises `CheckpointError` where it is there already, or can't be written.
        """
        self.path, self.is_new, self.file = path, False, None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if resumes_at is not None:
                _cut(path, resumes_at)
            self.is_new = not path.exists()
            self.file = open(path, "w" if force else "x" if resumes_at is None else "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            if isinstance(error, FileExistsError) and path.exists():
                raise CheckpointError(
                    f"{path} is there already: overwrite it with --force, or give another --log"
                ) from None
            raise CheckpointError(f"can't write {path}: {error.strerror}") from None

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line. Raises `OSError` where that can't be done; the file is closed then, and takes no more."""
        if self.file is None:
            return
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError:
            self.close()
            raise

    def settle(self) -> None:
        """Flushes it to disk, where it lies on one."""
        if self.file is not None:
            with suppress(OSError):
                os.fsync(self.file.fileno())

    def close(self) -> None:
        """Closes it, whatever may still wait to be written."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            self.file = None

    def discard(self) -> None:
        """Closes it, and removes it if it is new: an empty one would be in the way of the next try."""
        self.close()
        if self.is_new and self.path is not None:
            self.path.unlink(missing_ok=True)


def check_log(log: Path | None, others: tuple[str | Path | None, ...]) -> None:
    """Raises `ConfigError` where the log would be written over a file that the run reads or writes."""
    for other in others:
        if log is not None and other is not None and os.path.realpath(log) == os.path.realpath(other):
            raise ConfigError(f"{log} can't be the log too: give --log a file of its own")


def _cut(path: Path, step: int) -> None:
    """Takes from the end of a log what a run that was killed had told of steps after this one, which come again.

    A last line that is but begun goes too. What is no line of a log stays, and so does all that stands before it.
    """
    if not path.is_file():  # nothing yet; or a pipe, which has no end to look at
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = len(lines)
    while kept and _tells_of(lines[kept - 1], step):
        kept -= 1
    if kept < len(lines):
        os.truncate(path, sum(map(len, lines[:kept])))


def _tells_of(line: bytes, step: int) -> bool:
    """Whether a line of a log is of a later step, or isn't whole."""
    if not line.endswith(b"\n"):
        return line.startswith(b'{"step": '[: len(line)])
    try:
        told = json.loads(line)
        return isinstance(told, dict) and told["step"] > step
    except (ValueError, KeyError, TypeError):
        return False
