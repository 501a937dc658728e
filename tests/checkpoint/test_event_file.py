"""The events for TensorBoard: the values of the log, step by step, through resumes and rollbacks."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.checkpoint.event_file import CURVES, EventFile, check_events, event_files
from charrnn.checkpoint.lock import acquire, lock_path
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.training_file import load_state
from charrnn.dataset.files import Source
from charrnn.errors import CheckpointError, ConfigError, MissingLibraryError
from charrnn.training.state import TrainingState
from support.events import Seen, crc32c, events, seen, without_speed
from support.processes import TEXT

pytest.importorskip("tensorboardX")

OPTIONS: Any = {"hidden_size": 8, "layers": 1, "batch_size": 4, "seq_length": 16, "seed": 1, "threads": 1}
OPTIONS |= {"engine": "numpy", "eval_every": 5, "lr": 0.02, "steps": 12}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "first"


def train(path: Path, **options: Any) -> charrnn.SavedTraining:
    return charrnn.train(TEXT, checkpoint=path, **OPTIONS | options)


def finish(run: charrnn.SavedTraining) -> None:
    for _ in run:
        pass


def state_of(path: Path) -> TrainingState:
    return load_state(resume_path(path))


def test_the_reader_of_the_tests_knows_the_check_of_a_known_text() -> None:
    crc = (crc32c(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (crc >> 17 | crc << 15) & 0xFFFFFFFF == 0xE3069283  # which the catalogue of CRCs gives


def test_the_events_have_the_values_and_steps_of_the_log(path: Path, folder: Path) -> None:
    log = path.with_name("log.jsonl")
    finish(train(path, log=log, tensorboard=folder))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expected = [
        Seen(tag, line["step"], float(np.float32(line[key])))
        for line in lines
        for key, tag in CURVES.items()
        if line.get(key) is not None
    ]
    assert seen(folder) == expected
    steps = {tag: [each.step for each in expected if each.tag == tag] for tag in CURVES.values()}
    assert steps["loss/batch"] == steps["gradient_norm"] == list(range(1, 13))
    assert steps["loss/validation"] == steps["loss/training"] == [5, 10, 12]
    assert steps["learning_rate"] == steps["characters_per_second"] == sorted([*range(1, 13), 5, 10, 12])


def test_without_a_folder_nothing_is_written(path: Path) -> None:
    finish(train(path))
    assert {each.name for each in path.parent.iterdir()} == {path.name, resume_path(path).name, lock_path(path).name}


def test_a_resumed_run_shows_what_one_without_a_break_does(path: Path, folder: Path) -> None:
    finish(train(path.with_name("whole.safetensors"), tensorboard=folder.with_name("whole")))
    whole = without_speed(seen(folder.with_name("whole")))

    run, kept = train(path, tensorboard=folder), path.with_name("kept")
    for progress in run:
        if progress.chars and progress.step == 6:  # saved after step 5, and then killed after step 12
            shutil.copy(resume_path(path), kept)
            shutil.copy(path, path.with_name("best"))
    shutil.copy(kept, resume_path(path))
    shutil.copy(path.with_name("best"), path)
    assert state_of(path).counters.step == 5
    progress = iter(charrnn.resume(path, TEXT, tensorboard=folder))
    next(progress)
    del progress
    assert max(each.step for each in seen(folder)) == 6, "what came after the state is taken back"
    finish(charrnn.resume(path, TEXT, tensorboard=folder))
    assert without_speed(seen(folder)) == whole
    assert len(event_files(folder)) == 3


def test_a_resumed_run_that_is_at_its_end_adds_no_file(path: Path, folder: Path) -> None:
    finish(train(path, tensorboard=folder, steps=10))
    before = seen(folder)
    finish(charrnn.resume(path, TEXT, tensorboard=folder))
    assert len(event_files(folder)) == 1
    assert seen(folder) == before


def test_a_rollback_takes_back_what_came_after_its_step(path: Path, folder: Path) -> None:
    finish(train(path))
    file = EventFile(folder, state_of(path), resumed=False, force=False)
    for step in (1, 2, 3, 4):
        file.write({"step": step, "loss": float(step)})
    file.write({"step": 2, "diverged": 5, "rollbacks": 1, "lr": 0.25})
    file.write({"step": 3, "loss": 0.5})
    file.close()
    losses = [(each.step, each.value) for each in seen(folder) if each.tag == "loss/batch"]
    assert losses == [(1, 1.0), (2, 2.0), (3, 0.5)]
    assert Seen("rollbacks", 2, 1.0) in seen(folder)
    assert Seen("learning_rate", 2, 0.25) in seen(folder)


def test_a_sample_is_a_text_whose_marks_are_no_markup(path: Path, folder: Path) -> None:
    finish(train(path))
    file = EventFile(folder, state_of(path), resumed=False, force=False)
    file.write_sample(7, "# no heading\n<script>\n\n*a* \udc80 東")
    file.close()
    expected = "    # no heading\n    <script>\n    \n    *a* \\udc80 東"
    assert seen(folder) == [Seen("sample", 7, expected)]


def test_values_that_are_no_numbers_are_shown_as_such(path: Path, folder: Path) -> None:
    finish(train(path))
    file = EventFile(folder, state_of(path), resumed=False, force=False)
    file.write({"step": 1, "loss": math.nan, "val_loss": None})
    file.close()
    ((tag, step, value),) = seen(folder)
    assert (tag, step) == ("loss/batch", 1)
    assert math.isnan(float(value))


def test_events_are_on_the_disk_while_it_runs(path: Path, folder: Path) -> None:
    for progress in train(path, tensorboard=folder):
        if progress.evaluation:  # and so it has been saved
            assert max(each.step for each in seen(folder)) == progress.step


# Folders that have events


def test_the_events_of_another_run_stay_unless_they_are_overwritten(path: Path, folder: Path) -> None:
    finish(train(path, tensorboard=folder))
    other, before = path.with_name("other.safetensors"), seen(folder)
    with pytest.raises(CheckpointError, match="has the events of a run: overwrite them with `force=True`"):
        train(other, tensorboard=folder)
    assert not resume_path(other).exists()
    acquire(other).release()
    finish(train(other, seed=2))
    with pytest.raises(CheckpointError, match="has the events of another run: give `tensorboard` a folder of its own"):
        finish(charrnn.resume(other, TEXT, steps=15, tensorboard=folder))
    assert state_of(other).counters.step == 12
    assert seen(folder) == before
    (folder / "notes.txt").write_text("precious\n")
    finish(train(other, tensorboard=folder, seed=2, force=True))
    (file,) = event_files(folder)
    assert len(events(file)) == 15
    assert (folder / "notes.txt").read_text() == "precious\n"


def test_events_are_overwritten_only_when_the_run_has_begun(path: Path, folder: Path) -> None:
    finish(train(path, tensorboard=folder))
    before = seen(folder)
    file = EventFile(folder, state_of(path), resumed=False, force=True)
    file.discard()
    assert seen(folder) == before


# What can't be


def test_a_folder_that_can_not_be_is_an_error_before_the_run(path: Path) -> None:
    (path.parent / "file").write_text("")
    for folder in (path.parent / "file", path.parent / "file" / "runs"):
        with pytest.raises(CheckpointError, match=r"can't write .*: .*file is not a folder"):
            train(path, tensorboard=folder)
    assert {each.name for each in path.parent.iterdir()} == {"file"}


def test_a_folder_of_the_text_is_refused(path: Path) -> None:
    texts = path.parent / "texts"
    texts.mkdir()
    with pytest.raises(ConfigError, match="would be read as part of the text"):
        train(path, tensorboard=texts / "runs", source=Source((str(texts),)))
    check_events(texts / ".runs", (str(texts),), continues=False)  # which is not read


def test_without_the_library_it_is_an_error_that_says_what_to_install(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.optional.find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError) as error:
        train(path, tensorboard=folder)
    assert str(error.value) == "TensorBoard needs tensorboardX: pip install 'charrnn-text[tensorboard]'"
    assert not folder.parent.exists()


def test_a_folder_is_for_a_run_with_a_checkpoint(folder: Path) -> None:
    with pytest.raises(ConfigError, match="only for a run with a checkpoint"):
        charrnn.train(TEXT, tensorboard=folder, **OPTIONS)  # type: ignore[call-overload]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_events_that_can_not_be_written_any_more_are_a_warning(path: Path, folder: Path) -> None:
    run = train(path, tensorboard=folder)
    with pytest.warns(UserWarning, match="can't write the events for TensorBoard any more") as warnings:
        finish_with_a_full_device(run)
    assert len(warnings) == 1
    assert state_of(path).counters.step == 12


def finish_with_a_full_device(run: charrnn.SavedTraining) -> None:
    """Runs to the end; from step 3 on the descriptor of the events is that of a device without room."""
    full = os.open("/dev/full", os.O_WRONLY)
    for progress in run:
        if progress.step == 3:
            (own,) = [int(fd) for fd in os.listdir("/proc/self/fd") if is_of_events(fd)]
            os.dup2(full, own)
    os.close(full)


def is_of_events(descriptor: str) -> bool:
    """Whether a descriptor of this process is that of an event file."""
    try:
        return "tfevents" in os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return False
