"""`charrnn warm-up`, and what other commands say and do where nothing is compiled, or nothing can be kept."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from charrnn import engine as engines
from charrnn.cli.train import files
from charrnn.engine import compile_cache
from charrnn.engine.precision import bfloat16_is_faster, problem_with_bfloat16
from charrnn.training.trainer import Trainer
from support.processes import TEXT, charrnn, error_line, posix, train_model, unprivileged

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"), steps=1)


@pytest.fixture
def cold(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is compiled yet."""
    return {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}


def test_it_says_what_is_not_compiled(cold: dict[str, str], tmp_path: Path) -> None:
    done = charrnn("warm-up", "--check", cwd=tmp_path, env=cold)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("not compiled yet: ")
    assert all(
        f" {name}" in done.stderr for name in ("lstm._pack_and_forward,", "gru._pack_and_backward,", "decoder._run,")
    )
    done = charrnn("warm-up", "sample", "score", "--cell", "rnn", "--check", "--json", cwd=tmp_path, env=cold)
    found = json.loads(done.stdout)
    assert (done.returncode, found["folder"], found["bytes"], found["compiled"]) == (1, None, 0, 0)
    assert {"decoder._run", "rnn._pack_and_forward"} < {*found["missing"]}
    assert not any(name.startswith(("lstm", "gru", "adam", "attention")) for name in found["missing"])
    done = charrnn("warm-up", "adapt", "--cell", "gru", "--check", "--json", cwd=tmp_path, env=cold)
    found = json.loads(done.stdout)["missing"]
    assert {*found} == {"learner._read_gru", "matmul.pack_panels"}
    assert not (tmp_path / "cache").exists()


@posix
def test_what_it_compiles_serves_others_who_can_not_write_there(cold: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    done = charrnn("warm-up", "score", "--cell", "rnn", cwd=tmp_path, env=cold, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "cache" / "charrnn").iterdir()
    assert done.stdout == f"{folder}\n"
    *_, progress, summary = done.stderr.splitlines()
    assert progress.startswith("1 of 1: score rnn, ")
    assert summary.startswith("compiled ")
    model = train_model(tmp_path, TEXT, "--cell", "rnn")
    for path in (*folder.iterdir(), folder, folder.parent, folder.parent.parent):
        path.chmod(0o555)
    check = ("warm-up", "score", "--cell", "rnn", "--check", "--json")
    done = charrnn(*check, cwd=tmp_path, env=cold, command=unprivileged)
    assert (done.returncode, json.loads(done.stdout)["missing"]) == (0, [])
    score = ("score", model, "corpus.txt", "--engine", "numba")
    done = charrnn(*score, cwd=tmp_path, env=cold | {"HOME": ""}, command=unprivileged)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_folder_that_can_not_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    (tmp_path / "file").touch()
    for folder, why in (("closed", "Permission denied"), ("file", "Not a directory")):
        env = {"NUMBA_CACHE_DIR": str(tmp_path / folder)}
        line = error_line(charrnn("warm-up", cwd=tmp_path, env=env, command=unprivileged), 1)
        assert (
            f"can't keep what is compiled, as NUMBA_CACHE_DIR, {tmp_path / folder}, can't be written to ({why})" in line
        )
        assert "set NUMBA_CACHE_DIR to a folder that can be written to" in line


# Where nothing is compiled


def test_a_short_training_takes_numpy_and_says_so(cold: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT * 4)
    train = ("train", "corpus.txt", "--seed", 1, "--out", "m.safetensors")
    done = charrnn(*train, "--time", "3s", "--json", cwd=tmp_path, env=cold)
    assert json.loads(done.stdout)["engine"] == "numpy", done.stderr
    assert json.loads(done.stdout)["seconds"] < 60
    assert "NumPy engine: compiling the faster one would take about " in done.stderr
    assert "seconds, too long for a training of 3; charrnn warm-up does it once\n" in done.stderr
    assert not (tmp_path / "cache").exists()
    steps = json.loads(done.stdout)["steps"]
    # A run that is resumed keeps its engine, whatever is compiled by then
    done = charrnn("train", "--resume", "--steps", steps + 2, "--out", "m.safetensors", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["engine"] == "numpy", done.stderr


def test_a_text_that_can_not_be_trained_on_is_one_line(cold: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("one line only\n")
    line = error_line(charrnn("train", "few.txt", "--lines", "--time", "3s", cwd=tmp_path, env=cold), 1)
    assert "few.txt has only one line" in line


@pytest.mark.parametrize("arriving", [False, True], ids=["file", "stdin"])
def test_a_score_takes_numpy_and_says_so(arriving: bool, model: Path, cold: dict[str, str], tmp_path: Path) -> None:
    text = TEXT * 20
    (tmp_path / "long.txt").write_text(text)
    args = ("score", model, "-" if arriving else "long.txt", "--json")
    done = charrnn(*args, cwd=tmp_path, env=cold, input=text if arriving else "")
    assert done.returncode == 0
    assert done.stderr.startswith("NumPy engine: compiling the faster one would take about ")
    assert (
        charrnn(*args, "--engine", "numpy", cwd=tmp_path, env=cold, input=text if arriving else "").stdout
        == done.stdout
    )
    assert charrnn(*args, "--quiet", cwd=tmp_path, env=cold, input=text if arriving else "").stderr == ""


def test_sampling_takes_numpy_and_says_so(model: Path, cold: dict[str, str], tmp_path: Path) -> None:
    done = charrnn("sample", model, "--length", 6000, "--seed", 1, cwd=tmp_path, env=cold)
    assert done.returncode == 0
    assert " seconds, too long for this; charrnn warm-up does it once" in done.stderr
    short = charrnn("sample", model, "--length", 600, "--seed", 1, cwd=tmp_path, env=cold)
    assert (short.returncode, short.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "pays", "said"),
    [
        ({"time": 60.0}, True, "continues with the NumPy engine, as the run began; --engine numba is faster\n"),
        ({"time": 60.0}, False, ""),
        ({"time": 60.0, "engine": "numpy"}, True, ""),
        ({"steps": 100}, True, ""),
    ],
)
def test_a_resumed_training_keeps_its_engine_and_says_so_where_another_pays(
    options: dict[str, Any],
    pays: bool,
    said: str,
    trained: Trainer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert trained.state.training_config.engine == "numpy"
    monkeypatch.setattr(engines, "pays", lambda seconds, kernels: pays)
    files._notify_engine(options, trained.state, quiet=False, draws=False)
    assert capsys.readouterr().err == said
    files._notify_engine(options, trained.state, quiet=True, draws=False)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(bool(problem_with_bfloat16()), reason="this processor or system has no bfloat16")
def test_a_training_in_bfloat16_says_what_it_compiles(cold: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    for folder in filter(Path.is_dir, compile_cache.folders()):  # what is compiled already, but in float32 alone
        shutil.copytree(
            folder,
            tmp_path / "cache" / "charrnn" / folder.name,
            ignore=shutil.ignore_patterns("*.bfloat16-*"),
            dirs_exist_ok=True,
        )
    missing = json.loads(charrnn("warm-up", "train", "--check", "--json", cwd=tmp_path, env=cold).stdout)["missing"]
    in_bfloat16 = {f"{name}._pack_and_backward.bfloat16" for name in ("lstm", "gru", "rnn")}
    assert in_bfloat16 & {*missing} == (in_bfloat16 if bfloat16_is_faster() else set())
    train = ("train", "corpus.txt", "--hidden-size", 8, "--cell", "rnn", "--steps", 2, "--sample-every", 0)
    again = ("bfloat16", "auto") if bfloat16_is_faster() else ("bfloat16",)
    for precision, compiles in (("bfloat16", True), *((name, False) for name in again)):
        options = ("--engine", "numba", "--precision", precision, "--out", "m.safetensors", "--force")
        done = charrnn(*train, *options, cwd=tmp_path, env=cold, timeout=300)
        assert done.returncode == 0, done.stderr
        assert ("compiling the numba engine, as far as this needs it: about " in done.stderr) == compiles
    check = ("warm-up", "train", "--cell", "rnn", "--check", "--json")
    missing = json.loads(charrnn(*check, cwd=tmp_path, env=cold).stdout)["missing"]
    assert not [name for name in missing if name == "rnn._pack_and_forward" or name.endswith(".bfloat16")]
