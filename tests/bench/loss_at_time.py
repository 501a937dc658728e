"""Validation losses at equal wall-clock time: charrnn and PyTorch.

    python tests/bench/loss_at_time.py CORPUS --times 90s,3m --seeds 3 --picture loss_at_time.svg

charrnn is the command `charrnn train CORPUS --time …` and nothing else. PyTorch has two settings: those of char-rnn,
and an LSTM with a one-cycle learning rate, of 256 units or, from ten minutes on, of 512 with dropout. Its clock stops
while it validates, and its schedule follows the clock, so its rate ends at zero on time too. Prints one Markdown table;
the picture shows the validation losses over the seconds of all runs on this text that are kept.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import kept
import numpy as np
from arguments import several_seconds

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset import corpus, split
from charrnn.dataset.batch import Batch
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source

TICKS = (1, 3, 10, 20, 30, 60, 90, 180, 300, 600, 1800, 3600, 7200)
"""The seconds that may be marked on the axis of the picture."""
PYTORCH_EVALUATIONS = 10
"""The number of evaluations of the PyTorch baseline along the way."""


@dataclass
class Run:
    """A training run: its text, competitor, time and seed, and its validation losses over the seconds."""

    text: str
    """The digest of the text, and whether it is read line by line."""
    name: str
    """The competitor, one of `RUNS`."""
    seconds: float
    """The time that it was given."""
    seed: int
    curve: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and validation losses."""
    wall: float = 0.0
    """The seconds that it took."""
    best: float = math.inf


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Validation losses at equal time: charrnn and PyTorch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("corpus", help="a text")
    parser.add_argument("--times", type=several_seconds, default="90s,3m", help="separated by commas")
    parser.add_argument("--seeds", type=int, default=1, help="the number of seeds of charrnn; PyTorch has one")
    parser.add_argument("--lines", action="store_true", help="each line is a text of its own")
    parser.add_argument("--runs", default="charrnn,char-rnn,one-cycle", help="which of these, separated by commas")
    parser.add_argument("--picture", type=Path, help="an SVG, PNG or PDF file for the curves (extra bench)")
    parser.add_argument("--keep", type=Path, help="a JSON file that keeps the runs; those in it are not repeated")
    return parser.parse_args()


def run_charrnn(path: str, run: Run, lines: bool) -> None:
    """Runs the command, as a user would, and reads its log."""
    with tempfile.TemporaryDirectory() as folder:
        log, out = Path(folder, "log.jsonl"), Path(folder, "m.safetensors")
        words = ["train", path, "--time", f"{run.seconds:g}s", "--seed", str(run.seed), "--log", log, "--out", out]
        began = time.perf_counter()
        command = [sys.executable, "-m", "charrnn", *map(str, words), *["--lines"] * lines, "--json"]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        run.wall, run.best = time.perf_counter() - began, result["val_loss"]
        start_up = run.wall - result["seconds"]
        rows = map(json.loads, log.read_text().splitlines())
        run.curve = [(row["seconds"] + start_up, row["val_loss"]) for row in rows if "val_loss" in row]


def char_rnn(run: Run) -> tuple[ModelConfig, TrainingConfig]:
    """A. Karpathy's defaults: two layers of 128, RMSprop at 0.002, times 0.97 for each epoch after ten."""
    return ModelConfig(1, "lstm", 128, 2), TrainingConfig(1, 50, 50, "rmsprop", 0.002, threads=2, seed=run.seed)


def one_cycle(run: Run) -> tuple[ModelConfig, TrainingConfig]:
    """One layer, Adam, a rate that rises for three tenths of the time and falls to zero in the rest."""
    if run.seconds < 600:
        return ModelConfig(1, "lstm", 256, 1), TrainingConfig(1, 32, 64, "adam", 0.005, threads=2, seed=run.seed)
    model = ModelConfig(1, "lstm", 512, 1, dropout=0.3)
    return model, TrainingConfig(1, 64, 128, "adam", 0.004, threads=2, seed=run.seed)


def run_pytorch(text: Corpus, run: Run, settings: tuple[ModelConfig, TrainingConfig], lines: bool) -> None:
    """Trains the PyTorch baseline for the same time, on the batches of charrnn with these settings."""
    import pytorch_baseline
    import torch

    model, config = (
        replace(settings[0], vocab_size=len(text.vocabulary)),
        replace(settings[1], layout="lines" if lines else "stream"),
    )
    torch.manual_seed(run.seed)
    torch.set_num_threads(config.threads)
    training, validation, *_ = split.split_corpus(text, config)
    net = pytorch_baseline.Baseline(model)
    adam = config.optimizer == "adam"
    optimizer = torch.optim.Adam(net.parameters()) if adam else torch.optim.RMSprop(net.parameters(), alpha=0.95)
    rng, state, step, spent = np.random.default_rng(run.seed), None, 0, 0.0
    while spent < run.seconds:
        began = time.perf_counter()
        epoch, k = divmod(step, training.steps_per_epoch)
        if k == 0:
            batches = training.epoch(int(rng.integers(training.n_orders)))
        done = spent / run.seconds
        if adam:
            rate = config.lr * (done / 0.3 if done < 0.3 else 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7)))
        else:
            rate = config.lr * config.lr_decay ** max(0, epoch - config.lr_decay_after)
        state = update(net, optimizer, batches(k), state, rate, config.clip)
        step, spent = step + 1, spent + time.perf_counter() - began
        if spent >= run.seconds * (len(run.curve) + 1) / PYTORCH_EVALUATIONS:
            run.curve.append((spent, validate(net, validation, text.vocabulary.start)))
    run.wall, run.best = spent, min(loss for _, loss in run.curve)


def update(net: Any, optimizer: Any, batch: Batch, state: Any, rate: float, clip: float) -> Any:
    """Makes one update; returns the next state, detached from the graph."""
    import torch

    net.train()
    optimizer.zero_grad()
    loss, state = losses(net, batch, state)
    loss.mean().backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return tuple(part.detach() for part in state)


def losses(net: Any, batch: Batch, state: Any) -> tuple[Any, Any]:
    """The losses of the targets that count, and the next state of an LSTM."""
    import pytorch_baseline
    import torch

    if state is not None:
        for part in state:
            part[:, batch.reset] = 0
    logits, state = net(pytorch_baseline.to_tensor(batch.inputs), state)
    found = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), pytorch_baseline.to_tensor(batch.targets).flatten(), reduction="none"
    )
    return found if batch.mask is None else found[torch.from_numpy(batch.mask.ravel())], state


def validate(net: Any, data: split.ValidationData, start: int) -> float:
    """The mean loss of the validation data: a continuous text with the state carried, or line by line."""
    import pytorch_baseline
    import torch

    if isinstance(data, split.ValidationStream):
        return float(pytorch_baseline.validate(net, data.ids, start) or math.nan)
    net.eval()
    nats, state = 0.0, None
    with torch.no_grad():
        for batch in data.batches(start):
            found, state = losses(net, batch, state)
            nats += float(found.sum())
    return nats / data.size


def draw(runs: list[Run], path: Path) -> None:
    """Draws the validation losses over the seconds, one line for each run."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "charrnn"})
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    colours = dict(zip(RUNS, ("#0b6e4f", "#c9622c", "#5b6c9e"), strict=True))
    labelled = set()
    for run in runs:
        label = None if run.name in labelled else LABELS[run.name]
        labelled.add(run.name)
        x, y = zip(*run.curve, strict=True)
        axes.plot(x, y, color=colours[run.name], linewidth=1.4, label=label)
        axes.plot(x[-1], y[-1], "o", color=colours[run.name], markersize=4)
    best = min(run.best for run in runs)
    axes.set(
        xscale="log", ylim=(best - 0.03, best + 0.5), xlabel="seconds", ylabel="validation loss, nats per character"
    )
    ends = [x for run in runs for x, _ in (run.curve[0], run.curve[-1])]
    axes.set_xticks([x for x in TICKS if min(ends) / 1.5 <= x <= 1.2 * max(ends)], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


RUNS: dict[str, Callable[[Run], tuple[ModelConfig, TrainingConfig]] | None] = {
    "charrnn": None,
    "char-rnn": char_rnn,
    "one-cycle": one_cycle,
}
LABELS = {
    "charrnn": "charrnn train --time",
    "char-rnn": "PyTorch, char-rnn's defaults",
    "one-cycle": "PyTorch, one-cycle Adam",
}


def main() -> None:
    """Runs everything in turn, then prints the table and draws the picture."""
    args = arguments()
    text, names = corpus.read(Source((args.corpus,))), args.runs.split(",")
    text_name = text.digest + " by line" * args.lines
    done = [Run(**run) for run in kept.read(args.keep, [])]
    runs: list[Run] = []
    for seconds, name in itertools.product(args.times, names):
        for seed in range(1, args.seeds + 1 if name == "charrnn" else 2):
            run = Run(text_name, name, seconds, seed)
            key = (text_name, name, seconds, seed)
            if earlier := [old for old in done if (old.text, old.name, old.seconds, old.seed) == key]:
                runs += earlier
                continue
            if (settings := RUNS[name]) is None:
                run_charrnn(args.corpus, run, args.lines)
            else:
                run_pytorch(text, run, settings(run), args.lines)
            runs.append(run)
            done.append(run)
            print(
                f"{name}, {seconds:g} s, seed {seed}: {run.best:.4f} in {run.wall:.1f} s", file=sys.stderr, flush=True
            )
            kept.write(args.keep, [asdict(run) for run in done])
    print("| time |", " | ".join(LABELS[name] for name in names), "|")
    print("|---:|", "---:|" * len(names), sep="")
    for seconds in args.times:
        cells = []
        for name in names:
            found = [run.best for run in runs if (run.name, run.seconds) == (name, seconds)]
            spread = f" ({min(found):.3f} to {max(found):.3f})" if len(found) > 1 else ""
            cells.append(f"{fmean(found):.3f}{spread}")
        print(f"| {seconds:g} s |", " | ".join(cells), "|")
    if args.picture:
        draw([run for run in kept if run.text == text_name], args.picture)


if __name__ == "__main__":
    main()
