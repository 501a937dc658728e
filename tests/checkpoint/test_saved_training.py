"""`charrnn.train(text, checkpoint=…)`: the files are locked, crash-safe, and resumed bit for bit."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.checkpoint.lock import LockedError, acquire, lock_path
from charrnn.checkpoint.log import Log
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.saved_training import SavedTraining
from charrnn.checkpoint.training_file import load_state
from charrnn.config import LAYOUTS
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source
from charrnn.errors import CharRNNError, CheckpointError, ConfigError, CorpusError, DivergenceError
from charrnn.training import evaluation
from charrnn.training.options import TrainOptions
from charrnn.training.state import Evaluation, copy_params
from charrnn.training.trainer import Trainer
from support.processes import TEXT
from support.trainings import TEXTS, flat

OPTIONS: TrainOptions = {"hidden_size": 8, "layers": 1, "batch_size": 4, "seq_length": 16, "seed": 1, "threads": 1}
OPTIONS |= {"engine": "numpy", "eval_every": 5, "dropout": 0.2, "lr": 0.02}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


def train(path: Path, text: str = TEXT, **options: Any) -> SavedTraining:
    return charrnn.train(text, checkpoint=path, **OPTIONS | {"steps": 12} | options)


def finish(run: SavedTraining, after: dict[int, Callable[[], object]] | None = None) -> SavedTraining:
    """The same training at its end; after some steps something else is done."""
    left = dict(after or {})
    for progress in run:
        if progress.chars and progress.step in left:
            left.pop(progress.step)()
    assert not left
    return run


def leave_after(run: SavedTraining, step: int) -> None:
    """Leaves the loop after a step."""
    for progress in run:
        if progress.step == step:
            break


def take_away(folder: Path) -> None:
    """Puts a file where a folder was, so that nothing can be written there."""
    folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder was")


def bring_back(folder: Path) -> None:
    folder.unlink()
    folder.with_name("away").rename(folder)


def both(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), resume_path(path).read_bytes()


# The files while it runs


def test_the_state_is_in_its_file_before_the_first_step(path: Path) -> None:
    run = train(path)
    assert not resume_path(path).exists()
    progress = iter(run)
    assert next(progress).step == 1
    state = load_state(resume_path(path))
    assert (state.counters.step, state.history) == (0, [])
    assert state.run_id == run.trainer.state.run_id
    assert not path.exists(), "there is no model yet"


def test_after_each_evaluation_the_files_are_those_of_that_step(path: Path) -> None:
    run, seen = train(path), 0
    for progress in run:
        if progress.chars and progress.step in (6, 11):
            state, checkpoint = load_state(resume_path(path)), charrnn.load(path)
            assert state.counters.step == progress.step - 1
            assert checkpoint.history == state.history == run.history
            np.testing.assert_array_equal(flat(checkpoint.model.params), flat(run.best.params))
            seen += 1
    assert seen == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_at_the_end_the_best_model_and_the_last_state_are_there(layout: str, path: Path) -> None:
    options = {"attention": False} if layout == "pairs" else {}
    run = finish(train(path, TEXTS[layout], layout=layout, **options))
    checkpoint, state = charrnn.load(path), load_state(resume_path(path))
    np.testing.assert_array_equal(flat(checkpoint.model.params), flat(run.best.params))
    assert checkpoint.step == run.trainer.best_step
    assert checkpoint.model.layout == layout
    assert checkpoint.history == run.history
    assert state.counters.step == 12
    np.testing.assert_array_equal(flat(state.params), flat(run.trainer.state.params))


def test_if_the_loop_is_left_early_the_state_is_that_of_the_last_step(path: Path) -> None:
    run = train(path)
    leave_after(run, 8)
    assert load_state(resume_path(path)).counters.step == 8
    assert charrnn.load(path).step == 5
    acquire(path).release()  # it is not locked any more


def test_a_training_without_a_checkpoint_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = charrnn.train(TEXT, **OPTIONS | {"steps": 3})
    assert isinstance(trainer, Trainer)
    for _ in trainer:
        pass
    assert list(tmp_path.iterdir()) == []
    files: Any = {"log": tmp_path / "log"}
    with pytest.raises(ConfigError, match="only for a run with a checkpoint"):
        charrnn.train(TEXT, **OPTIONS | files)


# The lock


def test_a_second_run_on_the_same_path_is_refused_while_the_first_has_it(path: Path) -> None:
    run = train(path)
    for again in (lambda: train(path), lambda: train(path, force=True), lambda: charrnn.resume(path, TEXT)):
        with pytest.raises(LockedError, match="another run is writing"):
            again()
    progress = iter(run)
    next(progress)
    with pytest.raises(LockedError):
        charrnn.resume(path, TEXT)
    train(path.with_name("n.safetensors"))
    assert len(list(progress)) > 11
    charrnn.resume(path, TEXT)


@pytest.mark.parametrize(
    ("options", "error"), [({"hidden_size": 0}, ConfigError), ({"layout": "lines"}, CorpusError)], ids=str
)
def test_a_run_that_can_not_start_releases_the_lock(options: Any, error: type[Exception], path: Path) -> None:
    with pytest.raises(error):
        train(path, "a text without any newline", **options)
    assert not list(path.parent.iterdir())
    acquire(path).release()


@pytest.mark.parametrize("name", ["checkpoint", "log", "tensorboard"])
def test_an_empty_path_is_not_the_current_folder(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(ConfigError, match=f"^{name} can't be empty"):
        charrnn.train(TEXT, **OPTIONS | {"checkpoint": path, name: ""})
    assert not list(path.parent.iterdir())


def test_a_run_that_can_not_write_releases_the_lock(path: Path) -> None:
    log = path.with_name("log")
    log.write_text("something\n")
    run = train(path, log=log)
    with pytest.raises(CheckpointError, match="exists"):
        finish(run)
    assert list(path.parent.iterdir()) == [log]
    finish(train(path, log=log.with_name("other")))


def test_a_training_can_run_once(path: Path) -> None:
    run = train(path)
    leave_after(run, 3)
    with pytest.raises(CharRNNError, match=r"only once: charrnn\.resume\(.* continues it"):
        next(iter(run))


def test_a_run_may_end_in_another_thread(path: Path) -> None:
    thread = threading.Thread(target=finish, args=[train(path)])
    thread.start()
    thread.join()
    acquire(path).release()


def test_a_closed_run_is_saved_and_unlocked(path: Path) -> None:
    with train(path) as run:
        steps = iter(run)
        assert next(steps).step == 1
        with pytest.raises(LockedError):
            acquire(path)
    acquire(path).release()
    assert load_state(resume_path(path)).counters.step == 1
    assert list(steps) == []


def test_a_run_that_was_never_begun_can_be_closed(path: Path) -> None:
    run = train(path)
    run.close()
    assert not list(path.parent.iterdir())
    with pytest.raises(CharRNNError, match="only once"):
        iter(run)
    finish(train(path))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_between_two_steps_loses_nothing(
    error: type[BaseException], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = path.with_name("whole.safetensors")
    finish(train(whole))

    def fail(*_: object) -> None:
        raise error

    run = train(path)
    with monkeypatch.context() as patch, pytest.raises(error):
        finish(run, {4: lambda: patch.setattr("charrnn.training.calibration.losses", fail)})
    assert load_state(resume_path(path)).counters.step == 5
    finish(charrnn.resume(path, TEXT))
    assert both(path) == both(whole)


def test_the_files_stay_where_they_were_when_the_program_changes_folders(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "names.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    run = train(Path(path.name), source=Source(("names.txt",)), log="log")
    monkeypatch.chdir(tmp_path / "other")
    finish(run)
    assert os.listdir() == []
    assert (tmp_path / "log").exists()
    assert finish(charrnn.resume(path, steps=14)).trainer.state.counters.step == 14


# Files that exist


@pytest.mark.parametrize("taken", ["m.safetensors", "m.resume.safetensors"])
def test_a_file_that_exists_is_refused_without_force(taken: str, path: Path) -> None:
    finish(train(path))
    (path.parent / ({"m.safetensors", "m.resume.safetensors"} - {taken}).pop()).unlink()
    before = (path.parent / taken).read_bytes()
    with pytest.raises(CheckpointError, match=f"{taken} exists"):
        train(path, steps=3)
    assert (path.parent / taken).read_bytes() == before
    finish(train(path, steps=3, force=True))
    assert load_state(resume_path(path)).counters.step == 3


def test_with_force_the_old_model_stays_until_the_new_run_has_begun(path: Path) -> None:
    finish(train(path))
    before = both(path)
    run = train(path, seed=2, force=True)
    assert both(path) == before
    progress = iter(run)
    next(progress)
    assert not path.exists()
    assert load_state(resume_path(path)).run_id == run.trainer.state.run_id


def test_another_name_than_that_of_a_model_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="must end in"):
        train(path.with_name("m"))


# Resumed


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("left_after", [0, 1, 5, 8, 12, None])
def test_a_resumed_run_gives_the_same_bytes_as_an_uninterrupted_one(
    layout: str, left_after: int | None, path: Path
) -> None:
    text, options = TEXTS[layout], {"layout": layout, "schedule": "cosine"}
    whole = path.with_name("whole.safetensors")
    finish(train(whole, text, steps=20, **options))
    run = train(path, text, steps=20, **options)
    if left_after == 0:
        progress: Any = iter(run)
        next(progress)
        shutil.copy(resume_path(path), path.with_name("kept"))  # as it is if the first step is interrupted
        progress.close()
        shutil.move(path.with_name("kept"), resume_path(path))
    elif left_after is not None:
        leave_after(run, left_after)
    else:
        finish(run)
    again = charrnn.resume(path, text, steps=20)
    assert again.trainer.state.counters.step == (20 if left_after is None else left_after)
    finish(again)
    assert both(path) == both(whole)


def test_more_steps_continue_a_finished_run(path: Path) -> None:
    whole = path.with_name("whole.safetensors")
    finish(train(whole, steps=20))
    finish(train(path, steps=10))
    finish(charrnn.resume(str(path), TEXT.encode().decode(), steps=20))
    assert both(path) == both(whole)


def test_the_text_is_read_from_its_source_if_it_is_not_given(path: Path) -> None:
    corpus = path.with_name("corpus.txt")
    corpus.write_text(TEXT)
    finish(train(path, source=Source((str(corpus),))))
    assert finish(charrnn.resume(path, steps=14)).trainer.state.counters.step == 14
    corpus.write_text(TEXT + "more")
    with pytest.raises(CorpusError, match="not the one"):
        charrnn.resume(path, steps=16)
    finish(charrnn.resume(path, from_text(TEXT), steps=16))


def test_a_text_that_was_never_read_has_to_be_given(path: Path) -> None:
    finish(train(path))
    with pytest.raises(CorpusError, match="did not begin with a file: give its text"):
        charrnn.resume(path)
    with pytest.raises(CorpusError, match="not the one"):
        charrnn.resume(path, TEXT + ".")
    acquire(path).release()


def test_a_text_from_stdin_or_a_pipe_has_to_be_given(path: Path) -> None:
    finish(train(path, source=Source(("-",))))
    with pytest.raises(CorpusError, match="did not begin with a file: give its text"):
        charrnn.resume(path)
    other = path.with_name("n.safetensors")
    finish(train(other, source=Source((os.devnull,))))
    with pytest.raises(CorpusError, match=f"can't read {os.devnull}, which is no longer a file: give the text"):
        charrnn.resume(other)


def test_the_log_can_not_be_the_lock_or_a_text(path: Path) -> None:
    (path.parent / "texts").mkdir()
    (path.parent / "texts" / "a.txt").write_text(TEXT)
    for log in (lock_path(path), path.parent / "texts" / "a.txt"):
        with pytest.raises(ConfigError, match="can't be the log too"):
            train(path, log=log, source=Source((str(path.parent / "texts"),)))


def test_a_training_that_was_never_saved_can_not_be_resumed(path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no training to resume"):
        charrnn.resume(path, TEXT)
    finish(train(path))


def test_files_of_two_runs_are_not_resumed(path: Path) -> None:
    finish(train(path))
    finish(train(path.with_name("n.safetensors"), seed=2))
    shutil.copy(path.with_name("n.safetensors"), path)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        charrnn.resume(path, TEXT, steps=20)


def test_a_resumed_run_does_not_replace_a_better_model_by_a_worse_one(path: Path) -> None:
    finish(train(path, steps=12, eval_every=50))  # the evaluation at the end is not a regular one
    best = path.read_bytes()
    run = charrnn.resume(path, TEXT, steps=14, lr=5.0)
    assert run.manager.previous_best is not None
    finish(run)
    assert path.read_bytes() == best
    assert run.manager.kept == charrnn.load(path).history[-1]
    assert load_state(resume_path(path)).counters.step == 14


@pytest.mark.parametrize(
    ("layout", "rows", "kept"),
    [
        ("labels", [(10, 1.02), (12, 1.0), (20, 1.5)], 12),
        ("labels", [(10, 1.0), (12, 1.02)], 12),  # about as low, and later
        ("labels", [(10, 1.1), (12, 1.0), (20, 1.02)], 20),
        ("labels", [(10, 1.1), (12, 1.0), (20, 1.04)], 12),
        ("stream", [(10, 1.1), (12, 1.0), (20, 1.02)], 12),
        ("stream", [(10, 1.1), (12, 1.0), (20, 0.99)], 20),
    ],
)
def test_a_file_is_replaced_by_the_rule_that_chooses_the_best_weights_of_a_run(
    layout: str, rows: list[tuple[int, float]], kept: int, path: Path
) -> None:
    run = train(path, TEXTS[layout], layout=layout)
    evaluations = [Evaluation(step, 0, 0.1, 1.0, loss) for step, loss in rows]
    run.manager.resumed, run.manager.previous_best = True, evaluations.pop(1)
    state = run.trainer.state
    state.history, state.best = evaluations, copy_params(state.params)
    best = evaluation.best(evaluations, run.trainer.tolerance)
    state.counters.step, state.counters.best_step = 20, best.step
    path.write_bytes(b"the model that is there")
    run.manager.log = Log(None, state, True, False)
    run.manager.save()
    assert run.manager.kept is not None
    assert run.manager.kept.step == kept
    assert (path.read_bytes() == b"the model that is there") == (kept == 12)
    run.close()


# Saves that fail


def test_a_save_that_fails_along_the_way_is_a_warning_and_the_training_continues(path: Path) -> None:
    folder = path.parent / "folder"
    path = folder / path.name
    run, steps = train(path, steps=20), []

    def bring_back_and_look() -> None:
        bring_back(folder)
        steps.append(load_state(resume_path(path)).counters.step)

    with pytest.warns(UserWarning, match=r"can't write .*: training continues, and will be saved as soon as possible"):
        finish(run, {7: lambda: take_away(folder), 12: bring_back_and_look})
    assert steps == [5], "the files of the last save stay"
    whole = path.with_name("whole.safetensors")
    finish(train(whole, steps=20))
    assert both(path) == both(whole)


def test_a_last_save_that_fails_is_an_error(path: Path) -> None:
    folder = path.parent / "folder"
    path = folder / path.name
    run = train(path, steps=9)
    with (
        pytest.warns(UserWarning, match="can't write .*: training continues"),
        pytest.raises(CheckpointError, match="can't write"),
    ):
        finish(run, {7: lambda: take_away(folder)})
    bring_back(folder)
    whole = path.with_name("whole.safetensors")
    finish(train(whole, steps=9))
    finish(charrnn.resume(path, TEXT))
    assert both(path) == both(whole)


def test_files_of_another_run_that_come_along_the_way_are_not_written_over(path: Path) -> None:
    finish(train(path.with_name("n.safetensors"), seed=2))
    other = both(path.with_name("n.safetensors"))
    run = train(path, steps=12)
    with (
        pytest.warns(UserWarning, match="belongs to another run"),
        pytest.raises(CheckpointError, match="belongs to another run"),
    ):
        finish(run, {3: lambda: resume_path(path).write_bytes(other[1])})
    assert resume_path(path).read_bytes() == other[1]
    assert not path.exists()


def test_a_step_that_was_interrupted_is_not_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(path, steps=20)
    real = run.trainer.shards.loss_and_gradients

    def interrupted(*args: Any) -> Any:
        if run.trainer.state.counters.step == 8:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(run.trainer.shards, "loss_and_gradients", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(run)
    assert load_state(resume_path(path)).counters.step == 5
    whole = path.with_name("whole.safetensors")
    finish(train(whole, steps=20))
    finish(charrnn.resume(path, TEXT))
    assert both(path) == both(whole)


def test_a_training_that_diverges_for_good_saves_its_last_good_state(path: Path) -> None:
    run = train(path, steps=30)

    def poison_again_and_again() -> None:
        for progress in run:
            if progress.step == 7:
                run.trainer.state.params["W_out"].fill(np.nan)

    with pytest.raises(DivergenceError):
        poison_again_and_again()
    state = load_state(resume_path(path))
    assert state.counters.step == 5
    assert np.isfinite(flat(state.params)).all()
    assert charrnn.load(path).step == 5


# The log


def steps_of(log: Path) -> list[int]:
    return [json.loads(line)["step"] for line in log.read_text().splitlines()]


def test_the_log_has_a_line_for_each_step_and_each_evaluation(path: Path) -> None:
    log = path.with_name("log.jsonl")
    run = finish(train(path, log=log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12]
    losses = [line["val_loss"] for line in lines if "val_loss" in line]
    assert losses == [row.val_loss for row in run.history]
    assert {line["run"] for line in lines} == {run.trainer.state.run_id[:12]}


def test_the_log_of_a_resumed_run_continues_from_its_state(path: Path) -> None:
    log, kept = path.with_name("log.jsonl"), path.with_name("kept")
    run = train(path, log=log, steps=12)
    finish(run, {6: lambda: shutil.copy(resume_path(path), kept)})  # of step 5
    shutil.copy(kept, resume_path(path))
    path.unlink()
    assert steps_of(log)[-1] == 12
    progress = iter(charrnn.resume(path, TEXT, log=log))
    assert next(progress).step == 6
    assert steps_of(log) == [1, 2, 3, 4, 5, 5, 6], "the lines after the state were cut"
    progress.close()
    finish(charrnn.resume(path, TEXT, log=log))
    assert steps_of(log) == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12]


def test_a_log_that_is_one_of_the_other_files_is_refused(path: Path) -> None:
    corpus = path.with_name("corpus.txt")
    corpus.write_text(TEXT)
    for log in (path, resume_path(path), corpus):
        with pytest.raises(ConfigError, match="can't be the log too"):
            train(path, log=log, source=Source((str(corpus),)))
    finish(train(path, source=Source((str(corpus),))))
    with pytest.raises(ConfigError, match="can't be the log too"):
        charrnn.resume(path, log=corpus)
    assert corpus.read_text() == TEXT
    acquire(path).release()


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with names")
def test_a_log_that_can_not_be_written_any_more_is_a_warning(path: Path) -> None:
    pipe = path.with_name("pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run = train(path, log=pipe, force=True)
    with pytest.warns(UserWarning, match="can't write the log any more"):
        finish(run, {3: lambda: os.close(reader)})
    assert load_state(resume_path(path)).counters.step == 12
