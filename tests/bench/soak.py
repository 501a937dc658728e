"""Trains and samples for a long time, and checks that memory and open files do not grow.

    python tests/bench/soak.py --minutes 60

Three processes: a training that validates, saves, logs and samples every few steps; a sampler that never ends; and one
that trains, saves, loads, samples and scores in turn through the library. Their memory and open files are measured
again and again; the first tenth of the time is for warming up. Prints JSON; exit code 1 if one of them grew.
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

TURNS = """
import sys
from pathlib import Path
import charrnn
folder, text = Path(sys.argv[1]), Path(sys.argv[2]).read_text()[:200_000]
while True:
    run = charrnn.train(text, hidden_size=64, layers=1, steps=60, eval_every=30, seed=1)
    for progress in run:
        pass
    path = folder / "turns.safetensors"
    charrnn.save(path, charrnn.Checkpoint(run.best))
    model = charrnn.load(path, engine="auto").model
    written = "".join(charrnn.generate(model, length=2000, seed=1))
    print(charrnn.score(model, written).bpc, flush=True)
"""
PAUSE = 1.0
"""Seconds between two looks."""
SLACK = 8 << 20
"""Bytes by which memory may differ: allocators give back what they like."""


def drained(stream: IO[bytes]) -> None:
    """Reads a process's output as it comes, and forgets it."""
    while stream.read(1 << 16):
        pass


def soak(corpus: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """What three processes took of memory, in MB, and of files, at the beginning and at the end of this time."""
    program, model = [sys.executable, "-m", "charrnn"], folder / "m.safetensors"
    # Not too often: the history grows by a row for each evaluation, and is meant to
    often = ("--eval-every", "1000", "--sample-every", "20", "--hidden-size", "64", "--layers", "1", "--seed", "1")
    log = ("--log", str(folder / "log.jsonl"))
    train = [*program, "train", str(corpus), *often, "--out", str(model), *log]
    subprocess.run([*train, "--steps", "50", "--quiet"], check=True)
    commands = {
        "training": [*program, "train", "--resume", "--out", str(model), "--steps", str(10**8), *often[2:4], *log],
        "sampling": [*program, "sample", str(model), "-n", "-1", "--seed", "1"],
        "by turns": [sys.executable, "-c", TURNS, str(folder), str(corpus)],
    }
    looks: dict[str, list[tuple[int, int]]] = {name: [] for name in commands}
    running = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, command in commands.items()
    }
    try:
        for process in running.values():
            assert process.stdout is not None
            Thread(target=drained, args=(process.stdout,), daemon=True).start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(PAUSE)
            for name, process in running.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended with {process.returncode}")
                seen = psutil.Process(process.pid)
                looks[name].append((seen.memory_info().rss, seen.num_fds()))
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return {name: grown(seen) for name, seen in looks.items()}


def grown(seen: list[tuple[int, int]]) -> dict[str, Any]:
    """Memory and files in the second and in the last tenth of the time."""
    tenth = max(1, len(seen) // 10)
    (memory, files), (memory_now, files_now) = (
        [median(column) for column in zip(*part, strict=True)] for part in (seen[tenth : 2 * tenth], seen[-tenth:])
    )
    return {
        "looks": len(seen),
        "MB": [round(memory / 2**20, 1), round(memory_now / 2**20, 1)],
        "files": [files, files_now],
        "flat": memory_now < memory + SLACK and files_now <= files,
    }


def main() -> None:
    """Prints what was seen."""
    parser = argparse.ArgumentParser(description="Trains and samples for a long time.")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "data" / "saltmarrow.txt")
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what it has begun
    with tempfile.TemporaryDirectory() as folder:
        told = soak(args.corpus, 60 * args.minutes, Path(folder))
    print(json.dumps(told))
    raise SystemExit(not all(part["flat"] for part in told.values()))


if __name__ == "__main__":
    main()
