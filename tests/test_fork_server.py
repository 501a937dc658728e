"""The fork server: a fork of it does what a new process does."""

from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from charrnn.checkpoint.lock import acquire
from support import fork_server
from support.processes import SMALL, TEXT, charrnn, train_model

pytestmark = pytest.mark.skipif(not fork_server.available, reason="needs Linux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model."""
    folder = tmp_path_factory.mktemp("fork")
    train_model(folder)
    return folder


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("frobnicate",),
        ("sample", "missing.safetensors"),
        ("sample", "model.safetensors", "--seed", 1, "-n", 50, "--prime", "-"),
        ("score", "model.safetensors", "-", "--json"),
        ("inspect", "model.safetensors", "--history"),
    ],
    ids=lambda args: args[0],
)
def test_a_fork_has_the_streams_and_the_exit_code_of_a_new_process(args: tuple[object, ...], folder: Path) -> None:
    env = {"CHARRNN_SAMPLE_TEMP": "0.5", "COLUMNS": "60"}
    fork, new = (charrnn(*args, cwd=folder, input="a truth", env=env, new=new) for new in (False, True))
    assert (fork.returncode, fork.stdout, fork.stderr) == (new.returncode, new.stdout, new.stderr)


def test_a_fork_trains_the_model_that_a_new_process_trains(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    for name, new in (("fork", False), ("new", True)):
        args = ("train", "corpus.txt", *SMALL, "--steps", 4, "--out", f"{name}.safetensors")
        assert charrnn(*args, cwd=tmp_path, new=new).returncode == 0
    fork, new = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("fork", "new"))
    assert fork == new


def test_in_an_environment_that_is_read_at_the_start_a_run_is_a_new_process(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('a new process')")
    first, *_ = charrnn("--version", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}).stdout.splitlines()
    assert first == "a new process"


def test_a_fork_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    path = tmp_path / "m.safetensors"
    with pytest.raises(TimeoutExpired):
        charrnn("train", "corpus.txt", *SMALL, "--steps", 10**7, "--out", path, cwd=tmp_path, timeout=3)
    acquire(path).release()  # nobody else has locked it any more
