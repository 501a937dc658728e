"""Final validation losses at equal steps: charrnn and PyTorch.

    python tests/bench/loss_at_steps.py CORPUS --epochs 3 --seeds 2

Trains both from Python on the same batches of the same text, and prints one Markdown table: the last evaluations, in
nats per character. Progress goes to stderr. With --same-weights both begin with charrnn's initial weights: the losses
then differ only by rounding and PyTorch's second bias. Without it, the table shows the effect of the initial weights.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import fmean
from typing import Any

import charrnn
from charrnn.config import CELLS
from charrnn.dataset import corpus
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source
from charrnn.errors import CharRNNError
from charrnn.training.options import complete
from charrnn.training.state import Evaluation

RunTraining = Callable[[Corpus, dict[str, Any]], Iterator[Evaluation]]


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Final validation losses at equal steps: charrnn and PyTorch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("corpus", help="a text, or a folder of them")
    parser.add_argument("--epochs", type=positive, default=3)
    parser.add_argument("--seeds", type=positive, default=2, help="the number of seeds: 1, 2, …")
    parser.add_argument("--cells", type=cells, default=",".join(CELLS), help="separated by commas")
    parser.add_argument("--hidden-size", type=positive, default=128)
    parser.add_argument("--layers", type=positive, default=2)
    parser.add_argument("--batch-size", type=positive, default=50)
    parser.add_argument("--seq-length", type=positive, default=50)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--charrnn-only", action="store_true", help="leave PyTorch out")
    choice.add_argument("--same-weights", action="store_true", help="let PyTorch begin with charrnn's initial weights")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number of at least 1, from the command line."""
    if (n := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{n} is less than 1")
    return n


def cells(text: str) -> list[str]:
    """A list of cells, from the command line."""
    names = text.split(",")
    if unknown := [name for name in names if name not in CELLS]:
        raise argparse.ArgumentTypeError(f"there is no cell {unknown[0]!r}: choose from {', '.join(CELLS)}")
    return names


def run_charrnn(text: Corpus, options: dict[str, Any]) -> Iterator[Evaluation]:
    """The evaluations of a run of charrnn."""
    return (row.evaluation for row in charrnn.train(text, **options) if row.evaluation)


def run_pytorch(text: Corpus, options: dict[str, Any], same_weights: bool = False) -> Iterator[Evaluation]:
    """The evaluations of the same run of PyTorch."""
    import pytorch_baseline  # not needed for --charrnn-only

    return pytorch_baseline.evaluations(text, *complete(text, options), same_weights)


def final_loss(label: str, rows: Iterator[Evaluation]) -> float:
    """Trains, with progress on stderr; returns the last validation loss, not the best."""
    began, val_loss = time.perf_counter(), None
    for row in rows:
        val_loss = row.val_loss
        if val_loss is None:
            sys.exit("the corpus is too short to hold out validation text")
        seconds = time.perf_counter() - began
        print(
            f"{label}: step {row.step}, epoch {row.epoch}, train {row.train_loss:.4f}, val {val_loss:.4f}, "
            f"{seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    assert val_loss is not None, "every run ends with an evaluation"
    return val_loss


def main() -> None:
    """Trains everything, then prints the table."""
    args = arguments()
    trainers: dict[str, RunTraining] = {"charrnn": run_charrnn}
    if not args.charrnn_only:
        name = "PyTorch, same weights" if args.same_weights else "PyTorch"
        trainers[name] = partial(run_pytorch, same_weights=args.same_weights)
    try:
        text = corpus.read(Source((args.corpus,)))
        table = [[cell, *compare(text, cell, trainers, args)] for cell in args.cells]
    except CharRNNError as error:
        sys.exit(f"{error}")
    header = ["cell"]
    for name in trainers:
        header += [f"{name}, seed {seed}" for seed in range(1, args.seeds + 1)] + [f"{name}, mean"]
    if len(trainers) == 2:
        header.append("charrnn − PyTorch (means)")
    print(*(f"| {' | '.join(row)} |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *table)), sep="\n")


def compare(text: Corpus, cell: str, trainers: dict[str, RunTraining], args: argparse.Namespace) -> list[str]:
    """The cells of one row of the table, for one kind of network."""
    shape = {name: getattr(args, name) for name in ("epochs", "hidden_size", "layers", "batch_size", "seq_length")}
    found: dict[str, list[float]] = {name: [] for name in trainers}
    for seed in range(1, args.seeds + 1):
        for name, trainer in trainers.items():
            options = {"cell": cell, "seed": seed, **shape}
            found[name].append(final_loss(f"{cell}, seed {seed}, {name}", trainer(text, options)))
    row = [f"{loss:.4f}" for losses in found.values() for loss in (*losses, fmean(losses))]
    if len(found) == 2:
        charrnn_losses, pytorch_losses = found.values()
        row.append(f"{fmean(charrnn_losses) - fmean(pytorch_losses):+.4f}")
    return row


if __name__ == "__main__":
    main()
