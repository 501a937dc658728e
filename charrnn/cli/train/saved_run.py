"""The saved run that `charrnn train --resume` continues: that of a model, that of a corpus, or the latest one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from charrnn.checkpoint import naming
from charrnn.checkpoint.paths import FOLDER, RESUME_SUFFIX, SUFFIX, newest_resumable, resume_path
from charrnn.checkpoint.training_file import load_origin
from charrnn.dataset.compression import decompressed_name
from charrnn.dataset.files import Source, list_files, total_size
from charrnn.errors import CheckpointError, ConfigError, listed
from charrnn.training.state import CorpusInfo

MAX_LISTED = 8
"""The most runs that an error lists: the latest ones."""


class SavedRun(NamedTuple):
    """A run in the folder of checkpoints: its model's path, and what it learns from."""

    path: Path
    corpus: CorpusInfo
    source: Source | None


def find(arguments: tuple[str, ...], out: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The path of the run's model, and the texts among the arguments.

    The run is that of `out`, or of the argument that is a checkpoint: a model's file, its training state, a folder with
    runs, or the name of a run in the folder of checkpoints. Without either it is the latest run on the texts or, if
    there are none, the latest of all. Raises `ConfigError` for two models, `CorpusError` for a text that is missing,
    and `CheckpointError` if there is no such run.
    """
    models = {argument: path for argument in arguments if (path := _model(argument))}
    texts = tuple(argument for argument in arguments if argument not in models)
    named = [*models.values(), *([out] if out is not None else [])]
    if len({os.path.abspath(path) for path in named}) > 1:
        raise ConfigError(f"--resume continues one run, not {' and '.join(map(str, named))}: name one of them")
    if named:
        return naming.check_model_path(named[0]), texts
    return (_on(texts) if texts else newest_resumable()), texts


def _model(argument: str) -> Path | None:
    """The path of the model that an argument names; None for a text."""
    path = Path(argument)
    if path.name.endswith(SUFFIX):
        return path.with_name(path.name.removesuffix(RESUME_SUFFIX).removesuffix(SUFFIX) + SUFFIX)
    if path.is_dir():
        return newest_resumable(path) if any(path.glob("*" + RESUME_SUFFIX)) else None
    named = FOLDER / f"{argument}{SUFFIX}"
    return named if not path.exists() and resume_path(named).is_file() else None


def _on(texts: tuple[str, ...]) -> Path:
    """The path of the latest run on some texts: on those paths or, if they were moved, of that name or size.

    A text is the same compressed or not, except for a model of bytes.
    """
    given, runs = Source(texts).with_compressed(), _runs()
    source = given.absolute()
    size = total_size(list_files(given.paths))  # first, so that a text that is missing is the error

    def has_paths(run: SavedRun, name: Callable[[str], str]) -> bool:
        found = () if run.source is None else run.source.paths
        return [name(os.path.realpath(path)) for path in found] == [name(os.path.realpath(p)) for p in source.paths]

    def may_be_compressed(run: SavedRun) -> bool:
        return run.source is None or not run.source.as_bytes

    tests: tuple[Callable[[SavedRun], bool], ...] = (
        lambda run: has_paths(run, str),
        lambda run: may_be_compressed(run) and has_paths(run, decompressed_name),
        lambda run: run.corpus.name == source.name,
        lambda run: may_be_compressed(run) and decompressed_name(run.corpus.name) == decompressed_name(source.name),
        lambda run: run.corpus.size == size,
    )
    for test in tests:
        for run in filter(test, runs):
            return run.path
    if not runs:
        return newest_resumable()  # which says that there is none
    found = listed([f"{run.path} on {run.corpus.name}" for run in runs], MAX_LISTED)
    raise CheckpointError(f"no run on {source.name} is saved in {FOLDER}{os.sep}: there is {found}")


def _runs() -> list[SavedRun]:
    """The runs in the folder of checkpoints, the latest first; without those whose files are damaged."""
    found = []
    for path in FOLDER.glob("*" + RESUME_SUFFIX):
        with suppress(CheckpointError, OSError):
            model = path.with_name(path.name.removesuffix(RESUME_SUFFIX) + SUFFIX)
            found.append((path.stat().st_mtime_ns, path.name, SavedRun(model, *load_origin(path))))
    return [run for _, _, run in sorted(found, key=lambda row: row[:2], reverse=True)]
