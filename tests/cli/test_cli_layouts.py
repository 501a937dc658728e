"""The layout of a run on the command line: given again to a resumed run, and against the environment."""

import shutil
from pathlib import Path

import pytest

from support.processes import SMALL, charrnn, error_line

ROWS = [("ab", "x"), ("ba", "y"), ("bab", "x"), ("aba", "y")] * 30
TEXTS = {
    "pairs.tsv": "".join(f"{a}\t{b}\n" for a, b in ROWS),
    "pairs.csv": "a,b\n" + "".join(f"{a},{b}\n" for a, b in ROWS),
    "words.conll": "".join(f"{a} {b}\n\n" for a, b in ROWS),
}
RUNS = {
    "labels": ("pairs.tsv", "--classify"),
    "stream": ("pairs.tsv",),
    "csv": ("pairs.csv", "--pairs", "--csv", "a,b", "--skip-bad"),
    "conll": ("words.conll", "--tags", "--conll"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts, and with a short run in each of some layouts."""
    folder = tmp_path_factory.mktemp("layouts")
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    for name, options in RUNS.items():
        done = charrnn("train", *options, *SMALL, "--steps", 2, "--out", f"{name}.safetensors", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("run", "again"),
    [
        ("labels", ("--classify",)),
        ("csv", ("--pairs", "--csv", "a,b", "--skip-bad")),
        ("csv", ("--csv", "a,b")),
        ("csv", ("--skip-bad",)),
        ("conll", ("--conll", "--tags")),
    ],
)
def test_a_run_resumes_with_its_own_layout_given_again(
    run: str, again: tuple[str, ...], runs: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs, tmp_path / "runs"))
    args = ("train", "--resume", "--out", f"{run}.safetensors", "--steps", 3, *again)
    done = charrnn(*args, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "continues at step 2" in done.stderr


@pytest.mark.parametrize(
    ("run", "again", "why"),
    [
        ("labels", ("--pairs",), "this run began with --classify: leave out --pairs, or start a new run"),
        ("labels", ("--csv", "a,b"), "reads its text as before: leave out --csv"),
        ("labels", ("--skip-bad",), "--skip-bad is False in the run to resume, and can't become True"),
        ("stream", ("--lines",), "this run began as continuous text: leave out --lines"),
        ("csv", ("--csv", "b,a"), "reads its text as before: leave out --csv"),
        ("csv", ("--jsonl", "a,b"), "reads its text as before: leave out --jsonl"),
        ("csv", ("--tags",), "this run began with --pairs: leave out --tags"),
        ("conll", ("--bytes",), "reads its text as before: leave out --bytes"),
    ],
)
def test_a_run_resumes_with_no_other_layout(run: str, again: tuple[str, ...], why: str, runs: Path) -> None:
    done = charrnn("train", "--resume", "--out", f"{run}.safetensors", "--steps", 3, *again, cwd=runs)
    assert why in error_line(done, 2)


@pytest.mark.parametrize(
    ("env", "args", "found"),
    [
        ("PAIRS=1", ("pairs.tsv", "--classify"), "2 labels"),
        ("LINES=1 TAGS=1", ("pairs.tsv", "--classify"), "2 labels"),
        ("CONLL=1 PAIRS=1", ("pairs.csv", "--classify", "--csv", "a,b"), "2 labels"),
        ("CSV=a,b PAIRS=1 SKIP_BAD=1", ("pairs.tsv", "--lines"), "120 lines"),
        ("CSV=a,b", ("words.conll", "--tags", "--conll"), "2 tags"),
        ("CLASSIFY=1", ("pairs.tsv",), "2 labels"),
    ],
)
def test_a_layout_on_the_command_line_counts_more_than_the_environment(
    env: str, args: tuple[str, ...], found: str, runs: Path, tmp_path: Path
) -> None:
    variables = {f"CHARRNN_TRAIN_{name}": value for name, value in (each.split("=") for each in env.split())}
    paths = (runs / args[0], *args[1:])
    options = (*SMALL, "--steps", 1, "--out", "m.safetensors")
    done = charrnn("train", *paths, *options, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    assert found in done.stderr.splitlines()[0]


def test_two_layouts_in_the_environment_contradict_each_other(runs: Path) -> None:
    env = {"CHARRNN_TRAIN_PAIRS": "1", "CHARRNN_TRAIN_TAGS": "1"}
    assert "--pairs and --tags" in error_line(charrnn("train", "pairs.tsv", cwd=runs, env=env), 2)
