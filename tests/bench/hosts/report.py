"""The network part of the benchmark: what hosts with a slow network between them get done, measured and computed."""

import argparse
import json
import math
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from charrnn import engine as engines
from charrnn.config import ModelConfig
from charrnn.distributed.exchange import buffers
from charrnn.model.forms import network_for
from charrnn.training.averaging import FULL_AVERAGES
from charrnn.training.rank_shards import backward_order
from hosts import model
from hosts.model import Fit, Measured
from hosts.namespaces import Hosts, bits_per_second, missing
from hosts.runs import CHARRNN, ROOT, mpiexec, output, run

HOSTS_DIR = Path(__file__).parent
SIZES = (1 << 16, 1 << 20, 1 << 22)
"""The float32 values of the exchanges that are measured."""
NOTHING_BESIDE = "from charrnn.distributed import exchange; exchange.MIN_BUFFER = 1 << 60; "
MODES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "every step": ((), CHARRNN),
    "every step, nothing beside": (
        (),
        (sys.executable, "-c", f"{NOTHING_BESIDE}from charrnn.__main__ import main; main()"),
    ),
    "every step, bfloat16": (("--exchange", "bfloat16"), CHARRNN),
}
"""The options of each way to exchange gradients, and the program that takes them."""
MOMENTS = 2
"""Those of adam, which full averages are of too."""
PREDICTED_HOSTS, PREDICTED_RATES = (8, 16, 64), ("1gbit", "10gbit", "25gbit")
FASTER = (1, 16)
"""How many times as fast as here the hosts of the prediction compute."""


class Speed(NamedTuple):
    """A training that was measured."""

    hosts: int
    rate: str
    shape: str
    mode: str
    chars_per_second: float
    step: float
    """The seconds of a step."""
    results: dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this part."""
    parser.add_argument("--hosts", default="", help="numbers of hosts, separated by commas")
    parser.add_argument("--rates", default="none,1gbit,100mbit", help="of the cables; none: as this machine has it")
    parser.add_argument("--shapes", default="1x512,2x1024", help="layers x units")
    parser.add_argument("--sync-every", type=int, default=8)
    parser.add_argument(
        "--host-steps", type=int, default=8, help="the steps of a training; of one with averages at least two rounds"
    )
    parser.add_argument("--loss-seconds", type=int, default=0, help="also compare losses after so many seconds; 0: no")
    parser.add_argument("--loss-rate", default="100mbit", help="the cables in that comparison")
    parser.add_argument("--outer", default="", help="--outer-lr and --outer-momentum in it, separated by a comma")


def report(args: argparse.Namespace) -> None:
    """Measures, and prints all tables."""
    if why := missing():
        sys.exit(f"this machine can't have several hosts: {why}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # which leaves no hosts behind
    points, speeds = [], []
    for n in map(int, args.hosts.split(",")):
        for rate in args.rates.split(","):
            with (
                tempfile.TemporaryDirectory() as folder,
                Hosts(n, None if rate == "none" else rate, Path(folder)) as hosts,
            ):
                points += exchanges(hosts, n, rate)
                for shape in args.shapes.split(","):
                    speeds += trainings(hosts, n, rate, shape, args, Path(folder, "a.safetensors"))
    fitted = fit(points, speeds, args)
    print_exchanges(points)
    print_speeds(speeds)
    print_prediction(fitted, points, speeds, args)
    if args.loss_seconds:
        print_losses(args)


def exchanges(hosts: Hosts, n: int, rate: str) -> list[Measured]:
    """Measured exchanges between some hosts."""
    line = hosts.mpiexec([sys.executable, str(HOSTS_DIR / "exchanges.py"), *map(str, SIZES)], mpiexec())
    found = json.loads(output(line))
    bits = None if rate == "none" else bits_per_second(rate)
    print(f"{n} hosts, {rate}: {found}", file=sys.stderr)
    return [Measured(n, 4 * int(values), bits, seconds) for values, seconds in found.items()]


def trainings(hosts: Hosts, n: int, rate: str, shape: str, args: argparse.Namespace, out: Path) -> list[Speed]:
    """A training with each way to exchange, and PyTorch's."""
    found = []
    averages = (("--sync-every", str(args.sync_every)), CHARRNN)
    for mode, (more, program) in (MODES | {f"every {args.sync_every} steps": averages}).items():
        steps = args.host_steps if mode in MODES else max(2, args.host_steps // args.sync_every) * args.sync_every
        words = [*train_words(shape, args), "--steps", str(steps), "--eval-every", str(steps), "--threads", "1", *more]
        speed, results = run(words, lambda line: hosts.mpiexec(line, mpiexec()), out, program)
        found.append(Speed(n, rate, shape, mode, speed, args.batch_size * args.seq_length / speed, results))
        print(f"{n} hosts, {rate}, {shape}, {mode}: {speed:,.0f} chars/s {results}", file=sys.stderr)
    speed = pytorch(hosts, n, shape, args)
    print(f"{n} hosts, {rate}, {shape}, PyTorch: {speed:,.0f} chars/s", file=sys.stderr)
    return [*found, Speed(n, rate, shape, "PyTorch", speed, args.batch_size * args.seq_length / speed, {})]


def train_words(shape: str, args: argparse.Namespace) -> list[str]:
    """The command that trains a shape, without its length."""
    layers, hidden_size = shape.split("x")
    words = f"train {args.text} --quiet --seed 1 --val-fraction 0.01 --distributed --engine {args.engine}".split()
    words += f"--layers {layers} --hidden-size {hidden_size} --precision {args.precision}".split()
    return [*words, *f"--batch-size {args.batch_size} --seq-length {args.seq_length}".split()]


def pytorch(hosts: Hosts, n: int, shape: str, args: argparse.Namespace) -> float:
    """The characters per second of PyTorch's DistributedDataParallel."""
    sizes = [*shape.split("x"), args.batch_size, args.seq_length, args.host_steps]
    processes = []
    for k in range(n):
        env = {"RANK": k, "WORLD_SIZE": n, "MASTER_ADDR": hosts.address(0), "MASTER_PORT": 29500}
        settings = [f"{name}={value}" for name, value in (env | {"GLOO_SOCKET_IFNAME": "eth0"}).items()]
        line = ["env", *settings, sys.executable, str(HOSTS_DIR / "pytorch_rank.py"), *map(str, sizes)]
        processes.append(subprocess.Popen(hosts.on(k, line), cwd=ROOT, stdout=subprocess.PIPE, text=True))
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("PyTorch's ranks failed")
    return float(json.loads(printed[0]))


def fit(points: list[Measured], speeds: list[Speed], args: argparse.Namespace) -> Fit:
    """The model of the exchanges, and what of them the trainings of several layers have hidden."""
    found, shares = model.fit(points), []
    for each in speeds:
        if each.mode == "every step" and each.rate != "none" and not each.shape.startswith("1x"):
            size, last = sizes(each.shape)
            whole = found.exchange(each.hosts, size, bits_per_second(each.rate))
            visible = each.results["exchange_share"] * each.step
            if visible > 1.1 * last * whole:  # else all was hidden that can be
                shares.append(model.hidden(whole, visible, each.results["efficiency"] * each.step))
    return found._replace(hidden=sum(shares) / len(shares) if shares else 0.0)


def sizes(shape: str) -> tuple[int, float]:
    """The bytes of a network's gradients, and the share of the last buffer."""
    layers, hidden_size = map(int, shape.split("x"))
    network = network_for(ModelConfig(65, "lstm", hidden_size, layers), engines.load("numpy"))
    of_buffers = [
        sum(math.prod(network.param_shapes[name]) for name in names)
        for names in buffers(network.param_shapes, backward_order(network))
    ]
    last = of_buffers[-1] if layers > 1 else sum(of_buffers)  # a single layer's gradients come at the end
    return 4 * sum(of_buffers), last / sum(of_buffers)


def print_exchanges(points: list[Measured]) -> None:
    """The table of measured exchanges."""
    print("| hosts | cables | MB | exchange, ms | bytes / rate, ms | ratio |\n|---:|---|---:|---:|---:|---:|")
    for ranks, size, rate, seconds in points:
        least = None if rate is None else 16 * size * (ranks - 1) / ranks / rate
        more = "| |" if least is None else f"{1e3 * least:.1f} | {seconds / least:.2f} |"
        name = "as fast as memory" if rate is None else f"{rate / 1e6:,.0f} Mbit/s"
        print(f"| {ranks} | {name} | {size / 1e6:.1f} | {1e3 * seconds:.1f} | {more}")


def print_speeds(speeds: list[Speed]) -> None:
    """The table of measured trainings."""
    print("\n| hosts | cables | lstm | exchange | chars/s | of that without cables | time in exchange |")
    print("|---:|---|---|---|---:|---:|---:|")
    for each in speeds:
        free = [other for other in speeds if other[:4] == (each.hosts, "none", each.shape, "every step")]
        best = [other for other in free if each.mode != "PyTorch"] or [
            other for other in speeds if other[:4] == (each.hosts, "none", each.shape, "PyTorch")
        ]
        share = f"{each.chars_per_second / best[0].chars_per_second:.2f}" if best else ""
        waits = f"{each.results['exchange_share']:.0%}" if each.results else ""
        names = f"{each.hosts} | {each.rate} | {each.shape} | {each.mode}"
        print(f"| {names} | {each.chars_per_second:,.0f} | {share} | {waits} |")


def print_prediction(found: Fit, points: list[Measured], speeds: list[Speed], args: argparse.Namespace) -> None:
    """The model, and the table that is computed with it."""
    numbers = f"{1e6 * found.piece:.0f} µs a piece, {1e9 * found.byte:.2f} ns a byte, {1 / found.cable:.2f} of the rate"
    hides = f"with several layers a second of computing hides {found.hidden:.2f} s of an exchange"
    print(f"\nfitted: {numbers}; the largest error is {model.error(found, points):.0%}; {hides}")
    print("\ncomputed, not measured: the share of the time in which hosts compute, if each is as fast as a core here\n")
    print(f"| lstm | hosts | cables | a core's speed × | exchange, ms | every step | every {args.sync_every} steps |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for shape in args.shapes.split(","):
        computing = [
            each.results["efficiency"] * each.step
            for each in speeds
            if each.shape == shape and each.mode == "every step" and each.hosts == speeds[0].hosts
        ]
        size, last = sizes(shape)
        for ranks in PREDICTED_HOSTS:
            for rate in PREDICTED_RATES:
                for faster in FASTER:
                    step, bits = min(computing) / faster, bits_per_second(rate)
                    whole = found.exchange(ranks, size, bits)
                    every_step = step / (step + found.visible(ranks, size, bits, step, last))
                    average = whole * (1 + MOMENTS / FULL_AVERAGES) / args.sync_every
                    print(
                        f"| {shape} | {ranks} | {rate} | {faster} | {1e3 * whole:.1f} | {every_step:.2f} | "
                        f"{step / (step + average):.2f} |"
                    )


def print_losses(args: argparse.Namespace) -> None:
    """The table of validation losses after as much time."""
    n, shape = int(args.hosts.split(",")[0]), args.shapes.split(",")[0]
    outer = [
        word for pair in zip(("--outer-lr", "--outer-momentum"), args.outer.split(","), strict=False) for word in pair
    ]
    outer = outer if args.outer else []
    print(
        f"\n| {n} hosts, {args.loss_rate}, {shape}, {args.loss_seconds} s | steps | validation loss |\n|---|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as folder, Hosts(n, args.loss_rate, Path(folder)) as hosts:
        for mode, more in {
            "every step": [],
            "every step, bfloat16": ["--exchange", "bfloat16"],
            f"every {args.sync_every} steps": ["--sync-every", str(args.sync_every)],
            f"every {args.sync_every} steps, {' '.join(outer)}": ["--sync-every", str(args.sync_every), *outer],
            "auto": ["--sync-every", "auto"],
        }.items():
            if mode.endswith(", "):
                continue
            words = [*train_words(shape, args), "--val-fraction", "0.1", "--threads", "1", *more]
            line = [*hosts.mpiexec([*CHARRNN, *words], mpiexec()), "--time", f"{args.loss_seconds}s", "--json"]
            results = json.loads(output([*line, "--out", str(Path(folder, "a.safetensors")), "--force"]))
            print(f"| {mode} | {results['steps']:,} | {results['val_loss']:.4f} |", flush=True)
