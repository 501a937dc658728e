"""The command line as a whole: help, closed streams and pipes, imports, and the time to start."""

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest
import typer.main

import charrnn as api
from charrnn import cli
from charrnn.resources import blas
from charrnn.version import VERSION
from support.processes import SMALL, charrnn, command, environment, error_line, posix, started, train_model

COMMANDS = typer.main.get_command(cli.app).commands

# Help


def test_charrnn_without_arguments_shows_the_help(tmp_path: Path) -> None:
    bare, long, short = (charrnn(*args, cwd=tmp_path) for args in ((), ("--help",), ("-h",)))
    assert bare.returncode == long.returncode == 0
    assert bare.stdout == long.stdout == short.stdout
    assert bare.stderr == long.stderr == ""
    assert all(f"\n  {name} " in bare.stdout for name in COMMANDS)
    assert "charrnn train corpus.txt" in bare.stdout


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    done = charrnn("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"charrnn {VERSION}", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_every_option_a_description(name: str, tmp_path: Path) -> None:
    done = charrnn(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  charrnn {name} " in done.stdout.partition("Examples:")[2]
    words = done.stdout.split()
    for parameter in COMMANDS[name].params:
        assert len(parameter.help or "") > 5, parameter.name
        names = parameter.opts if parameter.param_type_name == "option" else []
        assert all(word in " ".join(words) for word in names)
        assert parameter.help.split()[0] in words


def test_help_is_plain_text_that_fits_eighty_columns(tmp_path: Path) -> None:
    for args in ((), *((name,) for name in COMMANDS)):
        shown = charrnn(*args, "--help", cwd=tmp_path).stdout
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("args", [["frobnicate"], ["--frobnicate"], ["train", "--frobnicate"], ["sample", "a", "b"]])
def test_wrong_usage_prints_one_line(args: list[str], tmp_path: Path) -> None:
    error_line(charrnn(*args, cwd=tmp_path), 2)


# Streams


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"), steps=1)


SHORT_TRAINING = (*SMALL, "--steps", 5, "--eval-every", 2, "--out", "m.safetensors")


@posix
@pytest.mark.parametrize("read", [0, 1])
@pytest.mark.parametrize(
    "line",
    ["", "--help", "--version", "sample --help", "inspect MODEL", "inspect MODEL --json", "train CORPUS --json --quiet"]
    + [f"sample MODEL --seed 1 --engine numpy {options}" for options in ("-n -1", "-n 5", "--json", "--count 3")],
)
def test_a_closed_pipe_ends_the_program_silently(line: str, read: int, model: Path, tmp_path: Path) -> None:
    words = {"MODEL": [model], "CORPUS": [model.parent / "corpus.txt", *SHORT_TRAINING]}
    args = [arg for word in line.split() for arg in words.get(word, [word])]
    reader, writer = os.pipe()
    if not read:
        os.close(reader)
    with started(*args, cwd=tmp_path, stdout=writer) as process:
        os.close(writer)
        if read:
            with open(reader, "rb") as file:
                file.read(read)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert "CORPUS" not in line or api.load(tmp_path / "m.safetensors")


@posix
@pytest.mark.parametrize("name", ["train", "sample", "inspect"])
def test_a_closed_pipe_on_stderr_does_not_stop_the_work(name: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "model.safetensors").write_bytes(model.read_bytes())
    args = {"train": [model.parent / "corpus.txt", *SHORT_TRAINING], "sample": ["-n", 50], "inspect": []}[name]
    reader, writer = os.pipe()
    os.close(reader)
    line, env = command(name, *args, "--json"), environment()
    done = subprocess.run(line, cwd=tmp_path, env=env, stdin=DEVNULL, stdout=PIPE, stderr=writer, timeout=60)
    os.close(writer)
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert name != "train" or api.load(tmp_path / "m.safetensors").history[-1].step == 5


CLOSED = pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])


def with_closed(closed: str, *args: object, cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    """Runs `charrnn` with some of its standard streams closed by the shell."""
    line = f"{shlex.join(command(*args))} {closed}"
    env = environment()
    return subprocess.run(line, shell=True, cwd=cwd, env=env, stdin=DEVNULL, capture_output=True, timeout=60)


@posix
@CLOSED
def test_training_with_closed_streams_writes_the_same_files(closed: str, model: Path, tmp_path: Path) -> None:
    args = ("train", model.parent / "corpus.txt", *SHORT_TRAINING, "--sample-every", 2, "--json")
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
    usual = with_closed("", *args, "--log", "log", cwd=tmp_path / "open")
    done = with_closed(closed, *args, "--log", "log", cwd=tmp_path / "closed")
    assert usual.returncode == done.returncode == 0, done.stderr
    if "2>" not in closed:
        assert done.stderr == usual.stderr
    if " >" not in f" {closed}":
        assert json.loads(done.stdout).keys() == json.loads(usual.stdout).keys()
    for name in ("m.safetensors", "m.resume.safetensors"):
        assert (tmp_path / "closed" / name).read_bytes() == (tmp_path / "open" / name).read_bytes()
    steps = [[json.loads(line)["step"] for line in path.read_text().splitlines()] for path in tmp_path.glob("*/log")]
    assert steps == [[1, 2, 2, 3, 4, 4, 5, 5]] * 2


@posix
@CLOSED
@pytest.mark.parametrize("line", ["sample MODEL -n 50 --seed 1", "inspect MODEL"])
def test_closed_streams_do_not_affect_the_others(closed: str, line: str, model: Path, tmp_path: Path) -> None:
    args = [model if word == "MODEL" else word for word in line.split()]
    done, usual = (with_closed(streams, *args, cwd=tmp_path) for streams in (closed, ""))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"" if " >" in f" {closed}" else usual.stdout)


@posix
@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_stdin_is_an_empty_corpus_and_an_empty_prime(closed: str, model: Path, tmp_path: Path) -> None:
    done = with_closed(closed, "train", "-", *SHORT_TRAINING, cwd=tmp_path)
    message = b"charrnn: stdin is empty: a corpus needs at least two characters; 100,000 or more work best\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"" if "2>" in closed else message)
    assert not list(tmp_path.iterdir())
    done = with_closed(closed, "sample", model, "--prime", "-", "-n", 5, "--seed", 1, cwd=tmp_path)
    assert (done.returncode, len(done.stdout)) == (0, 5 * (closed == "<&-"))


@posix
def test_an_error_has_its_exit_code_even_if_stderr_is_closed(tmp_path: Path) -> None:
    for args, code in ((("inspect", "nothing"), 1), (("train", "--frobnicate"), 2)):
        done = with_closed("2>&-", *args, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, b"")


# Imports and time


def imported(*args: object, cwd: Path, given: str = "") -> set[str]:
    """The modules that a successful `charrnn` imports, where the environment says nothing about threads."""
    python, *rest = command(*args)
    done = subprocess.run(
        [python, "-X", "importtime", *rest],
        cwd=cwd,
        env=environment(dict.fromkeys(blas.NAMES, "")),
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    found = {line.rpartition("|")[2].strip() for line in lines}
    assert "charrnn.cli" in found
    return found


HEAVY = {"numpy", "safetensors", "numba", "llvmlite", "torch", "rich", "tqdm", "threadpoolctl"}


@pytest.mark.parametrize("args", [["--help"], [], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    assert not imported(*args, cwd=tmp_path) & HEAVY


def test_commands_import_only_what_they_use(model: Path, tmp_path: Path) -> None:
    sampling = imported("sample", model, "-n", 1, cwd=tmp_path)
    assert sampling & HEAVY == {"numpy", "safetensors"}
    assert not {"charrnn.training.trainer", "charrnn.cli.train.run", "charrnn.inspection"} & sampling
    text = model.parent / "corpus.txt"
    scoring = imported("score", model, text, cwd=tmp_path)
    assert scoring & HEAVY == {"numpy", "safetensors"}
    assert not {"charrnn.training.trainer", "charrnn.sampling.generate", "charrnn.cli.score.text_heatmap"} & scoring
    piped = imported("score", model, "-", cwd=tmp_path, given="a short text, of which it has to be seen that it is\n")
    assert piped & HEAVY == scoring & HEAVY
    assert imported("score", model, text, "--heatmap", cwd=tmp_path) & HEAVY == scoring & HEAVY | {"rich"}
    assert imported("inspect", model, "--json", cwd=tmp_path) & HEAVY == {"numpy", "safetensors"}
    assert imported("inspect", model, cwd=tmp_path) & HEAVY == {"numpy", "safetensors", "rich"}
    training = imported("train", model.parent / "corpus.txt", *SMALL, "--steps", 1, cwd=tmp_path)
    assert training & HEAVY == {"numpy", "safetensors", "tqdm"}


SMALLEST_PROGRAM = """
import numpy, typer
def command(n: int = 1): pass
typer.run(command)
"""
"""What the libraries take: newer versions of Typer import Pydantic once there is an option to convert."""
MAX_RATIO = 2.25
"""1.9 was measured with a Typer that does not use Pydantic, 1.4 with one that does."""


@pytest.mark.parametrize("args", [["--help"], ["sample", "-n", 1]], ids=lambda args: args[0])
def test_it_takes_not_much_longer_than_a_program_of_one_option(args: list[object], model: Path, tmp_path: Path) -> None:
    if args[0] == "sample":
        args = [*args, model]
    runs = {"charrnn": command(*args), "libraries": [sys.executable, "-c", SMALLEST_PROGRAM, "--n", "3"]}
    env = environment({"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""})
    for run in runs.values():  # the first run compiles
        subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, check=True)
    for _ in range(5):  # other processes may slow down some attempts
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(7):
            for name, run in runs.items():
                before = time.perf_counter()
                subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, check=True)
                times[name].append(time.perf_counter() - before)
        ratio = statistics.median(times["charrnn"]) / statistics.median(times["libraries"])
        if ratio <= MAX_RATIO:
            return
    pytest.fail(f"it takes {ratio:.2f} times as long as the smallest program of numpy and typer")
