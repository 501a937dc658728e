"""Validation losses at equal time with the settings that `training/budget.py` chooses, and with others around them.

    python tests/bench/budget.py CORPUS --time 90s hidden_size=192,256,384 drop_connect=0,0.1,0.3 lr=0.004,0.008

Trains first with the chosen settings, then with each value of each option in turn, the other options chosen to suit it.
The constants in `training/budget.py` are fitted to such tables for tinyshakespeare, Dostoevsky in Russian and the texts
of `data/`. Prints one Markdown table.
"""

import argparse
import sys
from typing import Any

from arguments import seconds, value

import charrnn
from charrnn.dataset import corpus
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source

COLUMNS = ("cell", "hidden_size", "layers", "dropout", "drop_connect", "batch_size", "seq_length", "lr")


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Validation losses around the settings of `charrnn train --time`.")
    parser.add_argument("corpus", help="a text")
    parser.add_argument("trials", nargs="*", help="an option by its name in Python, and its values: lr=0.004,0.008")
    parser.add_argument("--time", type=seconds, default=90.0, help="the time of each run (default: 90s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", action="store_true", help="each line is a text of its own")
    return parser.parse_intermixed_args()  # the options may come before the trials


def row(text: Corpus, options: dict[str, Any]) -> list[str]:
    """Trains with these options; returns the settings and the best loss as the cells of a row."""
    trainer = charrnn.train(text, **options)
    for _ in trainer:
        pass
    state = trainer.state
    settings = vars(state.model_config) | vars(state.training_config)
    epochs = state.counters.step / trainer.training_data.steps_per_epoch
    best = min(row.rank for row in trainer.history)
    cells = [*(f"{settings[name]}" for name in COLUMNS), f"{epochs:.1f}", f"{best:.4f}"]
    print(*cells, file=sys.stderr, flush=True)
    return cells


def main() -> None:
    """Trains everything in turn, then prints the table."""
    args = arguments()
    text = corpus.read(Source((args.corpus,)))
    fixed = {"time": args.time, "seed": args.seed} | ({"layout": "lines"} if args.lines else {})
    trials: list[dict[str, Any]] = [{}]
    for words in args.trials:
        name, _, values = words.partition("=")
        trials += [{name: value(each)} for each in values.split(",")]
    rows = [row(text, fixed | trial) for trial in trials]
    print("|", " | ".join((*COLUMNS, "epochs", "validation loss")), "|")
    print("|", " | ".join(["---:"] * (len(COLUMNS) + 2)), "|")
    for cells in rows:
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
