"""The two paths of a checkpoint: the model's, and that of the training state beside it."""

from pathlib import Path

SUFFIX = ".safetensors"
RESUME_SUFFIX = ".resume.safetensors"


def resume_path(path: Path) -> Path:
    """The path of the training state of the checkpoint `path`."""
    return path.with_name(path.name.removesuffix(SUFFIX) + RESUME_SUFFIX)
