"""The pair of files: a model and the state of its training, replaced together."""

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
from charrnn.checkpoint.naming import resume_path
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.checkpoint.training_file import create_state_file
from charrnn.errors import CheckpointError
from charrnn.training.state import TrainingState


def save_pair(path: Path, checkpoint: Checkpoint, snapshot: TrainingState) -> None:
    """Writes the model's file, and the state of its training beside it: both are on disk before either has its name.

    The state comes first. It holds all that the model's file does, so whatever happens between the two, what lies there
    belongs together, and a resumed run makes the model's file again. Raises `CheckpointError` where one of them can't
    be written.
    """
    _check_distinct(path)
    state_path = resume_path(path)
    with (
        create_state_file(state_path, snapshot) as state,
        create_model_file(path, checkpoint, like=state_path) as model,
    ):
        state.publish()
        model.publish()


def begin_pair(path: Path, snapshot: TrainingState) -> None:
    """Writes the state of a training that begins; a model of another run that lies there goes.

    It never stands beside the new state: it is set aside before that has its name, and settled after. Raises
    `CheckpointError` where the state can't be written; all is as it was then.
    """
    _check_distinct(path)
    with create_state_file(resume_path(path), snapshot) as state:
        try:
            move_to_backup(path, state.token)
            state.publish()
        finally:
            restore_or_delete_backup(path, state.token, state.temporary)


def restore_backups(path: Path) -> None:
    """Removes or puts back a model that was set aside by a run which was killed as it began."""
    for token in backup_tokens(path):
        restore_or_delete_backup(path, token, temporary_path(resume_path(path), token))


def _check_distinct(path: Path) -> None:
    """Raises `CheckpointError` where model and state would be written over each other."""
    state = resume_path(path)
    if os.path.realpath(path) == os.path.realpath(state):
        raise CheckpointError(f"can't write {path}: by a link {state.name} is the same file; remove that")


def check_same_run(path: Path, run: str) -> None:
    """Raises `CheckpointError` where a file that a run is about to write is there, and isn't its own."""
    _check_distinct(path)
    for each in (path, resume_path(path)):
        if not os.path.exists(each):
            continue
        try:
            own = read_text(TensorFile(each), "run") == run
        except CheckpointError as error:
            raise CheckpointError(f"{error}; move it elsewhere, and this run makes its own again") from None
        if not own:
            raise CheckpointError(f"{each} is of another run: move it elsewhere, and this run makes its own again")
