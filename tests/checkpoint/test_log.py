"""The log: JSON lines up to the last save; a resumed training cuts the lines that come again."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn.checkpoint.log import RUN_ID_DIGITS, Log, check_log
from charrnn.errors import CheckpointError, ConfigError
from charrnn.training.state import Counters, TrainingState
from support.trainings import VERSE, start_short

RUN = "a1b2c3d4e5f6" + "0" * 52


@pytest.fixture(scope="module")
def state() -> TrainingState:
    """A state at step 5, after one rollback."""
    state = start_short(VERSE).state
    state.run_id, state.counters = RUN, Counters(step=5, rollbacks=1)
    return state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def line_of(step: int, run: str = RUN[:RUN_ID_DIGITS], **more: Any) -> str:
    return json.dumps({"step": step, **more, "run": run}) + "\n"


def test_lines_are_json_and_name_their_run(path: Path, state: TrainingState) -> None:
    log = Log(path, state, resumed=False, force=False)
    log.begin()
    log.write({"step": 1, "loss": 2.5})
    assert path.read_text() == line_of(1, loss=2.5), "a line is there at once"
    log.write({"step": 2, "loss": 2.25})
    log.close()
    assert path.read_text() == line_of(1, loss=2.5) + line_of(2, loss=2.25)


def test_without_a_path_nothing_is_written(tmp_path: Path, state: TrainingState) -> None:
    log = Log(None, state, resumed=False, force=False)
    log.begin()
    log.write({"step": 1})
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_refused_unless_it_is_empty_or_forced(path: Path, state: TrainingState) -> None:
    path.write_text("something\n")
    with pytest.raises(CheckpointError, match="exists: overwrite it with `force=True`, or give another `log`"):
        Log(path, state, resumed=False, force=False)
    log = Log(path, state, resumed=False, force=True)
    assert path.read_text() == "something\n", "it is overwritten when the run begins, not before"
    log.begin()
    assert path.read_text() == ""
    log.close()
    Log(path, state, resumed=False, force=False).close()


def test_a_log_of_a_run_that_did_not_begin_is_removed_if_it_is_new(path: Path, state: TrainingState) -> None:
    Log(path, state, resumed=False, force=False).discard()
    assert not path.exists()
    path.write_text("something\n")
    Log(path, state, resumed=False, force=True).discard()
    assert path.read_text() == "something\n"


def test_a_folder_is_refused(tmp_path: Path, state: TrainingState) -> None:
    with pytest.raises(CheckpointError, match="is a folder: give `log`"):
        Log(tmp_path, state, resumed=False, force=False)


OLD, OTHER = line_of(5), line_of(9, "ffffffffffff")


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("", ""),
        (OLD, OLD),
        (OLD + line_of(6) + line_of(7), OLD),  # later than the state
        (OLD + line_of(4, rollbacks=2), OLD),  # of a rollback that comes again
        (OLD + line_of(4, rollbacks=1), OLD + line_of(4, rollbacks=1)),
        (OLD + line_of(4, tries=2), OLD),  # as logs beside files of format 1 call it
        (OTHER, OTHER),  # of another run
        (OTHER + line_of(6), OTHER),
        (OLD + line_of(6)[:-9], OLD),  # cut short by a full disk
        (OLD + line_of(6)[:-1], OLD),  # which lacks only its newline
        (OLD[:-1], OLD),  # that is completed
        (OLD + '{"st', OLD),
    ],
    ids=range(12),
)
def test_a_resumed_training_cuts_the_lines_that_come_again(
    content: str, kept: str, path: Path, state: TrainingState
) -> None:
    path.write_text(content)
    log = Log(path, state, resumed=True, force=False)
    log.write({"step": 6})
    log.close()
    assert path.read_text() == kept + line_of(6)


@pytest.mark.parametrize("content", ["a text\n", '{"a": 1}\n', "[1]\n", '{"step": "1"}\n', "\n"])
def test_a_file_that_is_not_a_log_is_not_cut(content: str, path: Path, state: TrainingState) -> None:
    path.write_text(content)
    with pytest.raises(CheckpointError, match="is not a training log: give `log` a file of its own"):
        Log(path, state, resumed=True, force=False)
    assert path.read_text() == content


def test_a_log_that_the_run_reads_or_writes_otherwise_is_refused(tmp_path: Path) -> None:
    text, model = tmp_path / "text.txt", tmp_path / "m.safetensors"
    text.write_text("text")
    (tmp_path / "folder").mkdir()
    check_log(None, [str(text)], [model])
    check_log(tmp_path / "log", [str(text)], [model, None])
    check_log(tmp_path / "folder" / ".log", [str(tmp_path / "folder")], [])  # hidden files are not read
    for log in (text, model):
        with pytest.raises(ConfigError, match="can't be the log too"):
            check_log(log, [str(text)], [model])
    with pytest.raises(ConfigError, match="would be read as part of the text"):
        check_log(tmp_path / "folder" / "log", [str(tmp_path / "folder")], [])
    with pytest.raises(ConfigError, match="`log` can't be -"):
        check_log(Path("-"), [], [])
