"""Several jobs side by side: whether 2, 4 and 8 processes of each command get as much done together as one does alone.

    python tests/bench/jobs.py                                          # everything: a quarter of an hour
    python tests/bench/jobs.py --only sample --engines numpy --rounds 5
    python tests/bench/jobs.py --program ../other-clone                 # the program of another clone

Each job is a process of its own with all its defaults, so with its own idea of how many threads it should have. The
total throughput of n jobs that end after t seconds is n/t; it is given in jobs of that one command on the idle machine,
whose throughput is 1. Two cores would do 2 if a single job used one of them alone. Start-up counts as it does for
users. The numbers of jobs take turns, a ratio is taken within a round, and the median of the rounds is shown.

The last column is the CPU time of one of eight jobs, in that of a job alone: threads that wait for each other take
more. It means something on a busy machine too, where several jobs get more of the cores than one does. Variables for
BLAS and OpenMP are removed from the environment. Prints a table; exits with 1 if several jobs together do less than 0.9
of one.
"""

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speeds import machine

ROOT = Path(__file__).parents[2]
MODELS, DATA = ROOT / "tests" / "fixtures" / "docs", ROOT / "data"
JOBS = (1, 2, 4, 8)
LEAST = 0.9
"""The least total throughput of several jobs, in that of one."""
TRAINING = "--batch-size 32 --seq-length 64 --layers 1 --sample-every 0 --steps"
COMMANDS = {
    "train": f"train {DATA}/saltmarrow.txt --hidden-size 128 {TRAINING} 40 --eval-every 40",
    "train --classify": f"train {DATA}/regions.tsv --classify --hidden-size 64 {TRAINING} 60 --eval-every 60",
    "sample": f"sample {MODELS}/tales.safetensors -n 20000",
    "sample --count 300": f"sample {MODELS}/tales.safetensors --count 300 -n 200",
    "sample, of lines": f"sample {MODELS}/names.safetensors --count 2000",
    "sample --match": f"sample {MODELS}/tales.safetensors --count 20 -n 100 --match [a-z,.\\s]+",
    "translate": f"translate {MODELS}/dates.safetensors FOLDER/dates.txt",
    "classify": f"classify {MODELS}/classifier.safetensors {DATA}/names.txt",
    "tag": f"tag {MODELS}/tagger.safetensors FOLDER/tagged.txt",
    "score": f"score {MODELS}/tales.safetensors {DATA}/saltmarrow.txt",
    "score --per-line": f"score {MODELS}/names.safetensors {DATA}/names.txt --per-line",
    "inspect --context": f"inspect {MODELS}/tales.safetensors --context --corpus FOLDER/chapter.txt",
    "inspect --neurons": f"inspect {MODELS}/tales.safetensors --neurons FOLDER/chapter.txt",
}
"""What is measured: about a second of work, by the models of the READMEs."""
WITHOUT_ENGINE = ("translate", "inspect")
"""The commands that always compute with NumPy."""


def write_texts(folder: Path) -> None:
    """Writes the texts that are made from the data sets."""
    for name, n in (("dates", 300), ("tagged", 1000)):
        lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[:n]
        (folder / f"{name}.txt").write_text("".join(line.split("\t")[0] + "\n" for line in lines), encoding="utf-8")
    (folder / "chapter.txt").write_bytes((DATA / "saltmarrow.txt").read_bytes()[:20_000])


def run(words: list[str], n: int, folder: Path, program: Path) -> tuple[float, float]:
    """The seconds until n processes that start at once have all ended, and the CPU time of one of them."""
    began, before, processes = time.perf_counter(), cpu_time(), []
    try:
        for k in range(n):
            out = ["--out", str(folder / f"{k}.safetensors"), "--force"] if words[0] == "train" else []
            line = [sys.executable, "-m", "charrnn", *words, *out]
            processes.append(subprocess.Popen(line, cwd=program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        errors = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if any(process.returncode for process in processes):
        sys.exit(f"{' '.join(words)}: {b''.join(errors).decode()}")
    return time.perf_counter() - began, (cpu_time() - before) / n


def cpu_time() -> float:
    """The CPU time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(words: list[str], rounds: int, folder: Path, program: Path) -> tuple[float, list[float], float]:
    """The seconds of a single job, the total throughput of more of them in that of one, and the CPU time of one of
    the most jobs in that of a single one."""
    run(words, 1, folder, program)  # it may compile
    took = [[run(words, n, folder, program) for n in JOBS] for _ in range(rounds)]
    single = statistics.median(runs[0][0] for runs in took)
    totals = [statistics.median(n * runs[0][0] / runs[k][0] for runs in took) for k, n in enumerate(JOBS) if k]
    return single, totals, statistics.median(runs[-1][1] / runs[0][1] for runs in took)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Several jobs side by side: what they get done together.")
    parser.add_argument("--only", action="append", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--engines", default="numpy,numba", help="engines, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", type=Path, default=ROOT, help="the folder whose package is run")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends the processes that it has started
    removed = [*machine.remove_settings(), *(name for name in os.environ if name.startswith("VECLIB_"))]
    print(f"removed from the environment: {', '.join(removed) or 'nothing'}", file=sys.stderr)
    if machine.busy():
        print("other programs are computing on this machine: the figures will mean little", file=sys.stderr)
    header = ["command", "engine", "one job", *(f"{n} jobs" for n in JOBS[1:]), "CPU time"]
    print(f"| {' | '.join(header)} |\n|---|---|{'---:|' * (len(JOBS) + 1)}", flush=True)
    worst = 9.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_texts(folder)
        for command in args.only or COMMANDS:
            for engine in args.engines.split(","):
                words = COMMANDS[command].replace("FOLDER", name).split()
                if words[0] in WITHOUT_ENGINE:
                    if engine != "numpy":
                        continue
                else:
                    words += ["--engine", engine]
                words += ["--seed", "1"] if words[0] in ("train", "sample") else []
                single, totals, cpu = measure(words, args.rounds, folder, args.program.resolve())
                worst = min(worst, *totals)
                cells = [f"`{command}`", engine, f"{single:.2f} s", *(f"{total:.2f}" for total in totals), f"{cpu:.2f}"]
                print(f"| {' | '.join(cells)} |", flush=True)
    print(f"the least is {worst:.2f} of the throughput of one job: {'enough' if worst >= LEAST else 'too little'}")
    raise SystemExit(worst < LEAST)


if __name__ == "__main__":
    main()
