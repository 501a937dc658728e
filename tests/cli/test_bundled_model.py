"""The model that comes with charrnn: which commands take it, when, and what they say."""

import os
from pathlib import Path

import pytest

from charrnn.checkpoint import paths
from charrnn.cli.terminal.console import model_file
from charrnn.errors import CheckpointError
from support.processes import OPENING, charrnn, error_line
from support.readmes import DOCS

NOTICE = f"model: saltmarrow, which comes with charrnn (there is none in checkpoints{os.sep})\n"


@pytest.fixture
def bundled() -> Path:
    found = paths.bundled_model()
    assert found is not None
    return found


def test_sample_writes_before_anything_is_trained_and_says_with_which_model(bundled: Path, tmp_path: Path) -> None:
    wanted = charrnn("sample", bundled, "--length", 80, "--seed", 1, cwd=tmp_path)
    assert (wanted.returncode, len(wanted.stdout), wanted.stderr) == (0, 80, "")
    done = charrnn("sample", "--length", 80, "--seed", 1, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted.stdout, NOTICE)
    quiet = charrnn("sample", "--length", 80, "--seed", 1, "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, wanted.stdout, "")
    assert not [*tmp_path.iterdir()]  # nothing is written beside it


def test_a_model_in_checkpoints_comes_first(bundled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "names.resume.safetensors").write_bytes(b"")  # a training that has no model yet
    assert charrnn("sample", "--length", 5, "--seed", 1, cwd=tmp_path).stderr == NOTICE
    path = folder / "names.safetensors"
    path.write_bytes((DOCS / "names.safetensors").read_bytes())
    os.utime(path, (1, 1))  # however old
    done = charrnn("sample", "--seed", 1, cwd=tmp_path)
    assert done.stderr == f"model: {Path('checkpoints', 'names.safetensors')}\n"
    path.write_bytes(b"damaged")
    assert "not a checkpoint" in charrnn("sample", cwd=tmp_path).stderr  # another model is no answer to that


def test_every_command_for_language_models_takes_it(bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(OPENING)
    for args in (
        ["score", "text.txt"],
        ["inspect", "--json"],
        ["adapt", "text.txt", "--out", "adapted.safetensors"],
        ["export", "page.html"],
    ):
        done = charrnn(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith(NOTICE)
    wanted = charrnn("score", bundled, "text.txt", cwd=tmp_path)
    assert charrnn("score", "text.txt", cwd=tmp_path).stdout == wanted.stdout


@pytest.mark.parametrize("command", ["classify", "tag", "translate"])
def test_a_command_for_other_models_says_that_there_is_none(command: str, tmp_path: Path) -> None:
    wanted = f"charrnn: there is no model in checkpoints{os.sep} yet: train one with `charrnn train`, or give the path"
    assert error_line(charrnn(command, cwd=tmp_path, input="a\n"), 1).startswith(wanted)
    (tmp_path / "checkpoints").mkdir()
    assert error_line(charrnn(command, cwd=tmp_path, input="a\n"), 1).startswith(wanted)


def test_without_its_file_there_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "bundled_file", lambda name: None)
    with pytest.raises(CheckpointError, match="there is no model in checkpoints"):
        model_file(None, pytest.fail)
