"""The memory of ranks that share a large text: each is to have its own part of the ids, and little else.

    python tests/bench/rank_memory.py                       # 2 GB on two ranks
    python tests/bench/rank_memory.py --gigabytes 8 --ranks 4

The text is that of a file, again and again, with one character in fifty replaced at random, so that no part of it is
another. It is written to a temporary folder (`TMPDIR`), and a training on it is stopped after some steps and a part of
the validation at its end. A rank may have one part of the ids in as many as there are ranks, and `MORE` megabytes:
Python, NumPy, MPI, the network, the held-out text on rank 0, and what a rank reads at once. Exits with 1 if one has
more.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from rank_failures import ENVIRONMENT, MPIEXEC, ranks_of

ROOT = Path(__file__).parents[2]
MORE = 400
"""The megabytes of a rank besides its part of the ids."""
NOISE = 50
"""One character in so many is another one."""
OPTIONS = "--hidden-size 64 --layers 1 --batch-size 64 --seq-length 64 --seed 1 --threads 1 --steps 20"
VALIDATION_SECONDS = 20.0
"""The seconds of validation after the last step."""


def write_text(path: Path, source: Path, size: int) -> int:
    """Writes a text of so many characters, about; returns the bytes that it has."""
    rng, text = np.random.default_rng(1), np.frombuffer(source.read_bytes(), np.uint8)
    text = text[text < 128]
    characters = np.unique(text)
    with path.open("wb") as file:
        while file.tell() < size:
            part = text.copy()
            places = rng.integers(len(part), size=len(part) // NOISE)
            part[places] = rng.choice(characters, len(places))
            file.write(part)
    return path.stat().st_size


def peak(process: psutil.Process) -> float:
    """The most memory that a process has had so far, in MB."""
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) / 1000 * 1.024 for line in file if line.startswith("VmHWM"))


def measure(folder: Path, text: Path, n_ranks: int) -> tuple[list[float], float]:
    """The most memory of each rank in MB, and the seconds up to the first step."""
    line = [str(MPIEXEC), "-n", str(n_ranks), sys.executable, "-m", "charrnn", "train", str(text), *OPTIONS.split()]
    line += ["--distributed", "--out", str(folder / "big.safetensors"), "--log", str(folder / "log.jsonl")]
    began, first, stopped, peaks = time.monotonic(), 0.0, False, [0.0] * n_ranks
    with subprocess.Popen(line, cwd=ROOT, env=os.environ | ENVIRONMENT) as process:
        while process.poll() is None:
            for rank, each in ranks_of(process).items():
                try:
                    peaks[rank] = max(peaks[rank], peak(each))
                except (OSError, StopIteration):  # it has just ended
                    continue
            log = folder / "log.jsonl"
            if not first and log.exists() and '"step": 1,' in log.read_text():
                first = time.monotonic()
            if first and not stopped and time.monotonic() - first > VALIDATION_SECONDS:
                ranks_of(process)[0].send_signal(signal.SIGTERM)
                stopped = True
            time.sleep(0.1)
    if process.returncode not in (0, 128 + signal.SIGTERM):
        sys.exit(f"the training ended with {process.returncode}")
    return peaks, first - began


def main() -> None:
    """Prints the results as JSON; exits with 1 if a rank has too much memory."""
    parser = argparse.ArgumentParser(description="The memory of ranks that share a large text.")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--text", type=Path, default=ROOT / "data" / "saltmarrow.txt")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text = Path(name) / "big.txt"
        size = write_text(text, args.text, int(args.gigabytes * 1e9))
        peaks, seconds = measure(Path(name), text, args.ranks)
    limit = size / 1e6 / args.ranks + MORE  # an id of a text with so few characters takes a byte
    result = {
        "bytes": size,
        "ranks": args.ranks,
        "peak_mb": [round(each) for each in peaks],
        "limit_mb": round(limit),
        "seconds_to_first_step": round(seconds, 1),
    }
    print(json.dumps(result))
    raise SystemExit(max(peaks) > limit)


if __name__ == "__main__":
    main()
