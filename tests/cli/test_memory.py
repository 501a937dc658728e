"""Memory: it does not grow with the length of the text that is sampled, scored, labelled, tagged or rewritten."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import command, environment, posix, train_model
from support.trainings import place_names, spelled_backwards, with_length, with_vowels

SLACK = 24_000_000
"""The bytes by which memory may differ: the blocks that are read and written, and freed memory that allocators keep."""
LINE = "She sells sea shells by the sea shore, and so do I.\n"


LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""
"""A small process that starts the program: the peak memory of a child is at least the memory of its parent."""


def peak(*args: object, cwd: Path) -> int:
    """The peak memory of a `charrnn` process, in bytes."""
    launched = [sys.executable, "-c", LAUNCHER, *command(*args)]
    done = subprocess.run(launched, cwd=cwd, env=environment(), capture_output=True, text=True, check=True)
    code, most = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return most * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a text of more than one block, a text of ten megabytes, and both texts in a single line."""
    folder = tmp_path_factory.mktemp("memory")
    train_model(folder, LINE * 100)
    for name, n in (("short", 30_000), ("long", 200_000)):
        (folder / f"{name}.txt").write_text(LINE * n)
        (folder / f"{name}-line.txt").write_text(LINE.replace("\n", " ") * n)
    peak("sample", "model.safetensors", "--quiet", "-n", 50_000, cwd=folder)  # may compile, which takes memory
    names = place_names(0, 2000)
    for name, n in (("few", 5), ("many", 60)):
        (folder / f"{name}-names.txt").write_text(names * n)
        (folder / f"{name}-words.txt").write_text(names.replace("\n", "\n\n") * n)
    for name, text, option in (
        ("classifier", with_length(names), "--classify"),
        ("tagger", with_vowels(names), "--tags"),
        ("rewriter", spelled_backwards(names), "--pairs"),
    ):
        (folder / name).mkdir()
        model = train_model(folder / name, text, option, steps=5)
        model.rename(folder / f"{name}.safetensors")
    return folder


@posix
@pytest.mark.parametrize(
    ("args", "short", "long"),
    [
        (("sample", "model.safetensors", "--quiet", "-n"), 50_000, 1_500_000),
        (("sample", "model.safetensors", "--quiet", "--engine", "numpy", "-n"), 10_000, 100_000),
        (("sample", "model.safetensors", "--quiet", "-n", 100, "--count"), 200, 6000),
        (("score", "model.safetensors"), "short.txt", "long.txt"),
        (("score", "model.safetensors"), "short-line.txt", "long-line.txt"),
        (("score", "model.safetensors", "--per-line"), "short.txt", "long.txt"),
        (("score", "model.safetensors", "--top", 5), "short.txt", "long.txt"),
        (("classify", "classifier.safetensors", "--quiet"), "few-names.txt", "many-names.txt"),
        (("classify", "classifier.safetensors", "--quiet", "--engine", "numpy"), "few-names.txt", "many-names.txt"),
        (("tag", "tagger.safetensors", "--quiet"), "few-names.txt", "many-names.txt"),
        (("tag", "tagger.safetensors", "--quiet", "--conll"), "few-words.txt", "many-words.txt"),
        (
            ("translate", "rewriter.safetensors", "--quiet", "--beam", 2, "--length", 3),
            "few-names.txt",
            "many-names.txt",
        ),
    ],
)
def test_memory_does_not_grow_with_the_text(
    args: tuple[object, ...], short: object, long: object, folder: Path
) -> None:
    assert peak(*args, long, cwd=folder) < peak(*args, short, cwd=folder) + SLACK


@posix
@pytest.mark.parametrize("command", [("classify", "classifier"), ("tag", "tagger")])
def test_memory_for_a_long_line_is_little_more_than_that_for_the_outputs_of_its_network(
    command: tuple[str, str], folder: Path
) -> None:
    """For each character 16 units in two directions, twice for a tagger, and some Python objects."""
    args = (command[0], f"{command[1]}.safetensors", "--quiet", "--engine", "numpy")
    for name, n in (("line", 3000), ("long-line", 16_000)):
        (folder / f"one-{name}.txt").write_text("Ballyshannon " * n + "\n")
    short, long = (peak(*args, f"one-{name}.txt", cwd=folder) for name in ("line", "long-line"))
    assert long < short + 13_000 * 13 * (4 * 16 * 2 * 2 + 300) + SLACK


@posix
def test_growing_memory_would_be_noticed(folder: Path) -> None:
    """Sorting lines keeps all of them."""
    long, short = (
        peak("score", "model.safetensors", "--sort", f"{name}.txt", cwd=folder) for name in ("long", "short")
    )
    assert long > short + SLACK
