"""Start-up: the time of whole processes, from the shell's call to their end, with warm caches."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from speeds import texts
from speeds.options import Options
from speeds.race import in_turn, ratio
from speeds.section import Section, seconds, times

MIN_ROUNDS = 7
"""The fewest rounds: processes vary more than loops."""
SCRIPTS = Path(__file__).parent / "scripts"
PAIRS = (
    ("charrnn sample -n 200", "PyTorch script: 200 characters"),
    ("charrnn train --steps 1", "PyTorch script: one step"),
    ("charrnn train --steps 1 --engine numpy", "PyTorch script: one step"),
    ("charrnn sample -n 1", "numpy, and a Typer program of one option"),
)
"""Each command, and the one to compare it with."""
SMALLEST_PROGRAM = """
import numpy, typer
def command(n: int = 1): pass
typer.run(command)
"""


def measure(options: Options) -> Iterator[Section]:
    """Times every command in turn, round after round."""
    header = ["charrnn", "time", "compared with", "its time", "its/charrnn"]
    section = Section("Start-up: whole processes, with warm caches", header)
    with TemporaryDirectory(prefix="charrnn-bench-") as folder:
        entrants = commands(Path(folder))
        outcomes = in_turn(
            {name: partial(process_seconds, command) for name, command in entrants.items()},
            max(MIN_ROUNDS, options.rounds),
            options.teller("start-up"),
        )
    for command, other in PAIRS:
        pair = {name: outcomes[name] for name in (command, other)}
        section.add(
            f"`{command}`",
            [
                seconds(pair[command].median),
                other,
                seconds(pair[other].median),
                times(ratio(pair[other], pair[command])),
            ],
            pair,
        )
    section.remarks.append(
        "An LSTM of 2×128. Training is on 1 MB without validation text (`--val-fraction 0`), and ends with the weights "
        "on disk on both sides; the engine is `auto` if none is named."
    )
    yield section


def commands(folder: Path) -> dict[str, list[str]]:
    """The commands by their names in the table, each run once so that all caches are warm."""
    text, model, weights = (folder / name for name in ("text.txt", "model.safetensors", "weights.safetensors"))
    text.write_text(texts.words(1_000_000))
    train = [*charrnn(), "train", str(text), "--quiet", "--val-fraction", "0", "--steps", "1", "--force"]
    found = {
        "charrnn train --steps 1": [*train, "--out", str(model)],
        "charrnn train --steps 1 --engine numpy": [
            *train,
            "--engine",
            "numpy",
            "--out",
            str(folder / "np.safetensors"),
        ],
        "charrnn sample -n 200": [*charrnn(), "sample", str(model), "-n", "200"],
        "charrnn sample -n 1": [*charrnn(), "sample", str(model), "-n", "1"],
        "PyTorch script: 200 characters": [sys.executable, str(SCRIPTS / "sample.py"), str(model), "200"],
        "PyTorch script: one step": [sys.executable, str(SCRIPTS / "train.py"), str(text), "1", str(weights)],
        "numpy, and a Typer program of one option": [sys.executable, "-c", SMALLEST_PROGRAM],
    }
    for command in found.values():
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return found


def charrnn() -> list[str]:
    """The program that is installed beside this Python, or else the module."""
    script = Path(sys.executable).with_name("charrnn")
    return [str(script)] if script.exists() else [sys.executable, "-m", "charrnn"]


def process_seconds(command: list[str]) -> float:
    """The seconds that a process takes. Raises `RuntimeError` if it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return took
