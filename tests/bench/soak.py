"""Trains and samples for a long time, and checks that memory and open files do not grow.

    python tests/bench/soak.py --minutes 60

There are three processes: a run that validates, saves, logs and samples every few steps; a sampler that never ends; and
one that trains, saves, loads, samples and scores in turn through the library. Their memory and open files are measured
again and again; the first tenth of the time is the warm-up. Prints JSON; exits with 1 if one of them grew.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from threading import Thread
from typing import IO, Any

import psutil

LIBRARY_SCRIPT = """
import sys
from pathlib import Path
import charrnn
folder, text = Path(sys.argv[1]), Path(sys.argv[2]).read_text()[:200_000]
while True:
    run = charrnn.train(text, hidden_size=64, layers=1, steps=60, eval_every=30, seed=1)
    for progress in run:
        pass
    path = folder / "library.safetensors"
    charrnn.save(path, charrnn.Checkpoint(run.best))
    model = charrnn.load(path, engine="auto").model
    written = "".join(charrnn.generate(model, length=2000, seed=1))
    print(charrnn.score(model, written).bpc, flush=True)
"""
PAUSE = 1.0
"""Seconds between two measurements."""
SLACK = 8 << 20
"""The bytes by which memory may differ: allocators keep freed memory for a while."""


def drain(stream: IO[bytes]) -> None:
    """Reads a process's output as it comes, and discards it."""
    while stream.read(1 << 16):
        pass


def soak(corpus: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """The memory, in MB, and the open files of three processes, at the beginning and at the end of this time."""
    program, model = [sys.executable, "-m", "charrnn"], folder / "m.safetensors"
    # Evaluations are rare, since the history is meant to grow by a row for each of them
    options = ("--eval-every", "1000", "--sample-every", "20", "--hidden-size", "64", "--layers", "1", "--seed", "1")
    log = ("--log", str(folder / "log.jsonl"))
    train = [*program, "train", str(corpus), *options, "--out", str(model), *log]
    subprocess.run([*train, "--steps", "50", "--quiet"], check=True)
    commands = {
        "training": [*program, "train", "--resume", "--out", str(model), "--steps", str(10**8), *options[2:4], *log],
        "sampling": [*program, "sample", str(model), "-n", "-1", "--seed", "1"],
        "library": [sys.executable, "-c", LIBRARY_SCRIPT, str(folder), str(corpus)],
    }
    measured: dict[str, list[tuple[int, int]]] = {name: [] for name in commands}
    running = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, command in commands.items()
    }
    try:
        for process in running.values():
            assert process.stdout is not None
            Thread(target=drain, args=(process.stdout,), daemon=True).start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(PAUSE)
            for name, process in running.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended with exit code {process.returncode}")
                info = psutil.Process(process.pid)
                measured[name].append((info.memory_info().rss, info.num_fds()))
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return {name: growth(pairs) for name, pairs in measured.items()}


def growth(measured: list[tuple[int, int]]) -> dict[str, Any]:
    """Memory and files in the second and in the last tenth of the time."""
    tenth = max(1, len(measured) // 10)
    parts = (measured[tenth : 2 * tenth], measured[-tenth:])
    (memory, files), (last_memory, last_files) = (
        [median(column) for column in zip(*part, strict=True)] for part in parts
    )
    return {
        "measurements": len(measured),
        "MB": [round(memory / 2**20, 1), round(last_memory / 2**20, 1)],
        "files": [files, last_files],
        "flat": last_memory < memory + SLACK and last_files <= files,
    }


def main() -> None:
    """Prints the results."""
    parser = argparse.ArgumentParser(description="Trains and samples for a long time.")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "data" / "saltmarrow.txt")
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends the processes that it has started
    with tempfile.TemporaryDirectory() as folder:
        result = soak(args.corpus, 60 * args.minutes, Path(folder))
    print(json.dumps(result))
    raise SystemExit(not all(part["flat"] for part in result.values()))


if __name__ == "__main__":
    main()
