"""Injects a fault at each call that a save makes to the disk: an error, a Ctrl-C, or a crash.

    python tests/support/faults.py both | first | begin | again | alone | file

For each call and each kind of fault a process of its own saves; then the files are checked. Prints as JSON the number
of faults, what was wrong after any of them, and the calls of an undisturbed save.
"""

import errno
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from processes import TEXT

import charrnn
from charrnn.checkpoint import atomic_file, file_pair, model_file, training_file
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.paths import resume_path
from charrnn.errors import CheckpointError
from charrnn.training.state import TrainingState
from charrnn.training.trainer import Trainer

CALLS = ("open", "close", "fsync", "replace", "unlink")
"""The functions of `os` that change the disk, or may report late that an earlier call failed."""
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
REFUSED, INTERRUPTED, CRASHED = 3, 4, 9
Files = dict[str, bytes]


class Fault:
    """Counts the calls to the disk, and fails at the nth one: with an error, a Ctrl-C, or the end of the process."""

    def __init__(self, at: int, how: str):
        self.at, self.how = at, how
        self.seen: list[str] = []

    def strike(self, what: str, half: Callable[[], object] = lambda: None) -> None:
        """Called before each call; `half` does a part of it."""
        self.seen.append(what)
        if len(self.seen) == self.at:
            half()
            if self.how == "crash":
                os._exit(CRASHED)
            if self.how == "interrupt":
                raise KeyboardInterrupt
            raise OSError(ERRORS[self.at % len(ERRORS)], "a fault")

    def install(self) -> None:
        """Routes all calls through this object."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        atomic_file.open = self._open

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def through(*args: Any, **options: Any) -> Any:
            self.strike(f"{name} {Path(args[0]).name if isinstance(args[0], str | Path) else ''}".strip())
            return call(*args, **options)

        return through

    def _open(self, path: Path, mode: str) -> "Written":
        self.strike(f"create {path.name}")
        return Written(io.FileIO(path, mode), lambda half: self.strike(f"write {path.name}", half))


class Written:
    """A file whose writing may fail half-way."""

    def __init__(self, file: io.FileIO, strike: Callable[[Callable[[], object]], None]):
        self.file, self.strike, self.fileno = file, strike, file.fileno

    def write(self, content: bytes | memoryview) -> None:
        self.strike(lambda: self.file.write(content[: len(content) // 2]))
        self.file.write(content)

    def flush(self) -> None:
        pass

    def __enter__(self) -> "Written":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def training_states() -> tuple[Trainer, TrainingState, TrainingState, TrainingState]:
    """A training, an early state of it, a late one, and the state of another run that has just begun."""
    options: dict[str, Any] = {"hidden_size": 8, "layers": 1, "batch_size": 4, "seq_length": 8, "engine": "numpy"}
    run = charrnn.train(TEXT, seed=1, steps=20, eval_every=5, threads=1, **options)
    early = None
    for progress in run:
        if progress.evaluation and progress.step == 10:
            early = run.state.copy()
    other = charrnn.train(TEXT, seed=2, steps=20, threads=1, **options).state
    assert early is not None
    return run, early, run.state, other


def scenario(name: str) -> tuple[Callable[[Path], None] | None, Callable[[Path], None]]:
    """What was done before, without a fault, and what is done now, each to a path."""
    run, early, late, other = training_states()
    whole = model_file.Checkpoint.from_trainer(run)
    partial = replace(whole, step=10, history=early.history)

    def before(path: Path) -> None:
        file_pair.save_pair(path, partial, early)

    def both(path: Path) -> None:
        file_pair.save_pair(path, whole, late)

    def begin(path: Path) -> None:
        file_pair.begin_pair(path, other)

    def file(path: Path) -> None:
        atomic_file.write_bytes(path, b"a picture" * 1000)

    def model_alone(path: Path) -> None:
        model_file.save(path, partial)

    def untrained(path: Path) -> None:
        file_pair.save_pair(path, replace(partial, run_id=other.run_id), other)

    return {
        "both": (before, both),
        "first": (None, both),
        "begin": (before, begin),
        "again": (untrained, begin),
        "alone": (model_alone, begin),
        "file": (None, file),
    }[name]


def saved(path: Path, save: Callable[[Path], None], fault: Fault) -> int:
    """Saves in a process of its own, with a fault; returns its exit code."""
    child = os.fork()
    if child == 0:
        fault.install()
        try:
            save(path)
        except CheckpointError:
            os._exit(REFUSED)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> Files:
    """The files of a folder that have their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def check_files(path: Path, old: Files, new: Files, code: int, begins: bool) -> list[str]:
    """What is wrong with the files after a fault, and after the next run has locked the path."""
    now, resumed = contents(path.parent), resume_path(path)
    names = old.keys() | new.keys() | now.keys()
    wrong = [f"{name} is neither" for name in names if now.get(name) not in (old.get(name), new.get(name))]
    if code == 0 and now != new:
        wrong.append("it reports success without having saved")
    if code == REFUSED and begins and now != old:
        wrong.append("it reports failure after it has begun")
    if code not in (0, REFUSED, INTERRUPTED, CRASHED):
        wrong.append(f"it ends with {code}")
    if resumed.name in old and not resumed.exists():
        wrong.append("there is nothing to resume")
    if path.exists() and resumed.exists() and model_file.load(path).run_id != training_file.load_state(resumed).run_id:
        wrong.append("model and state are of two runs")
    acquire(path).release()
    if begins and contents(path.parent) not in (old, new):
        wrong.append("the earlier files are lost")
    wrong += [f"{left} is left" for left in path.parent.iterdir() if left.suffix in (".tmp", ".old")]
    return wrong


def inject(name: str) -> dict[str, Any]:
    """Every fault of a scenario."""
    before, save = scenario(name)
    wrong, done = [], 0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "here", "m.safetensors")
        path.parent.mkdir()
        if before:
            before(path)
        old, kept = contents(path.parent), Path(place, "kept")
        shutil.copytree(path.parent, kept)
        undisturbed = Fault(0, "never")
        read, written = os.pipe()
        if os.fork() == 0:
            try:
                undisturbed.install()
                save(path)
                os.write(written, json.dumps(undisturbed.seen).encode())
            finally:
                os._exit(0)
        os.wait()
        calls, new = json.loads(os.read(read, 1 << 16)), contents(path.parent)
        for at, how in itertools.product(range(1, len(calls) + 1), ("error", "interrupt", "crash")):
            shutil.rmtree(path.parent)
            shutil.copytree(kept, path.parent)
            code = saved(path, save, Fault(at, how))
            done += 1
            found = check_files(path, old, new, code, name in ("begin", "again", "alone"))
            wrong += [f"{how} at {calls[at - 1]}: {what}" for what in found]
    return {"faults": done, "wrong": wrong, "calls": calls}


if __name__ == "__main__":
    print(json.dumps(inject(sys.argv[1])))
