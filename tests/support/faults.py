"""Injects a fault at each call that a save makes to the disk: an error, a Ctrl-C, or a crash.

    PYTHONPATH=tests python -m support.faults both | first | begin | again | alone | file

For each call and each kind of fault a separate process saves; then the files are checked. Prints the number of faults,
the problems after them, and the calls of an undisturbed save as JSON.
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

import charrnn
from charrnn.checkpoint import atomic_file, file_pair, model_file, training_file
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.paths import resume_path
from charrnn.errors import CheckpointError
from charrnn.training.state import TrainingState
from charrnn.training.trainer import Trainer
from support.processes import TEXT

CALLS = ("open", "close", "fsync", "replace", "unlink")
"""The functions of `os` that change the disk, or may report late that an earlier call failed."""
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
FAILED, INTERRUPTED, CRASHED = 3, 4, 9
"""The exit codes of a process whose save fails with a `CheckpointError`, is interrupted, or crashes."""
Files = dict[str, bytes]


class Fault:
    """Counts the calls to the disk, and fails at the nth one: with an error, a Ctrl-C, or the end of the process."""

    def __init__(self, n: int, kind: str):
        self.n, self.kind = n, kind
        self.calls: list[str] = []

    def before(self, call: str, do_half: Callable[[], object] = lambda: None) -> None:
        """Runs before each call; `do_half` does a part of the call."""
        self.calls.append(call)
        if len(self.calls) == self.n:
            do_half()
            if self.kind == "crash":
                os._exit(CRASHED)
            if self.kind == "interrupt":
                raise KeyboardInterrupt
            raise OSError(ERRORS[self.n % len(ERRORS)], "a fault")

    def install(self) -> None:
        """Routes all calls through this object."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        atomic_file.open = self._open

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self.before(f"{name} {Path(args[0]).name if isinstance(args[0], str | Path) else ''}".strip())
            return call(*args, **options)

        return wrapped

    def _open(self, path: Path, mode: str) -> "FaultyFile":
        self.before(f"create {path.name}")
        return FaultyFile(io.FileIO(path, mode), lambda do_half: self.before(f"write {path.name}", do_half))


class FaultyFile:
    """A file to which a write may fail half-way."""

    def __init__(self, file: io.FileIO, before: Callable[[Callable[[], object]], None]):
        self.file, self.before, self.fileno = file, before, file.fileno

    def write(self, content: bytes | memoryview) -> None:
        self.before(lambda: self.file.write(content[: len(content) // 2]))
        self.file.write(content)

    def flush(self) -> None:
        pass

    def __enter__(self) -> "FaultyFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def training_states() -> tuple[Trainer, TrainingState, TrainingState, TrainingState]:
    """A trainer at its end, an early state of it, its last state, and the state of another run that has just begun."""
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
    """Two functions of a path: one that prepares its files without a fault, and the save to disturb."""
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


def save_with_fault(path: Path, save: Callable[[Path], None], fault: Fault) -> int:
    """Saves in a process of its own, with a fault; returns its exit code."""
    child = os.fork()
    if child == 0:
        fault.install()
        try:
            save(path)
        except CheckpointError:
            os._exit(FAILED)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> Files:
    """The files of a folder under their final names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def check_files(path: Path, old: Files, new: Files, code: int, begins: bool) -> list[str]:
    """The problems with the files after a fault, and after the next run has locked the path."""
    now, state_path = contents(path.parent), resume_path(path)
    names = old.keys() | new.keys() | now.keys()
    wrong = [f"{name} is neither old nor new" for name in names if now.get(name) not in (old.get(name), new.get(name))]
    if code == 0 and now != new:
        wrong.append("it reports success but has not saved")
    if code == FAILED and begins and now != old:
        wrong.append("it reports failure but has begun")
    if code not in (0, FAILED, INTERRUPTED, CRASHED):
        wrong.append(f"it ends with exit code {code}")
    if state_path.name in old and not state_path.exists():
        wrong.append("there is nothing to resume")
    both_exist = path.exists() and state_path.exists()
    if both_exist and model_file.load(path).run_id != training_file.load_state(state_path).run_id:
        wrong.append("model and state belong to two runs")
    acquire(path).release()
    if begins and contents(path.parent) not in (old, new):
        wrong.append("the earlier files are lost")
    wrong += [f"{left} is left behind" for left in path.parent.iterdir() if left.suffix in (".tmp", ".old")]
    return wrong


def inject(name: str) -> dict[str, Any]:
    """Injects every fault of a scenario; returns their number, the problems, and the calls."""
    before, save = scenario(name)
    wrong, faults = [], 0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "here", "m.safetensors")
        path.parent.mkdir()
        if before:
            before(path)
        old, original = contents(path.parent), Path(place, "original")
        shutil.copytree(path.parent, original)
        undisturbed = Fault(0, "never")
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                undisturbed.install()
                save(path)
                os.write(writer, json.dumps(undisturbed.calls).encode())
            finally:
                os._exit(0)
        os.wait()
        calls, new = json.loads(os.read(reader, 1 << 16)), contents(path.parent)
        for n, kind in itertools.product(range(1, len(calls) + 1), ("error", "interrupt", "crash")):
            shutil.rmtree(path.parent)
            shutil.copytree(original, path.parent)
            code = save_with_fault(path, save, Fault(n, kind))
            faults += 1
            found = check_files(path, old, new, code, name in ("begin", "again", "alone"))
            wrong += [f"{kind} at {calls[n - 1]}: {problem}" for problem in found]
    return {"faults": faults, "wrong": wrong, "calls": calls}


if __name__ == "__main__":
    print(json.dumps(inject(sys.argv[1])))
