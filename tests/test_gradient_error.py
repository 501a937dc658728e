"""`tests/bench/gradient_error.py`: the errors that it prints, by parameter and for all of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.trainings import VERSE

SCRIPT = Path(__file__).parent / "bench" / "gradient_error.py"
SMALL = ("--steps", 3, "--hidden-size", 8, "--batch-size", 4, "--seq-length", 12, "--engine", "numpy")


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("cells", "layers"), [("lstm,gru,rnn", 1), ("gru", 2)])
def test_each_gradient_has_the_rounding_error_of_its_precision(cells: str, layers: int, tmp_path: Path) -> None:
    (tmp_path / "verse.txt").write_text(VERSE)
    done = run(tmp_path / "verse.txt", *SMALL, "--cells", cells, "--layers", layers)
    assert done.returncode == 0, done.stderr
    header, _, *rows = [line.strip("| ").split("|") for line in done.stdout.splitlines()]
    columns = [name.strip() for name in header[1:]]
    assert columns == [f"{cell}, {name}" for cell in cells.split(",") for name in ("float32", "bfloat16")]
    found = {row[0].strip(): [text.strip() for text in row[1:]] for row in rows}
    names = [name for n in range(layers) for name in (f"W_ih{n}", f"W_hh{n}", f"b{n}", f"b_hn{n}")]
    assert found.keys() == {*names, "W_out", "b_out", "all of them"}
    for n, column in enumerate(columns):
        values = {name: float(errors[n]) for name, errors in found.items() if len(errors) > n and errors[n]}
        assert ("b_hn0" in values) == column.startswith("gru")
        least, most = (1e-4, 0.05) if "bfloat16" in column else (1e-8, 1e-5)
        assert all(least < value < most for value in values.values()), (column, values)
        together = values.pop("all of them")
        assert min(values.values()) <= together <= max(values.values())


def test_a_missing_corpus_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "missing.txt", *SMALL)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "missing.txt" in done.stderr
