"""Ranks against threads: one process with n threads, and n ranks with one thread each, on the same batches.

    python tests/bench/distributed.py                                  # two cores, lstm 1×512
    python tests/bench/distributed.py --ranks 4 --hidden-size 1024 --layers 2 --exchange bfloat16
    python tests/bench/distributed.py --hosts 2,4                      # hosts with a slow network between them

Both train the same network from the same seed with the same batch, and take turns. The speed is that of the second
half of the steps, from the log: start-up, compilation and validation do not count. A ratio is taken within a round, and
the median of the rounds is shown. Beside it stand the shares that the ranks themselves give (`--json`), and the largest
difference of the weights, relative to the largest weight. Exits with 1 if the ranks are slower than `LEAST` of
the threads' speed. Leave the machine alone meanwhile: ranks wait for the slowest of them.

With `--hosts`, the ranks run on hosts that this machine makes of its network namespaces, with cables of some rates: see
`hosts/`. It measures exchanges, trainings with an exchange at each step and with averages (`--sync-every`), and beside
them PyTorch's DistributedDataParallel. It needs Linux, root, and iproute2; else it says what is missing.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from hosts import report
from hosts.runs import ROOT, mpiexec, run
from speeds import machine

from charrnn.checkpoint.training_file import load_state

LEAST = 0.9
"""The least speed of the ranks, in that of the threads."""


def difference(one: Path, other: Path) -> float:
    """The largest difference of two runs' weights, in the largest weight."""
    a, b = (load_state(path.with_name(f"{path.stem}.resume.safetensors")).params for path in (one, other))
    return max(float(np.abs(a[name] - b[name]).max()) for name in a) / max(float(np.abs(p).max()) for p in a.values())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="n ranks with a thread each against a process with n threads.")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seq-length", type=int, default=64)
    parser.add_argument("--engine", default="numba")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--exchange", default="float32")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mpiexec", default="--bind-to core", help="options of mpiexec")
    parser.add_argument("--text", type=Path, default=ROOT / "data" / "saltmarrow.txt")
    report.add_options(parser)
    args = parser.parse_args()
    if machine.busy():
        print("other programs are computing on this machine: the figures will mean little", file=sys.stderr)
    if args.hosts:
        report.report(args)
        return
    words = (
        f"train {args.text} --quiet --seed 1 --steps {args.steps} --eval-every {args.steps} --val-fraction 0.01".split()
    )
    for name in ("hidden_size", "layers", "batch_size", "seq_length", "engine", "precision"):
        words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    launch = [mpiexec(), "-n", str(args.ranks), *args.mpiexec.split()]

    def on_ranks(line: list[str]) -> list[str]:
        return [*launch, *line]

    found = []
    with tempfile.TemporaryDirectory() as folder:
        threads_out, ranks_out = Path(folder, "threads.safetensors"), Path(folder, "ranks.safetensors")
        of_ranks = [*words, "--distributed", "--threads", "1", "--exchange", args.exchange]
        run([*words, "--threads", str(args.ranks), "--steps", "4"], list, threads_out)  # it may compile
        for number in range(args.rounds):
            by_threads, _ = run([*words, "--threads", str(args.ranks)], list, threads_out)
            by_ranks, results = run(of_ranks, on_ranks, ranks_out)
            found.append((by_threads, by_ranks, results))
            print(f"round {number + 1}: {by_threads:,.0f} and {by_ranks:,.0f} chars/s", file=sys.stderr)
        apart = difference(threads_out, ranks_out)
    ratio = statistics.median(by_ranks / by_threads for by_threads, by_ranks, _ in found)
    by_threads, by_ranks, results = found[-1]
    print(f"| lstm {args.layers}×{args.hidden_size}, batch {args.batch_size}×{args.seq_length} | chars/s |\n|---|---:|")
    print(f"| one process, {args.ranks} threads | {by_threads:,.0f} |")
    print(f"| {args.ranks} ranks, 1 thread each | {by_ranks:,.0f} |")
    print(f"| ranks in threads, median of {args.rounds} rounds | {ratio:.3f} |")
    print(f"| exchange share, efficiency | {results['exchange_share']:.3f}, {results['efficiency']:.3f} |")
    print(f"| largest difference of the weights | {apart:.1e} |")
    raise SystemExit(ratio < LEAST)


if __name__ == "__main__":
    main()
