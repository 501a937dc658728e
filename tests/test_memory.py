"""Memory: what is sampled and scored may be as long as one likes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import command, environment, posix, trained

SLACK = 24_000_000
"""Bytes: what is read or written in one go, and what allocators like to keep."""
LINE = "She sells sea shells by the sea shore, and so do I.\n"


def peak(*args: object, cwd: Path) -> int:
    """The largest memory that a `charrnn` had, in bytes."""
    with subprocess.Popen(command(*args), cwd=cwd, env=environment(), stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a text of more than is read in one go, one of ten megabytes, and both in a single line."""
    folder = tmp_path_factory.mktemp("memory")
    trained(folder, LINE * 100)
    for name, n in (("short", 30_000), ("long", 200_000)):
        (folder / f"{name}.txt").write_text(LINE * n)
        (folder / f"{name}-line.txt").write_text(LINE.replace("\n", " ") * n)
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
    ],
)
def test_it_does_not_grow_with_the_text(args: tuple[object, ...], short: object, long: object, folder: Path) -> None:
    assert peak(*args, long, cwd=folder) < peak(*args, short, cwd=folder) + SLACK
