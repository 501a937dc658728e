"""The paths of checkpoints: beside each other, and the newest of a folder."""

import os

import pytest

from charrnn.checkpoint.paths import models, newest, newest_resumable, resume_path
from charrnn.errors import CheckpointError


def test_the_training_state_is_beside_its_model(tmp_path):
    assert resume_path(tmp_path / "a.safetensors") == tmp_path / "a.resume.safetensors"
    assert resume_path(tmp_path / "a.b") == tmp_path / "a.b.resume.safetensors"


def test_the_newest_is_the_one_written_last(tmp_path):
    for age, name in enumerate(["c.resume", "b", "a", "b.resume"]):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
        os.utime(tmp_path / f"{name}.safetensors", (1000 - age, 1000 - age))
    (tmp_path / ".d.safetensors.1.tmp").write_bytes(b"")
    assert models(tmp_path) == [tmp_path / "b.safetensors", tmp_path / "a.safetensors"]
    assert newest(tmp_path) == tmp_path / "b.safetensors"
    assert newest_resumable(tmp_path) == tmp_path / "c.safetensors"


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    (tmp_path / "a.resume.safetensors").write_bytes(b"")
    for folder, find in (
        (tmp_path, newest),
        (tmp_path / "nowhere", newest),
        (tmp_path / "nowhere", newest_resumable),
    ):
        what = "model" if find is newest else "training to resume"
        with pytest.raises(CheckpointError, match=rf"there is no {what} in .* yet"):
            find(folder)
