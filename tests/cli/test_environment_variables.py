"""The variables in the environment: those that set options, those that set none, and those of other programs."""

import os
import re
from pathlib import Path

import pytest

from support.processes import SMALL, TEXT, charrnn, error_line, posix, train_model
from support.terminal import notices_on_a_terminal, on_a_terminal


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one layer, beside its corpus."""
    return train_model(tmp_path_factory.mktemp("model"), steps=3)


# An error names the variable


@pytest.mark.parametrize(
    ("variable", "value", "command", "code"),
    [
        ("CHARRNN_TRAIN_LR", "abc", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_LR", "-1", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_TIME", "soon", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_QUIET", "maybe", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_JSON", "perhaps", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_CELL", "transformer", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_ENCODING", "utf-9", "train corpus.txt", 1),
        ("CHARRNN_TRAIN_OUT", "model.txt", "train corpus.txt", 2),
        ("CHARRNN_TRAIN_VAL_FILE", "missing.txt", "train corpus.txt", 1),
        ("CHARRNN_SAMPLE_TEMP", "hot", "sample model.safetensors", 2),
        ("CHARRNN_SAMPLE_STOP", "\\q", "sample model.safetensors", 2),
        ("CHARRNN_SAMPLE_COUNT", "0", "sample model.safetensors", 2),
        ("CHARRNN_SCORE_TOP", "x", "score model.safetensors corpus.txt", 2),
        ("CHARRNN_SCORE_TOP", "0", "score model.safetensors corpus.txt", 2),
        ("CHARRNN_CLASSIFY_TOP", "0", "classify model.safetensors corpus.txt", 2),
        ("CHARRNN_TAG_ENGINE", "fortran", "tag model.safetensors corpus.txt", 2),
        ("CHARRNN_TRANSLATE_BEAM", "x", "translate model.safetensors corpus.txt", 2),
        ("CHARRNN_INSPECT_UNIT", "9:1", "inspect model.safetensors --neurons corpus.txt", 2),
    ],
)
def test_an_error_names_the_variable_that_it_is_about(
    variable: str, value: str, command: str, code: int, model: Path
) -> None:
    done = charrnn(*command.split(), cwd=model.parent, env={variable: value})
    line = error_line(done, code)
    assert line.endswith(f" ({variable}={value} is set)"), line


@pytest.mark.parametrize(
    ("variable", "options", "advice"),
    [
        (
            "CHARRNN_TRAIN_CSV",
            ("--pairs",),
            "--pairs reads two columns, and the environment names one: give --csv source,",
        ),
        ("CHARRNN_TRAIN_CSV", ("--classify",), "give --csv text,label, or unset the variable to read lines with tabs"),
        ("CHARRNN_TRAIN_CSV", ("--tags", "--skip-bad"), "give --csv text,tags, or unset the variable"),
        ("CHARRNN_TRAIN_JSONL", ("--pairs",), "give --jsonl source,target, or unset the variable"),
    ],
)
@pytest.mark.parametrize("column", ["t", "text"])
def test_a_single_column_in_the_environment_is_too_few_for_pairs(
    variable: str, options: tuple[str, ...], advice: str, column: str, tmp_path: Path
) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\nb\tc\n" * 20)
    run = ("train", "pairs.tsv", *options, *SMALL, "--steps", 1, "--out", "m.safetensors")
    line = error_line(charrnn(*run, cwd=tmp_path, env={variable: column}), 2)
    assert advice in line
    assert line.endswith(f" ({variable}={column} is set)")
    for change in (("--lines",), ("--csv", "a,b")):  # which the command line has chosen
        other = charrnn("train", "pairs.tsv", *change, *SMALL, "--out", "x.txt", cwd=tmp_path, env={variable: column})
        assert variable not in other.stderr


def test_an_error_does_not_name_what_it_is_not_about(model: Path) -> None:
    env = {"CHARRNN_TRAIN_LR": "0.1", "CHARRNN_TRAIN_SEED": "7", "CHARRNN_TRAIN_LAYERS": "1"}
    for args, code in ((("missing.txt",), 1), (("corpus.txt", "--dropout", 2), 2), (("corpus.txt", "--lr", "abc"), 2)):
        assert " is set" not in error_line(charrnn("train", *args, cwd=model.parent, env=env), code)


# A misspelt variable is named


@pytest.mark.parametrize(
    ("variable", "command", "told"),
    [
        ("CHARRNN_TRAIN_HIDEN_SIZE", "train", "did you mean CHARRNN_TRAIN_HIDDEN_SIZE?"),
        ("CHARRNN_TRAIN_LEARNING_RATE", "train", "did you mean CHARRNN_TRAIN_LR?"),
        ("CHARRNN_TRIAN_LR", "train", "did you mean CHARRNN_TRAIN_LR?"),
        ("CHARRNN_TRIAN_LR", "score", "did you mean CHARRNN_TRAIN_LR?"),
        ("CHARRNN_SEED", "train", "did you mean CHARRNN_TRAIN_SEED?"),
        ("CHARRNN_TEMP", "sample", "did you mean CHARRNN_SAMPLE_TEMP?"),
        ("CHARRNN_SAMPLE_TEMPERATURE", "sample", "did you mean CHARRNN_SAMPLE_TEMP?"),
        ("CHARRNN_SCORE_AS_JSN", "score", "did you mean CHARRNN_SCORE_JSON?"),
        ("CHARRNN_INSPECT_PLOTT", "inspect", "did you mean CHARRNN_INSPECT_PLOT?"),
        ("CHARRNN_DEBGU", "sample", "did you mean CHARRNN_DEBUG?"),
        ("CHARRNN_TRAIN_FROBNICATE", "train", "charrnn train --help lists what can be set"),
        *(
            (f"CHARRNN_{name.upper()}_HELP", name, f"charrnn {name} --help lists what can be set")
            for name in ("train", "sample", "translate", "classify", "tag", "score", "adapt", "inspect")
        ),
        ("CHARRNN_SAMPLE_TEMPERATURE", "train", None),
        ("CHARRNN_TRAIN_BYTES", "sample", None),
        ("CHARRNN_SCORE_JSON", "train", None),
        ("CHARRNN_FROBNICATE", "train", None),
        ("CHARRNN_", "train", None),
        ("XCHARRNN_TRAIN_HIDEN_SIZE", "train", None),
    ],
)
def test_a_variable_that_sets_nothing_is_named_once(
    variable: str, command: str, told: str | None, tmp_path: Path
) -> None:
    done = charrnn(command, "missing.safetensors", cwd=tmp_path, env={variable: "1"})
    *notices, error = done.stderr.splitlines()
    assert error.startswith("charrnn: ")
    assert notices == ([] if told is None else [f"{variable} sets no option: {told}"])


def test_quiet_names_no_variable(tmp_path: Path) -> None:
    env = {"CHARRNN_SAMPLE_TEMPERATURE": "1", "CHARRNN_TRIAN_LR": "1", "CHARRNN_SAMPLE_HELP": "1"}
    error_line(charrnn("sample", "missing.safetensors", "--quiet", cwd=tmp_path, env=env), 1)


def test_every_option_can_be_set_by_the_variable_that_is_suggested_for_it(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    env = {"CHARRNN_TRAIN_BYTES": "1", "CHARRNN_TRAIN_STEPS": "1", "CHARRNN_TRAIN_ATTENTION": "", "CHARRNN_DEBUG": "0"}
    done = charrnn("train", "corpus.txt", *SMALL, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "1 step of 8 × 16 characters" in done.stderr
    assert "1,516 bytes" in done.stderr
    assert "sets no option" not in done.stderr


# Variables of others


@posix
@pytest.mark.parametrize("variable", ["MININTERVAL=x", "NCOLS=wide", "ASCII=1", "LOCK_ARGS=1", "WRITE_BYTES=1"])
def test_a_variable_of_the_progress_bar_never_stops_a_training(variable: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    name, _, value = variable.partition("=")
    args = ("train", "corpus.txt", *SMALL, "--steps", 3)
    shown = notices_on_a_terminal(*args, cwd=tmp_path, env={f"TQDM_{name}": value})
    bars = re.findall(r"(\d+)% [█▏▎▍▌▋▊▉ ]*step (\d+)/3 ", shown)
    assert bars[-1] == ("100", "3")
    assert "done: checkpoints/corpus.safetensors" in shown


@posix
@pytest.mark.parametrize(
    ("options", "end", "columns"),
    [
        (("--steps", 100, "--lr", 0, "--eval-every", 2, "--patience", 1), "step 4/4", 0),
        (("--time", "1s"), "", 90),
    ],
)
def test_the_bar_ends_at_a_hundred_per_cent(
    options: tuple[object, ...], end: str, columns: int, tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    small = SMALL if "--time" not in options else ("--hidden-size", 8, "--engine", "numpy", "--seed", 1)
    args = ("train", "corpus.txt", *small, *options)
    shown = notices_on_a_terminal(*args, cwd=tmp_path, env={}, columns=columns)
    *_, last = re.findall(r"(\d+)% [█▏▎▍▌▋▊▉ ]*(step \S+)? ", shown)
    assert last == ("100", end)


INVALID = [
    {"COLUMNS": "0"},
    {"COLUMNS": "abc"},
    {"COLUMNS": "-5"},
    {"COLUMNS": "9" * 30},
    {"LINES": "0"},
    {"LINES": "x"},
]


@pytest.mark.parametrize("env", INVALID, ids=str)
@pytest.mark.parametrize("line", ["inspect MODEL", "inspect MODEL --history", "train --help"])
def test_a_size_that_no_terminal_has_does_not_count(env: dict[str, str], line: str, model: Path) -> None:
    args = [model.name if word == "MODEL" else word for word in line.split()]
    done, usual = (charrnn(*args, cwd=model.parent, env=each) for each in (env, {}))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", usual.stdout)
    assert len(done.stdout) > 500


@posix
@pytest.mark.parametrize(
    ("line", "env"),
    [
        ("score MODEL corpus.txt --heatmap", INVALID[0]),
        ("inspect MODEL", INVALID[1]),
        ("inspect MODEL --history", {"COLUMNS": "3", "LINES": "1"}),
    ],
)
def test_a_terminal_without_a_size_shows_everything(env: dict[str, str], line: str, model: Path) -> None:
    args = [model.name if word == "MODEL" else word for word in line.split()]
    shown, _ = on_a_terminal(*args, cwd=model.parent, env={"TERM": "xterm", "NO_COLOR": "1"} | env)
    assert sum(not c.isspace() for c in shown) > 50


@posix
def test_what_matplotlib_says_about_its_cache_is_not_shown(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    env = {"MPLCONFIGDIR": os.devnull, "HOME": "/no/such/folder", "TMPDIR": str(tmp_path)}
    out = tmp_path / "x.svg"
    args = ("inspect", "model.safetensors", "--history", "--plot", out)
    done = charrnn(*args, cwd=model.parent, env=env, new=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"wrote {out}, {out.stat().st_size:,} bytes\n"
