"""`charrnn train --resume`: which run it continues, and what it says where nothing is left to train."""

import gzip
import json
import lzma
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.checkpoint import training_file
from support.processes import SMALL, TEXT, charrnn, error_line

MORE = "--steps or --epochs with a greater number, or --time, trains more"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs on `a.txt`, `b.txt` and `c/`, the last one the latest, and with a run in `elsewhere/`."""
    tmp_path = tmp_path_factory.mktemp("runs")
    (tmp_path / "c").mkdir()
    for name in ("a.txt", "b.txt", "c/c.txt"):
        (tmp_path / name).write_text(TEXT + name * ord(name[0]))
    for n, args in enumerate((["a.txt"], ["b.txt"], ["c/"], ["a.txt", "--out", "elsewhere/a.safetensors"])):
        done = charrnn("train", *args, *SMALL, "--steps", 2, "--quiet", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        for path in tmp_path.glob(f"checkpoints/{args[0][0]}*" if len(args) == 1 else "none"):
            os.utime(path, (1_000_000 + n, 1_000_000 + n))
    return tmp_path


@pytest.fixture
def here(runs: Path, tmp_path: Path) -> Iterator[Path]:
    """The same folder, which is as it was after the test: a run knows where its text is."""
    copy = shutil.copytree(runs, tmp_path / "copy")
    yield runs
    shutil.rmtree(runs)
    shutil.copytree(copy, runs)


def steps_taken(here: Path) -> dict[str, int]:
    """The steps of each run, by its model's path."""
    return {
        str(path.relative_to(here)).replace(".resume", ""): training_file.load_state(path).counters.step
        for path in here.rglob("*.resume.safetensors")
    }


@pytest.mark.parametrize(
    ("args", "run"),
    [
        ("", "checkpoints/c.safetensors"),
        ("a.txt", "checkpoints/a.safetensors"),
        ("./b.txt", "checkpoints/b.safetensors"),
        ("c", "checkpoints/c.safetensors"),
        ("checkpoints/b.safetensors", "checkpoints/b.safetensors"),
        ("checkpoints/b.resume.safetensors", "checkpoints/b.safetensors"),
        ("b", "checkpoints/b.safetensors"),
        ("elsewhere", "elsewhere/a.safetensors"),
        ("a.txt elsewhere/a.safetensors", "elsewhere/a.safetensors"),
        ("elsewhere/a.safetensors a.txt", "elsewhere/a.safetensors"),
        ("a.txt --out elsewhere/a.safetensors", "elsewhere/a.safetensors"),
        ("a --out checkpoints/a.safetensors", "checkpoints/a.safetensors"),
    ],
)
def test_it_continues_the_run_of_what_is_named(args: str, run: str, here: Path) -> None:
    before = steps_taken(here)
    done = charrnn("train", "--resume", *args.split(), "--steps", 3, "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checkpoint"] == run
    assert steps_taken(here) == before | {run: 3}


@pytest.mark.parametrize("move", ["renamed", "moved", "both"])
def test_a_text_that_was_moved_or_renamed_has_its_run(move: str, here: Path) -> None:
    to = {"renamed": "new.txt", "moved": "deep/a.txt", "both": "deep/new.txt"}[move]
    (here / "deep").mkdir()
    (here / "a.txt").rename(here / to)
    done = charrnn("train", to, "--resume", "--steps", 3, "--quiet", "--json", cwd=here)
    assert json.loads(done.stdout)["checkpoint"] == "checkpoints/a.safetensors"


def test_of_two_runs_on_a_text_it_continues_the_latest(here: Path) -> None:
    assert charrnn("train", "a.txt", *SMALL, "--steps", 2, "--quiet", cwd=here).returncode == 0
    done = charrnn("train", "a.txt", "--resume", "--steps", 3, "--json", cwd=here)
    assert json.loads(done.stdout)["checkpoint"] == "checkpoints/a-2.safetensors"


def test_stdin_has_the_run_that_read_it(here: Path) -> None:
    assert charrnn("train", "-", *SMALL, "--steps", 2, cwd=here, input=TEXT * 2).returncode == 0
    os.utime(here / "checkpoints" / "stdin.resume.safetensors", (1, 1))
    done = charrnn("train", "-", "--resume", "--steps", 3, "--json", cwd=here, input=TEXT * 2)
    assert json.loads(done.stdout)["checkpoint"] == "checkpoints/stdin.safetensors"


def test_without_a_run_on_a_text_it_says_which_runs_there_are(here: Path) -> None:
    (here / "d.txt").write_text(TEXT)
    line = error_line(charrnn("train", "d.txt", "--resume", cwd=here), 1)
    assert line.replace("\\", "/") == (
        "charrnn: no run on d.txt is saved in checkpoints/: there is checkpoints/c.safetensors on c, "
        "checkpoints/b.safetensors on b.txt, checkpoints/a.safetensors on a.txt"
    )
    (here / "checkpoints" / "b.resume.safetensors").write_bytes(b"damaged")
    assert "b.txt" not in error_line(charrnn("train", "d.txt", "--resume", cwd=here), 1)
    for name in ("missing.txt", "missing/"):
        assert f"can't read {name}" in error_line(charrnn("train", name, "--resume", cwd=here), 1)
    for path in here.glob("checkpoints/*"):
        path.unlink()
    done = charrnn("train", "d.txt", "--resume", cwd=here)
    assert "there is no training to resume in checkpoints" in error_line(done, 1)


def test_a_text_that_has_changed_is_still_an_error(here: Path) -> None:
    (here / "a.txt").write_text(TEXT * 2)
    assert "is not the one that this run began with" in error_line(charrnn("train", "a.txt", "--resume", cwd=here), 1)


@pytest.mark.parametrize(
    "args", ["a b", "a.safetensors b.safetensors", "b --out checkpoints/a.safetensors", "elsewhere a"]
)
def test_two_models_are_an_error(args: str, here: Path) -> None:
    assert "continues one run, not" in error_line(charrnn("train", "--resume", *args.split(), cwd=here), 2)


# The end of a run


@pytest.mark.parametrize("length", [(), ("--steps", 2)])
def test_a_run_at_its_end_says_that_nothing_was_trained_and_what_trains_more(
    length: tuple[object, ...], here: Path
) -> None:
    before = {path: path.read_bytes() for path in here.glob("checkpoints/a*")}
    done = charrnn("train", "a.txt", "--resume", *length, "--json", cwd=here)
    *_, told, last = done.stderr.splitlines()
    assert told == f"nothing was trained: this run is at its end, step 2 of 2; {MORE}"
    assert last.startswith("done: checkpoints/a.safetensors holds the weights of step 2 in epoch 1")
    assert json.loads(done.stdout)["steps"] == 2
    assert {path: path.read_bytes() for path in here.glob("checkpoints/a*")} == before
    for more in (("--steps", 3), ("--epochs", 1), ("--time", "1s")):
        done = charrnn("train", "a.txt", "--resume", *more, cwd=here)
        assert done.returncode == 0, done.stderr
        assert "nothing was trained" not in done.stderr
    assert "nothing" not in charrnn("train", "b.txt", "--resume", "--quiet", cwd=here).stderr


def test_a_run_that_ran_out_of_patience_says_so(here: Path) -> None:
    options = ("--lr", 0, "--eval-every", 1, "--patience", 1, "--steps", 9, "--out", "p.safetensors")
    done = charrnn("train", "a.txt", *SMALL, *options, cwd=here)
    assert "stopped: 1 evaluation without a better model" in done.stderr
    resume = ("train", "--resume", "p.safetensors")
    told = charrnn(*resume, cwd=here).stderr
    assert (
        "nothing was trained: 1 evaluation without a better model had ended this run; --patience 0 goes on to step 9\n"
    ) in told
    done = charrnn(*resume, "--patience", 0, "--json", cwd=here)
    assert json.loads(done.stdout)["steps"] == 9


# How the epoch is named


@pytest.mark.parametrize("args", [(), ("--lines",), ("--val-spread",)])
def test_the_epoch_is_the_one_that_a_step_lies_in_wherever_it_is_named(args: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    options = (*args, *SMALL, "--val-fraction", 0.2, "--eval-every", 1, "--log", "log")
    done = charrnn("train", "a.txt", *options, "--epochs", 3, "--out", "m.safetensors", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert steps % 3 == 0
    wanted = {step: -(-step // (steps // 3)) for step in range(1, steps + 1)}
    told = re.findall(rf"^step ([\d,]+)/{steps:,}, epoch (\d+), ", done.stderr, re.MULTILINE)
    assert {int(step.replace(",", "")): int(epoch) for step, epoch in told} == wanted
    best = re.search(r"holds the weights of step ([\d,]+) in epoch (\d+);", done.stderr)
    assert best
    step = int(best[1].replace(",", ""))
    assert int(best[2]) == wanted[step]
    rows = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {row["step"]: row["epoch"] for row in rows if "val_loss" in row} == wanted
    assert {row["step"]: row["epoch"] for row in rows if "val_loss" not in row} == wanted
    shown = json.loads(charrnn("inspect", "m.safetensors", "--json", cwd=tmp_path).stdout)
    assert {row["step"]: row["epoch"] for row in shown["history"]} == wanted
    summary = charrnn("inspect", "m.safetensors", cwd=tmp_path).stdout
    assert f"step {step:,} in epoch {wanted[step]}" in summary, summary
    assert re.search(rf"^ *{steps:,} +3 +\d", summary, re.MULTILINE), summary


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_run_is_found_whether_its_text_is_compressed_or_not(suffix: str, tmp_path: Path) -> None:
    text, pack = (TEXT * 20).encode(), {".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    (tmp_path / "c.txt").write_bytes(text)
    assert charrnn("train", "c.txt", *SMALL, "--steps", 2, cwd=tmp_path).returncode == 0
    steps = 2

    def resumed(*texts: str) -> None:
        nonlocal steps
        steps += 1
        done = charrnn("train", *texts, "--resume", "--steps", steps, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"continues at step {steps - 1}, " in done.stderr

    (tmp_path / "c.txt").unlink()
    (tmp_path / f"c.txt{suffix}").write_bytes(pack(text))
    for texts in ((f"c.txt{suffix}",), ("c.txt",), ()):
        resumed(*texts)
    (tmp_path / f"c.txt{suffix}").unlink()
    (tmp_path / "c.txt").write_bytes(text)
    for texts in ((), ("c.txt",)):
        resumed(*texts)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"c.txt{suffix}").write_bytes(pack(text))
    (tmp_path / "c.txt").unlink()
    resumed(f"elsewhere/c.txt{suffix}")
    missing = charrnn("train", "d.txt", "--resume", "--steps", 9, cwd=tmp_path)
    assert "can't read d.txt" in error_line(missing, 1)


def test_a_compressed_text_is_another_one_for_a_model_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(TEXT * 20)
    assert charrnn("train", "c.txt", "--bytes", *SMALL, "--steps", 2, cwd=tmp_path).returncode == 0
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress((TEXT * 20).encode()))
    found = charrnn("train", "c.txt.gz", "--resume", "--steps", 3, cwd=tmp_path)
    assert "no run on c.txt.gz is saved in checkpoints" in error_line(found, 1)
