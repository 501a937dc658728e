"""The log of a run: a file with one JSON object per line, for the steps up to the last save."""

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
"""The number of digits of the run's id in each line, by which the lines of a run are recognised."""
LINE_START = b'{"step": '
"""How each line begins."""


class Log:
    """The log file, written line by line. Without a path there is no file, and nothing is written."""

    def __init__(self, path: Path | None, state: TrainingState, resumed: bool, force: bool):
        """Opens a new file; a resumed run cuts its own file back to its state and appends to it.

        Raises `CheckpointError` if the file exists, is not a log, or can't be written.
        """
        self.path, self.file, self.run, self.overwrites = path, None, state.run_id[:RUN_ID_DIGITS], force
        if path is None:
            return
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.is_new, self.is_empty = not path.exists(), _is_empty(path)
            _check_free(path, continues=resumed or force)
            if resumed:
                self._cut(path, state.counters)
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - as long as the run

    def begin(self) -> None:
        """Called when the run has begun: the content that `force` overwrites is deleted now, not before."""
        if self.overwrites and self.file is not None and os.path.isfile(self.file.name):
            self.file.truncate(0)

    def write(self, line: dict[str, Any]) -> None:
        """Appends a line. Raises `OSError` if that fails; the file is then closed, and later lines are dropped."""
        if self.file is None:
            return
        try:
            self.file.write(json.dumps(line | {"run": self.run}) + "\n")
            self.file.flush()
        except OSError:
            self.close()
            raise

    def flush_to_disk(self) -> None:
        """Makes the lines so far survive a power cut, if the file is on a disk."""
        if self.file is not None:
            with suppress(OSError):
                os.fsync(self.file.fileno())

    def close(self) -> None:
        """Closes the file."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            self.file = None

    def discard(self) -> None:
        """Closes the file, and removes it if it is new: an empty file would stop the next run."""
        self.close()
        if self.path is not None and self.is_new:
            self.path.unlink(missing_ok=True)

    def _cut(self, path: Path, counters: Counters) -> None:
        """Removes from the end of the file the lines of this run that will be written again.

        An incomplete last line is removed too; lines of other runs stay. Raises `CheckpointError` for a file that is
        not a log.
        """
        if not path.is_file() or self.is_empty:  # a pipe has no content to cut
            return
        *lines, last = path.read_bytes().splitlines(keepends=True)
        if not last.endswith(b"\n") and _parse(last) is not None:
            with open(path, "ab") as file:
                file.write(b"\n")
            last += b"\n"
        if last.endswith(b"\n") or not LINE_START.startswith(last[: len(LINE_START)]):
            lines.append(last)
        if lines and _parse(lines[0]) is None:
            raise CheckpointError(f"{path} is not a training log: give `log` a file of its own")
        while lines and self._will_be_rewritten(_parse(lines[-1]), counters):
            lines.pop()
        if (size := sum(map(len, lines))) < path.stat().st_size:
            os.truncate(path, size)

    def _will_be_rewritten(self, line: dict[str, Any] | None, counters: Counters) -> bool:
        """Whether a line belongs to this run and is later than its state."""
        if line is None or line.get("run") != self.run:
            return False
        return bool(line["step"] > counters.step or _rollbacks(line) > counters.rollbacks)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The content of a line; None if it is not a complete line of a log."""
    try:
        content = json.loads(line)
        return content if isinstance(content["step"], int) and isinstance(_rollbacks(content), int) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _rollbacks(line: dict[str, Any]) -> Any:
    """How often training had been rolled back; logs beside files of format 1 call it `tries`."""
    return line.get("rollbacks", line.get("tries", 0))


def _is_empty(path: Path) -> bool:
    """Whether there is no file, or one without content."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def _check_free(path: Path, continues: bool) -> None:
    """Raises `CheckpointError` for a folder, and for a file with content unless the run continues or overwrites it."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: give `log` the name of a file in it")
    if not (continues or _is_empty(path)):
        raise CheckpointError(f"{path} exists: overwrite it with `force=True`, or give another `log`")


def check_log(
    log: Path | None, texts: Iterable[str], others: Iterable[str | Path | None], continues: bool = True
) -> None:
    """Raises `ConfigError` if the log is a file that the run reads or writes, or is in a folder of its texts.

    Without `continues`, which a resumed run and --force do, raises `CheckpointError` for a file with content.
    """
    if log is None:
        return
    if str(log) == "-":
        raise ConfigError("`log` can't be -: give the name of a file")
    if any(other is not None and is_same_file(log, other) for other in (*texts, *others)):
        raise ConfigError(f"{log} can't be the log too: give `log` a file of its own")
    if (text := folder_that_reads(log, texts)) is not None:
        raise ConfigError(f"{log} would be read as part of the text in {text}: give `log` another folder")
    with write_errors(log):
        _check_free(log, continues)


def folder_that_reads(path: Path, texts: Iterable[str]) -> str | None:
    """The folder among the texts that would read this path as one of its files, if there is one."""
    for text in texts:
        real, folder = Path(os.path.realpath(path)), Path(os.path.realpath(text))
        hidden = any(part.startswith(".") for part in real.parts[len(folder.parts) :])
        if os.path.isdir(folder) and real.is_relative_to(folder) and not hidden:
            return text
    return None


def is_same_file(a: str | Path, b: str | Path) -> bool:
    """Whether two paths lead to one file."""
    return os.path.realpath(a) == os.path.realpath(b) or (
        os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)
    )
