"""Kills a run again and again, resumes it each time, and checks that nothing is lost.

    python tests/bench/kill.py --kills 300

It kills at random moments, during saves too, since the run evaluates and saves all the time. After each kill both files
must be readable. At the end the weights must equal those of an undisturbed run, byte for byte.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from charrnn.checkpoint import model_file, training_file
from charrnn.checkpoint.paths import resume_path
from charrnn.errors import CheckpointError

TEXT = "She sells sea shells by the sea shore; the shells that she sells are sea shells, I am sure.\n" * 40
OPTIONS = "--hidden-size 32 --layers 1 --batch-size 4 --seq-length 8 --seed 1 --engine numpy --threads 1 --eval-every 5"
MAX_SECONDS = 0.35
"""The longest time from the first save of a run to its kill."""


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "charrnn", "train", *map(str, args)]


def harness(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kills a run in a folder this many times; returns the results."""
    rng, out = random.Random(seed), folder / "killed.safetensors"
    corpus, began = folder / "shells.txt", time.monotonic()
    corpus.write_text(TEXT)
    begin, done, unreadable = command(corpus, *OPTIONS.split(), "--steps", 10**7, "--out", out, "--quiet"), 0, []
    resume = command("--resume", "--out", out, "--quiet")
    while done < kills:
        process = subprocess.Popen(resume if done else begin)
        resumed = resume_path(out)
        first = resumed.stat().st_mtime_ns if resumed.exists() else 0
        while process.poll() is None and not (resumed.exists() and resumed.stat().st_mtime_ns > first):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, MAX_SECONDS))
        process.kill()
        process.wait()
        done += 1
        for load, path in ((training_file.load_state, resumed), (model_file.load, out)):
            try:
                if path.exists() or path == resumed:
                    load(path)
            except CheckpointError as error:
                unreadable.append(str(error))
    steps = training_file.load_state(resumed).counters.step + 7
    subprocess.run([*resume, "--steps", str(steps)], check=True)
    plain = folder / "plain.safetensors"
    subprocess.run(command(corpus, *OPTIONS.split(), "--steps", steps, "--out", plain, "--quiet"), check=True)
    equal = plain.read_bytes() == out.read_bytes()
    a, b = (training_file.load_state(resume_path(path)) for path in (plain, out))
    equal &= all(a.params[name].tobytes() == b.params[name].tobytes() for name in a.params)
    left = [path.name for path in folder.iterdir() if path.suffix == ".tmp"]
    return {
        "kills": done,
        "steps": steps,
        "unreadable": unreadable,
        "left behind": left,
        "equal": bool(equal) and not unreadable and not left,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Prints the results as JSON; exits with 1 if anything was lost."""
    parser = argparse.ArgumentParser(description="Kills a run again and again.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = harness(Path(folder), args.kills, args.seed)
    print(json.dumps(result))
    raise SystemExit(not result["equal"])


if __name__ == "__main__":
    main()
