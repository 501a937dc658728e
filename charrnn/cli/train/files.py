"""The files of a run of `charrnn train`: the text that it learns from and its model; and its command lines."""

import itertools
import os
import re
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from charrnn import engine as engines
from charrnn.checkpoint import file_pair, model_file, naming, training_file
from charrnn.checkpoint.lock import LockedError, acquire
from charrnn.cli.terminal.console import STARTED, default_interrupt, tell_of_compilation
from charrnn.dataset import corpus as corpora
from charrnn.dataset import files
from charrnn.dataset.files import STDIN, Source
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.training.deadline import MIN_SECONDS
from charrnn.training.trainer import Trainer, resume, train

FOLDER = Path("checkpoints")
MAX_NAME_BYTES = 150
"""Bytes of a name that is made of another: systems take 255, and suffixes follow."""
INTERPRETER_SECONDS = 0.4
"""Seconds that Python takes to begin and to end."""


def started(
    paths: tuple[str, ...],
    reading: dict[str, Any],
    options: dict[str, Any],
    out: Path | None,
    init_from: Path | None,
    force: bool,
    quiet: bool,
) -> tuple[Trainer, Path, FileLock]:
    """A new training, the file that its model goes to, and the claim to that."""
    source = Source(paths or (files.bundled_corpus(),), **reading)
    files.total_size(source.paths)  # before anything is made: a name that is mistyped leaves nothing
    if out is None:
        path, held = _free(FOLDER / f"{_stem(source.paths[0])}{naming.SUFFIX}", force)
    else:
        path = _suited(out)
        held = acquire(path)
    for taken in (path, naming.resume_path(path)):
        if taken.exists() and not force:
            raise CheckpointError(
                f"{taken} is there already: go on with --resume, overwrite with --force, or give another --out"
            )
    model = None if init_from is None else model_file.load(init_from).model
    corpus = corpora.read(source)
    if "time" in options:
        # Now, as the machine is measured first
        tell_of_compilation(engines.resolve(options.get("engine", "auto")), quiet)
        options = options | {"time": time_left(options["time"], source)}
    with default_interrupt():  # the measuring has things compiled
        return train(corpus, source=source.absolute(), init_from=model, **options), path, held


def resumed(
    paths: tuple[str, ...], reading: dict[str, Any], options: dict[str, Any], out: Path | None, quiet: bool
) -> tuple[Trainer, Path, FileLock]:
    """The training that was saved beside the model `out`, or the newest, that model's file, and the claim to it."""
    path = _suited(out) if out else naming.newest_resumable(FOLDER)
    held = acquire(path)
    snapshot = training_file.load_state(naming.resume_path(path))
    file_pair.check_same_run(path, snapshot.run)
    before = snapshot.source or Source(())
    if any(getattr(before, name) != value for name, value in reading.items()):
        raise ConfigError(
            "the text of a resumed training is read as it was: leave out --bytes, --encoding and --errors"
        )
    source = replace(before, paths=paths or before.paths)
    if not paths and STDIN in before.paths:
        command = resume_command(before, path)
        raise CorpusError(f"this training reads stdin: give it the same text again, {command}")
    if not source.paths:
        raise CorpusError("this training did not begin with a file: name the corpus before --resume")
    gone = [path for path in source.paths if path != STDIN and not (os.path.isfile(path) or os.path.isdir(path))]
    if gone and not paths:  # a pipe would be waited for
        raise CorpusError(
            f"can't read {gone[0]}, which is no file any more: give this training its text again before --resume"
        )
    corpus = corpora.read(source, snapshot.corpus.size)
    if "time" in options:
        tell_of_compilation(snapshot.training.engine, quiet)
        options = options | {"time": time_left(options["time"], source)}
    with default_interrupt():
        return resume(corpus, replace(snapshot, source=source.absolute()), **options), path, held


def time_left(seconds: float, source: Source) -> float:
    """What is left for a training of the time that the whole program was given: to wait for stdin isn't part of it."""
    spent = 0.0 if STDIN in source.paths else time.monotonic() - STARTED
    return max(MIN_SECONDS, seconds - spent - INTERPRETER_SECONDS)


def command_words(paths: tuple[str, ...], reading: dict[str, Any], init_from: Path | None) -> list[str]:
    """The command that begins a run, without its settings."""
    given = [f"--{name}={value}" for name, value in reading.items() if name != "as_bytes"]
    given += ["--bytes"] * reading.get("as_bytes", False) + [f"--init-from={init_from}"] * (init_from is not None)
    return ["charrnn", "train", *paths, *given]


def resume_command(source: Source | None, path: Path) -> str:
    """The command that goes on with a run: where a part of its text came from stdin, it wants the text again."""
    paths = source.paths if source is not None and STDIN in source.paths else ()
    command_words = ["charrnn", "train", *paths, "--resume", "--out", str(path)]
    return ("… | " if paths else "") + shlex.join(command_words)


def _suited(path: Path) -> Path:
    """The path, if a model's file may have it."""
    if os.path.isdir(path):
        raise CheckpointError(f"{path} is a folder: give --out the name of a file in it")
    names = (path.name, os.path.basename(os.path.realpath(path)))  # a link may lead to the state of another run
    if path.suffix != naming.SUFFIX or any(name.endswith(naming.RESUME_SUFFIX) for name in names):
        name = path.name.removesuffix(naming.RESUME_SUFFIX).removesuffix(naming.SUFFIX) + naming.SUFFIX
        raise ConfigError(f"a model's file is named like {path.with_name(name)}: give that to --out")
    return path


def _stem(path: str) -> str:
    """What a model is called for its text: of that one's name what every system lets stand, and not too much of it."""
    name = "stdin" if path == STDIN else Path(os.path.realpath(path)).stem
    short = re.sub(r"[^\w.-]+", "-", name).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return re.sub(r"(\.resume|[-.])+$", "", short.lstrip("-.")) or "corpus"


def _free(path: Path, force: bool) -> tuple[Path, FileLock]:
    """The path, or the first of its kind with a number that is not taken: what nobody has named is never in the way."""
    if force:
        return path, acquire(path)
    for n in itertools.count(1):
        numbered = path.with_stem(f"{path.stem}-{n}") if n > 1 else path
        try:
            held = acquire(numbered)  # first, as it puts right what a killed run has left
        except LockedError:
            continue
        if not (numbered.exists() or naming.resume_path(numbered).exists()):
            return numbered, held
        held.release()
    raise AssertionError("all numbers are taken")
