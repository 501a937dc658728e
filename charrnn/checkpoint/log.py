"""The log of a run: a file with a JSON object a line, which tells of every step up to what was saved last."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from charrnn.checkpoint.atomic_file import write_errors
from charrnn.errors import CheckpointError, ConfigError
from charrnn.training.state import Counters, TrainingState

RUN_ID_DIGITS = 12
"""Digits of a run's identity by which its lines are told from those of others."""

LINE_START = b'{"step": '
"""How each line begins."""


class Log:
    """The file that a run is told in, line by line; without a path there is none, and nothing is done."""

    def __init__(self, path: Path | None, snapshot: TrainingState, resumes: bool, force: bool):
        """A new file; but a training that is resumed adds to one, and goes on in its own where the snapshot stands.

        Raises `CheckpointError` where it is there already, is no log, or can't be written.
        """
        self.path, self.file, self.run, self.clears = path, None, snapshot.run[:RUN_ID_DIGITS], force
        if path is None:
            return
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.is_new = not path.exists()
            self.is_empty = self.is_new or (path.is_file() and not path.stat().st_size)
            if path.is_dir():
                raise CheckpointError(f"{path} is a folder: give --log the name of a file in it")
            if resumes:
                self._cut(path, snapshot.at)
            elif not (self.is_empty or force):
                raise CheckpointError(f"{path} is there already: overwrite it with --force, or give another --log")
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - as long as the run

    def begin(self) -> None:
        """Called when the run has begun: what was there before, and may be overwritten, goes now."""
        if self.clears and self.file is not None and os.path.isfile(self.file.name):
            self.file.truncate(0)

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line. Raises `OSError` where that can't be done; the file is closed then, and takes no more."""
        if self.file is None:
            return
        try:
            self.file.write(json.dumps(line | {"run": self.run}) + "\n")
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
        if self.path is not None and self.is_new:
            self.path.unlink(missing_ok=True)

    def _cut(self, path: Path, at: Counters) -> None:
        """Takes from the end of the file what this run had told, before it was killed, of what comes again.

        A last line that is but begun goes too; lines of other runs stay. Raises `CheckpointError` for what is no log.
        """
        if not path.is_file() or self.is_empty:  # nothing yet; or a pipe, which has no end to look at
            return
        *lines, last = path.read_bytes().splitlines(keepends=True)
        if not last.endswith(b"\n") and _told(last) is not None:
            with open(path, "ab") as file:
                file.write(b"\n")
            last += b"\n"
        if last.endswith(b"\n") or not LINE_START.startswith(last[: len(LINE_START)]):
            lines.append(last)
        if lines and _told(lines[0]) is None:
            raise CheckpointError(f"{path} is no log of a training: give --log a file of its own")
        while lines and self._comes_again(_told(lines[-1]), at):
            lines.pop()
        if (size := sum(map(len, lines))) < path.stat().st_size:
            os.truncate(path, size)

    def _comes_again(self, told: dict[str, Any] | None, at: Counters) -> bool:
        """Whether what a line of the file tells is of this run and later than a position."""
        if told is None or told.get("run") != self.run:
            return False
        return bool(told["step"] > at.step or told.get("tries", 0) > at.tries)


def _told(line: bytes) -> dict[str, Any] | None:
    """What a line of a log tells; None where it is none, or not whole."""
    try:
        told = json.loads(line)
        return told if isinstance(told["step"], int) and isinstance(told.get("tries", 0), int) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def check_log(log: Path | None, texts: Iterable[str], others: Iterable[str | Path | None]) -> None:
    """Raises `ConfigError` where the log would be a file that the run reads or writes, or in a folder of its texts."""
    if log is None:
        return
    if str(log) == "-":
        raise ConfigError("--log can't be -: give it the name of a file")
    if any(other is not None and _same(log, other) for other in (*texts, *others)):
        raise ConfigError(f"{log} can't be the log too: give --log a file of its own")
    for text in texts:
        real, folder = Path(os.path.realpath(log)), Path(os.path.realpath(text))
        hidden = any(part.startswith(".") for part in real.parts[len(folder.parts) :])
        if os.path.isdir(folder) and real.is_relative_to(folder) and not hidden:
            raise ConfigError(f"{log} would be a part of the text, all that is in {text}: give --log another folder")


def _same(a: str | Path, b: str | Path) -> bool:
    """Whether two paths lead to one file."""
    return os.path.realpath(a) == os.path.realpath(b) or (
        os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)
    )
