"""The event file: the lines of the log as curves for TensorBoard, and the samples of a run as texts."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from charrnn.checkpoint.atomic_file import write_errors
from charrnn.checkpoint.log import RUN_ID_DIGITS, folder_that_reads, is_same_file
from charrnn.errors import CheckpointError, ConfigError
from charrnn.optional import is_installed, require
from charrnn.training.state import TrainingState

PREFIX = "events.out.tfevents."
"""How the name of an event file begins, by which TensorBoard finds it; a number and the run's id follow."""
CURVES = {
    "loss": "loss/batch",
    "train_loss": "loss/training",
    "val_loss": "loss/validation",
    "val_bpc": "bits/validation",
    "lr": "learning_rate",
    "grad_norm": "gradient_norm",
    "chars_per_second": "characters_per_second",
    "epoch": "epoch",
    "rollbacks": "rollbacks",
}
"""The curves by the keys of the log."""
SAMPLE = "sample"
"""The name of the samples."""
FLUSH_EVERY = 2.0
"""The most seconds until an event is on the disk, unless the next one comes later."""


class EventFile:
    """A file of events in a folder. Without a folder there is no file, and nothing is written.

    Each start of a run makes a file of its own, since another program may read the earlier ones. In a resumed run it
    says first that what comes after the saved state counts no more, as the log cuts those lines.
    """

    def __init__(self, folder: Path | None, state: TrainingState, resumed: bool, force: bool):
        """Opens the file. Raises `CheckpointError` as `check_events` does, and if it can't be written."""
        self.folder, self._file, self._path = folder, None, None
        self._overwritten: list[Path] = []
        self._is_used = False
        """Whether more was added than the beginning."""
        if folder is None:
            return
        require("TensorBoard", "tensorboard")
        from tensorboardX.record_writer import RecordWriter

        run = state.run_id[:RUN_ID_DIGITS]
        with write_errors(folder):
            _check_free(folder, run if resumed else None, force)
            folder.mkdir(parents=True, exist_ok=True)
            before = event_files(folder)
            number = 1 + max(map(_number, before), default=0)
            self._path = Path(os.path.abspath(folder / f"{PREFIX}{number:010}.{run}"))
            self._file = RecordWriter(str(self._path))
            self._overwritten = before if force and not resumed else []
            self._flushed = time.monotonic()
            self._write(file_version="brain.Event:2")
            if resumed:
                self._restart(state.counters.step)
            self._is_used = False
            self.flush_to_disk()

    def begin(self) -> None:
        """Called when the run has begun: the events that `force` overwrites are deleted now, not before."""
        for path in self._overwritten:
            path.unlink(missing_ok=True)

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line of the log to the curves; one about a rollback first takes back what came after its step.

        Raises `OSError` if that fails; the file is then closed, and later lines are dropped.
        """
        if "diverged" in line:
            self._restart(line["step"])
        values = [{"tag": tag, "simple_value": line[key]} for key, tag in CURVES.items() if line.get(key) is not None]
        self._write(step=line["step"], summary={"value": values})

    def write_sample(self, step: int, text: str) -> None:
        """Adds a text: TensorBoard shows Markdown, and so it is indented as code is. Raises `OSError` as `write`."""
        content = "\n".join(f"    {line}" for line in text.split("\n")).encode("utf-8", "backslashreplace")
        value = {
            "tag": SAMPLE,
            "metadata": {"plugin_data": {"plugin_name": "text"}},
            "tensor": {"dtype": "DT_STRING", "string_val": [content], "tensor_shape": {"dim": [{"size": 1}]}},
        }
        self._write(step=step, summary={"value": [value]})

    def flush_to_disk(self) -> None:
        """Makes the events so far survive a power cut. Raises `OSError` as `write`."""
        if self._file is not None:
            self._flushed = time.monotonic()
            try:
                self._file.flush()
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Closes the file, and removes it if nothing was added: a resumed run may have been at its end."""
        if self._file is not None and not self._is_used:
            self.discard()
        self._close()

    def discard(self) -> None:
        """Closes the file and removes it."""
        self._close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _restart(self, step: int) -> None:
        """Says that the events after a step count no more."""
        self._write(step=step + 1, session_log={"status": "START"})

    def _write(self, **fields: Any) -> None:
        if self._file is None:
            return
        from tensorboardX.proto.event_pb2 import Event

        try:
            self._file.write(Event(wall_time=time.time(), **fields).SerializeToString())
        except OSError:
            self.close()
            raise
        self._is_used = True
        if time.monotonic() - self._flushed > FLUSH_EVERY:
            self.flush_to_disk()


def event_files(folder: Path) -> list[Path]:
    """The event files of a folder, those of other programs too, in the order in which TensorBoard reads them."""
    return sorted(path for path in folder.iterdir() if "tfevents" in path.name and path.is_file())


def _number(path: Path) -> int:
    """The number in the name of an event file; 0 if it is not one of charrnn's."""
    number = path.name.removeprefix(PREFIX).partition(".")[0]
    return int(number) if path.name.startswith(PREFIX) and number.isdecimal() else 0


def check_events(
    folder: Path | None, texts: Iterable[str], continues: bool, others: Iterable[Path | None] = ()
) -> None:
    """Raises an error if events can't be written to a folder, before anything else is done.

    Raises `MissingLibraryError` if tensorboardX is not installed; `ConfigError` if the folder is in one of the texts',
    or is one of the other files; `CheckpointError` if it can't be made or written, or unless the run continues or
    overwrites if it has events.
    """
    if folder is None:
        return
    if any(other is not None and is_same_file(folder, other) for other in others):
        raise ConfigError(f"{folder} can't be the folder of events too: give `tensorboard` a folder of its own")
    if (text := folder_that_reads(folder, texts)) is not None:
        raise ConfigError(f"{folder} would be read as part of the text in {text}: give `tensorboard` another folder")
    if not is_installed("tensorboardX"):  # it is imported where it is used: it imports PyTorch, if that is there
        require("TensorBoard", "tensorboard")
    with write_errors(folder):
        nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not nearest.is_dir():
            raise NotADirectoryError(0, f"{nearest} is not a folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(0, f"no permission to write in {nearest}")
        if not continues:
            _check_free(folder, None, force=False)


def _check_free(folder: Path, run: str | None, force: bool) -> None:
    """Raises `CheckpointError` if a folder has events, and none of them is of this run, unless they are overwritten."""
    found = event_files(folder) if folder.is_dir() and not force else []
    if found and run is None:
        raise CheckpointError(
            f"{folder} has the events of a run: overwrite them with `force=True`, or give another folder"
        )
    if found and not any(path.name.endswith(f".{run}") for path in found):
        raise CheckpointError(f"{folder} has the events of another run: give `tensorboard` a folder of its own")
