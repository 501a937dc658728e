"""The pair of files of a run: its model and its training state, which are replaced together."""

import os
from pathlib import Path

from charrnn.checkpoint.atomic_file import (
    backup_tokens,
    move_to_backup,
    restore_or_delete_backup,
    temporary_path,
)
from charrnn.checkpoint.metadata import read_text
from charrnn.checkpoint.model_file import Checkpoint, create_model_file
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.checkpoint.training_file import create_state_file
from charrnn.errors import CheckpointError
from charrnn.training.state import TrainingState


def save_pair(path: Path, checkpoint: Checkpoint, state: TrainingState) -> None:
    """Writes the model and the state: both are on disk before either takes its name.

    The state takes its name first. It holds everything that the model's file does: whatever happens between the two, a
    resumed run writes the model's file again. Raises `CheckpointError` if one of them can't be written.
    """
    _check_distinct(path)
    state_path = resume_path(path)
    with (
        create_state_file(state_path, state) as state_file,
        create_model_file(path, checkpoint, like=state_path) as model_file,
    ):
        state_file.commit()
        model_file.commit()


def begin_pair(path: Path, state: TrainingState) -> None:
    """Writes the state of a run that begins, and deletes the model of another run at that path.

    That model never exists beside the new state: it is moved to a backup before and deleted afterwards. Raises
    `CheckpointError` if the state can't be written; everything is then as before.
    """
    _check_distinct(path)
    with create_state_file(resume_path(path), state) as file:
        try:
            move_to_backup(path, file.token)
            file.commit()
        finally:
            restore_or_delete_backup(path, file.token, file.temporary)


def restore_backups(path: Path) -> None:
    """Restores or deletes the backup of a model that a killed run has left behind."""
    for token in backup_tokens(path):
        restore_or_delete_backup(path, token, temporary_path(resume_path(path), token))


def _check_distinct(path: Path) -> None:
    """Raises `CheckpointError` if model and state would overwrite each other."""
    state = resume_path(path)
    if os.path.realpath(path) == os.path.realpath(state):
        raise CheckpointError(f"can't write {path}: {state.name} is a link to the same file; remove the link")


def check_same_run(path: Path, run_id: str) -> None:
    """Raises `CheckpointError` if a file that a run is about to write belongs to another run."""
    _check_distinct(path)
    for each in (path, resume_path(path)):
        if not os.path.exists(each):
            continue
        try:
            same = read_text(TensorFile(each), "run") == run_id
        except CheckpointError as error:
            raise CheckpointError(f"{error}; move it elsewhere, and this run will write its own") from None
        if not same:
            raise CheckpointError(f"{each} belongs to another run: move it elsewhere, and this run will write its own")
