"""The pair of files of a run: replaced together, never over the files of another run."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from charrnn.checkpoint.atomic_file import move_to_backup, temporary_path
from charrnn.checkpoint.file_pair import begin_pair, check_same_run, restore_backups, save_pair
from charrnn.checkpoint.lock import acquire
from charrnn.checkpoint.model_file import Checkpoint, load
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state
from charrnn.errors import CheckpointError
from charrnn.training.trainer import Trainer
from support.trainings import VERSE, run_of, save, saved_bytes, start_short


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


@pytest.fixture(scope="module")
def finished() -> Trainer:
    return run_of(VERSE, steps=3)


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def refuse_rename(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Lets the system refuse the nth rename from now on."""
    real, calls = os.replace, iter(range(1, 100))

    def replace(*args: Any) -> None:
        if next(calls) == n:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(*args)

    monkeypatch.setattr(os, "replace", replace)


def test_both_files_are_of_the_same_run(path: Path, finished: Trainer) -> None:
    save(finished, path)
    assert names(path) == ["m.resume.safetensors", "m.safetensors"]
    assert load(path).run_id == load_state(resume_path(path)).run_id == finished.state.run_id


@pytest.mark.parametrize("n", [1, 2])
def test_the_state_is_never_older_than_its_model(
    n: int, path: Path, finished: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = start_short(VERSE, steps=3)
    save(early, path)
    before = path.read_bytes(), resume_path(path).read_bytes()
    refuse_rename(monkeypatch, n)
    with pytest.raises(CheckpointError, match=r"can't write .*: Input/output error"):
        save_pair(path, Checkpoint.from_trainer(finished), finished.state)
    monkeypatch.undo()
    after = path.read_bytes(), resume_path(path).read_bytes()
    assert after[0] == before[0]
    assert after[1] == (before[1] if n == 1 else saved_bytes(finished, path.parent / "wanted")[1])
    assert names(path)[:2] == ["m.resume.safetensors", "m.safetensors"]


def test_a_new_run_deletes_the_model_of_another_when_its_state_is_there(path: Path, finished: Trainer) -> None:
    save(finished, path)
    other = start_short(VERSE, seed=2)
    begin_pair(path, other.state)
    assert names(path) == ["m.resume.safetensors"]
    assert load_state(resume_path(path)).run_id == other.state.run_id


@pytest.mark.parametrize("n", [1, 2])
def test_a_new_run_that_can_not_write_leaves_all_as_it_was(
    n: int, path: Path, finished: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(finished, path)
    before = path.read_bytes(), resume_path(path).read_bytes()
    refuse_rename(monkeypatch, n)
    with pytest.raises(CheckpointError, match="can't write"):
        begin_pair(path, start_short(VERSE, seed=2).state)
    assert (path.read_bytes(), resume_path(path).read_bytes()) == before
    assert names(path) == ["m.resume.safetensors", "m.safetensors"]


@pytest.mark.parametrize("committed", [False, True])
def test_the_lock_settles_what_a_killed_run_has_left_of_a_beginning(
    committed: bool, path: Path, finished: Trainer
) -> None:
    save(finished, path)
    model = path.read_bytes()
    move_to_backup(path, "0123abcd")
    if not committed:
        temporary_path(resume_path(path), "0123abcd").write_bytes(b"half")
    restore_backups(path)
    assert path.exists() == (not committed)
    assert committed or path.read_bytes() == model
    acquire(path).release()  # which removes the rest too
    kept = ["m.resume.safetensors"] if committed else ["m.resume.safetensors", "m.safetensors"]
    assert names(path) == [".m.safetensors.lock", *kept]


@pytest.mark.parametrize("other", ["m.safetensors", "m.resume.safetensors"])
def test_a_file_of_another_run_is_not_written_over(other: str, path: Path, finished: Trainer) -> None:
    save(finished, path)
    check_same_run(path, finished.state.run_id)
    with pytest.raises(CheckpointError, match="belongs to another run: move it elsewhere"):
        check_same_run(path, "0" * 64)
    (path.parent / other).write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"not a checkpoint, or damaged.*move it elsewhere"):
        check_same_run(path, finished.state.run_id)
    (path.parent / other).unlink()
    check_same_run(path, finished.state.run_id)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_two_paths_to_one_file_are_refused(path: Path, finished: Trainer) -> None:
    resume_path(path).symlink_to(path.name)
    for call in (
        lambda: save(finished, path),
        lambda: begin_pair(path, finished.state),
        lambda: check_same_run(path, finished.state.run_id),
    ):
        with pytest.raises(CheckpointError, match="is a link to the same file; remove the link"):
            call()
    assert not path.exists()
