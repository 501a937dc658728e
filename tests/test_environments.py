"""Strange environments, as processes: the program does its work in each of them."""

import json
from pathlib import Path

import pytest
from processes import SMALL, TEXT, charrnn, posix

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "no home": {"HOME": ""},
    "a home that is not there": {"HOME": "/no/such/folder", "XDG_CACHE_HOME": "/no/such/cache"},
    "no docstrings": {"PYTHONOPTIMIZE": "2"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a dumb terminal": {"TERM": "dumb"},
    "forty columns": {"COLUMNS": "40"},
    "no columns": {"COLUMNS": "nonsense"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1"},
    "another time zone": {"TZ": "Nonsense/Nowhere"},
}


COMPILED = ("a home that is not there", "warnings are errors")
"""What matters to numba, too."""


@posix
@pytest.mark.parametrize(
    ("name", "engine"), [(name, "numpy") for name in ENVIRONMENTS] + [(name, "auto") for name in COMPILED]
)
def test_the_work_is_done(name: str, engine: str, tmp_path: Path) -> None:
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
        done = charrnn(*args, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)
        assert "Warning" not in done.stderr
