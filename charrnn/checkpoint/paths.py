"""The paths of checkpoints: a model's, that of the training state beside it, and the newest in a folder."""

import os
from pathlib import Path

from charrnn.errors import CheckpointError

FOLDER = Path("checkpoints")
"""The folder in which models are written and looked for if no path is given."""
SUFFIX = ".safetensors"
RESUME_SUFFIX = ".resume.safetensors"


def resume_path(path: Path) -> Path:
    """The path of the training state of the checkpoint `path`."""
    return path.with_name(path.name.removesuffix(SUFFIX) + RESUME_SUFFIX)


def newest(folder: Path = FOLDER) -> Path:
    """The checkpoint of a folder that was written last. Raises `CheckpointError` if there is none."""
    return _newest(folder, [path for path in folder.glob("*" + SUFFIX) if not path.name.endswith(RESUME_SUFFIX)])


def newest_resumable(folder: Path = FOLDER) -> Path:
    """The checkpoint whose training state was written last. Raises `CheckpointError` if there is none."""
    found = _newest(folder, list(folder.glob("*" + RESUME_SUFFIX)))
    return found.with_name(found.name.removesuffix(RESUME_SUFFIX) + SUFFIX)


def _newest(folder: Path, paths: list[Path]) -> Path:
    paths = [path for path in paths if path.is_file()]  # a link may lead nowhere
    if not paths:
        raise CheckpointError(
            f"there is no model in {folder}{os.sep} yet: train one with `charrnn train`, or give the path of its file"
        )
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))
