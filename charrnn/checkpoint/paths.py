"""The paths of checkpoints: a model's, its training state's, those in a folder, and that of the bundled model."""

import os
from pathlib import Path

from charrnn.dataset.bundled import bundled_file
from charrnn.errors import CheckpointError, closed_folder

FOLDER = Path("checkpoints")
"""The folder in which models are written and looked for if no path is given."""
SUFFIX = ".safetensors"
RESUME_SUFFIX = ".resume.safetensors"
BUNDLED = "saltmarrow"
"""The name of the model that comes with the package, which writes before anything is trained."""


def resume_path(path: Path) -> Path:
    """The path of the training state of the checkpoint `path`."""
    return path.with_name(path.name.removesuffix(SUFFIX) + RESUME_SUFFIX)


def models(folder: Path = FOLDER) -> list[Path]:
    """The checkpoints of a folder, the one that was written last first."""
    return _by_age([path for path in folder.glob("*" + SUFFIX) if not path.name.endswith(RESUME_SUFFIX)])


def newest(folder: Path = FOLDER) -> Path:
    """The checkpoint of a folder that was written last. Raises `CheckpointError` if there is none."""
    return _first(folder, models(folder), "model", "train one with `charrnn train`, or give the path of its file")


def bundled_model() -> Path | None:
    """The model that comes with the package; None if it is not installed."""
    return bundled_file(BUNDLED + SUFFIX)


def newest_resumable(folder: Path = FOLDER) -> Path:
    """The checkpoint whose training state was written last. Raises `CheckpointError` if there is none."""
    states = _by_age(list(folder.glob("*" + RESUME_SUFFIX)))
    advice = "begin one with `charrnn train`, or give the path of its model"
    found = _first(folder, states, "training to resume", advice)
    return found.with_name(found.name.removesuffix(RESUME_SUFFIX) + SUFFIX)


def _by_age(paths: list[Path]) -> list[Path]:
    """Those that are files, the newest first; a link may lead nowhere.

    Raises `CheckpointError` if their folder can be listed, but not entered.
    """
    if paths and (closed := closed_folder(paths[0])):
        raise CheckpointError(f"can't read {paths[0]}: {closed}")
    return sorted(filter(Path.is_file, paths), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _first(folder: Path, paths: list[Path], what: str, advice: str) -> Path:
    if not paths:
        raise CheckpointError(f"there is no {what} in {folder}{os.sep} yet: {advice}")
    return paths[0]
