"""The names of checkpoint files: the model, its training state beside it, the newest of a folder."""

import os
from pathlib import Path

from charrnn.errors import CheckpointError

SUFFIX = ".safetensors"
RESUME_SUFFIX = ".resume.safetensors"


def resume_path(path: Path) -> Path:
    """Where the training state of the checkpoint `path` lies: beside it."""
    return path.with_name(path.name.removesuffix(SUFFIX) + RESUME_SUFFIX)


def newest(folder: Path) -> Path:
    """The checkpoint of a folder that was written last. Raises `CheckpointError` where there is none."""
    return _newest(folder, [path for path in folder.glob("*" + SUFFIX) if not path.name.endswith(RESUME_SUFFIX)])


def newest_resumable(folder: Path) -> Path:
    """The checkpoint whose training state was written last. Raises `CheckpointError` where there is none."""
    found = _newest(folder, list(folder.glob("*" + RESUME_SUFFIX)))
    return found.with_name(found.name.removesuffix(RESUME_SUFFIX) + SUFFIX)


def _newest(folder: Path, paths: list[Path]) -> Path:
    paths = [path for path in paths if path.is_file()]  # which what a link leads to may not be
    if not paths:
        raise CheckpointError(
            f"nothing is in {folder}{os.sep} yet: make a model with `charrnn train`, or name its file"
        )
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))
