"""The losses of `charrnn train --time` by each way to measure them: state carried, cold windows, and adapted.

    python tests/bench/protocols.py CORPUS --times 90s,3m,10m --seeds 3,3,2 --keep kept.json --picture protocols.svg

Each model is trained with `--ngrams N`, which does not change its network, and measured alone and mixed with the
n-grams, whose weight, a single number, is the best one for the same text: the held-out last tenth. Prints a Markdown
table of medians and of the least and the greatest of several seeds; the picture shows the medians over the training
time.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import kept
from arguments import counts, several_seconds

import charrnn
from charrnn.config import TrainingConfig
from charrnn.dataset import corpus
from charrnn.dataset.files import Source
from charrnn.model.model import Model
from charrnn.scoring.windows import USUAL, score_windows

WAYS = ("state carried", f"windows of {USUAL}", "adapted")
NETWORK, MIXED = "network", "with n-grams"


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Losses of charrnn train --time, by each way to measure them.")
    parser.add_argument("corpus", help="a continuous text")
    parser.add_argument("--times", type=several_seconds, default="90s", help="separated by commas (default: 90s)")
    parser.add_argument(
        "--seeds",
        type=counts,
        default="1",
        help="how many seeds each time has, separated by commas; the last number is for all that follow (default: 1)",
    )
    parser.add_argument("--ngrams", type=int, default=7, help="the longest n-grams (default: 7)")
    parser.add_argument(
        "--train-options", default="", help="for charrnn train, as in --train-options='--precision float32'"
    )
    parser.add_argument("--keep", type=Path, help="a JSON file that keeps losses; those in it are not measured again")
    parser.add_argument("--picture", type=Path, help="an SVG, PNG or PDF file for the medians (extra bench)")
    args = parser.parse_args()
    if len(args.seeds) > len(args.times):
        parser.error(f"{len(args.seeds)} numbers of seeds for {len(args.times)} times: leave some out")
    return args


def trained(path: str, seconds: float, seed: int, n: int, options: str) -> Model:
    """The model that the command makes, as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "m.safetensors")
        words = ["train", path, "--time", f"{seconds:g}s", "--seed", str(seed), "--ngrams", str(n), "--out", str(out)]
        split = ["--val-fraction", str(TrainingConfig(0).val_fraction), "--min-count", "0"]
        subprocess.run(
            [sys.executable, "-m", "charrnn", *words, *split, *shlex.split(options), "--quiet"],
            check=True,
        )
        return charrnn.load(out, engine="auto").model


def losses(model: Model, text: str) -> dict[str, float]:
    """Nats per character by each way, alone and mixed."""
    found = {}
    for name, one in ((NETWORK, replace(model, ngrams=None)), (MIXED, model)):
        scores = (
            charrnn.score(one, text),
            score_windows(one, text),
            charrnn.score(one, text, adaptation=charrnn.Adaptation(one)),
        )
        found |= {f"{name}, {way}": score.nats_per_char for way, score in zip(WAYS, scores, strict=True)}
    return found


def draw(rows: dict[float, dict[str, list[float]]], path: Path) -> None:
    """Draws the median of each way over the training time."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "charrnn"})
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    times = sorted(rows)
    for name, style in ((NETWORK, "-"), (MIXED, "--")):
        for way, colour in zip(WAYS, ("#0b6e4f", "#c9622c", "#5b6c9e"), strict=True):
            y = [median(rows[t][f"{name}, {way}"]) for t in times]
            axes.plot(times, y, style, color=colour, marker="o", markersize=4, linewidth=1.4, label=f"{name}, {way}")
    axes.set(xscale="log", xlabel="seconds of training", ylabel="loss, nats per character")
    axes.set_xticks(times, minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Trains and measures everything in turn, then prints the table and draws the picture."""
    args = arguments()
    text = corpus.read(Source((args.corpus,)))
    held_out = text.vocabulary.decode(text.split(TrainingConfig(0).val_fraction)[1])
    seeds = args.seeds + args.seeds[-1:] * (len(args.times) - len(args.seeds))
    figures: dict[str, Any] = kept.read(args.keep, {})
    rows: dict[float, dict[str, list[float]]] = {}
    for seconds, n in zip(args.times, seeds, strict=True):
        for seed in range(1, n + 1):
            key = f"{text.digest[:12]} {seconds:g} {seed} {args.ngrams} {args.train_options}".rstrip()
            if key not in figures:
                figures[key] = losses(trained(args.corpus, seconds, seed, args.ngrams, args.train_options), held_out)
                print(f"{seconds:g} s, seed {seed}:", *(f"{x:.4f}" for x in figures[key].values()), file=sys.stderr)
                kept.write(args.keep, figures)
            for name, loss in figures[key].items():
                rows.setdefault(seconds, {}).setdefault(name, []).append(loss)
    names = [f"{name}, {way}" for name in (NETWORK, MIXED) for way in WAYS]
    print("| time |", " | ".join(names), "|")
    print("|---:|", "---:|" * len(names), sep="")
    for seconds, found in rows.items():
        spreads = (f" ({min(x):.3f} to {max(x):.3f})" * (len(x) > 1) for x in map(found.get, names) if x)
        cells = (f"{median(found[name]):.3f}{spread}" for name, spread in zip(names, spreads, strict=True))
        print(f"| {seconds:g} s |", " | ".join(cells), "|")
    if args.picture:
        draw(rows, args.picture)


if __name__ == "__main__":
    main()
