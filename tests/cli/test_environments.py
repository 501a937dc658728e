"""Unusual environments: the program works in each of them."""

import json
import os
from pathlib import Path

import pytest

from charrnn.checkpoint import training_file
from support.processes import SMALL, TEXT, after_script, charrnn, error_line, posix, train_model, unprivileged

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "no home": {"HOME": ""},
    "a missing home": {"HOME": "/no/such/folder", "XDG_CACHE_HOME": "/no/such/cache"},
    "no docstrings": {"PYTHONOPTIMIZE": "2"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a dumb terminal": {"TERM": "dumb"},
    "forty columns": {"COLUMNS": "40"},
    "no columns": {"COLUMNS": "nonsense"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1"},
    "another time zone": {"TZ": "Nonsense/Nowhere"},
}


COMPILED = ("a missing home", "warnings are errors")
"""The environments that matter to numba too."""


@posix
@pytest.mark.parametrize(
    ("name", "engine"), [(name, "numpy") for name in ENVIRONMENTS] + [(name, "auto") for name in COMPILED]
)
def test_every_command_works(name: str, engine: str, tmp_path: Path) -> None:
    env = ENVIRONMENTS[name]
    (tmp_path / "corpus.txt").write_text(TEXT)
    options = [word for word in SMALL if word not in ("--engine", "numpy")]
    train = ("train", "corpus.txt", *options, "--engine", engine, "--steps", 2, "--out", "m.safetensors", "--json")
    for args in (
        train,
        ("train", "--resume", "--steps", 3, "--out", "m.safetensors", "--json"),
        ("sample", "m.safetensors", "--seed", 1, "-n", 20, "--json", "--engine", engine),
        ("score", "m.safetensors", "corpus.txt", "--json", "--engine", engine),
        ("inspect", "m.safetensors", "--json"),
    ):
        begins_anew = name == "no columns"  # which must not disturb an import; what most others set, no fork has
        done = charrnn(*args, cwd=tmp_path, env=env, timeout=300, new=begins_anew)  # it may have to compile
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)
        assert "Warning" not in done.stderr


@posix
def test_absolute_paths_work_in_a_deleted_current_folder(tmp_path: Path) -> None:
    from_deleted = after_script("mkdir gone && cd gone && rmdir ../gone")
    model = train_model(tmp_path, TEXT)
    line = error_line(charrnn("train", tmp_path / "corpus.txt", *SMALL, cwd=tmp_path, command=from_deleted), 1)
    assert "the current folder no longer exists: change to another one" in line
    for args in (
        ("train", tmp_path / "corpus.txt", *SMALL, "--steps", 2, "--out", tmp_path / "m.safetensors", "--json"),
        ("sample", model, "--seed", 1, "-n", 20, "--json"),
    ):
        done = charrnn(*args, cwd=tmp_path, command=from_deleted)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


@posix
def test_the_numba_engine_works_without_a_writable_cache(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    (tmp_path / "closed").mkdir(mode=0o555)
    options = [word for word in SMALL if word not in ("--engine", "numpy")]
    args = ("train", "corpus.txt", *options, "--engine", "numba", "--steps", 2, "--out", "m.safetensors", "--json")
    done = charrnn(
        *args, cwd=tmp_path, env={"NUMBA_CACHE_DIR": str(tmp_path / "closed")}, command=unprivileged, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"] == "numba"
    assert not list((tmp_path / "closed").iterdir())
    assert "in each run, as NUMBA_CACHE_DIR, " in done.stderr
    assert "can't be written to (Permission denied): set NUMBA_CACHE_DIR to a folder that can" in done.stderr
    assert "kept for later" not in done.stderr


@posix
def test_a_clock_that_runs_backwards_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import itertools, os, time\n"
        "seconds = itertools.count(2_000_000_000, -3600)\n"
        "time.time = lambda: float(next(seconds))\n"
        "time.time_ns = lambda: next(seconds) * 10**9\n"
    )
    (tmp_path / "corpus.txt").write_text(TEXT)
    env = {"PYTHONPATH": str(tmp_path)}
    log = ("--log", "l.jsonl", "--out", "m.safetensors")
    timed = ("train", "corpus.txt", "--time", "3s", "--engine", "numpy", "--seed", 1, *log, "--json")
    done = charrnn(*timed, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["seconds"] < 60
    for path in tmp_path.glob("m.*"):  # as if a clock had been ahead
        os.utime(path, (4_000_000_000, 4_000_000_000))
    steps = json.loads(done.stdout)["steps"]
    resumed = charrnn("train", "--resume", "--steps", steps + 5, *log, cwd=tmp_path, env=env)
    assert resumed.returncode == 0, resumed.stderr
    rows = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert all(row["seconds"] >= 0 for row in rows)
    assert training_file.load_state(tmp_path / "m.resume.safetensors").counters.step == steps + 5
