"""Validation losses around what `training/budget.py` chooses, at equal time.

    python tests/bench/budget.py CORPUS --time 90s hidden_size=192,256,384 drop_connect=0,0.1,0.3 lr=0.004,0.008

Tries each value of each option by itself, with the other options as they are chosen around it, and the choice itself.
The constants in `budget.py` are fitted to such tables of several texts and times. Prints one Markdown table.
"""

import argparse
import json
import sys
from typing import Any

import charrnn
from charrnn.cli.train.command import duration
from charrnn.dataset import corpus
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source

SHOWN = ("cell", "hidden_size", "layers", "dropout", "drop_connect", "batch_size", "seq_length", "lr")


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Validation losses around what `charrnn train --time` chooses.")
    parser.add_argument("corpus", help="a text")
    parser.add_argument("tried", nargs="*", help="an option as Python knows it, and values: lr=0.004,0.008")
    parser.add_argument("--time", type=duration, default=90.0, help="of each run (default: 90s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", action="store_true", help="each line is a text of its own")
    return parser.parse_args()


def value(text: str) -> Any:
    """The text as a number, true or false, if it is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def row(text: Corpus, options: dict[str, Any]) -> list[str]:
    """Trains with these options; returns the settings and the best loss as the cells of a table."""
    trainer = charrnn.train(text, **options)
    for _ in trainer:
        pass
    state = trainer.state
    settings = vars(state.model_config) | vars(state.training_config)
    epochs = state.counters.step / trainer.training_data.steps_per_epoch
    best = min(row.rank for row in trainer.history)
    cells = [*(f"{settings[name]}" for name in SHOWN), f"{epochs:.1f}", f"{best:.4f}"]
    print(*cells, file=sys.stderr, flush=True)
    return cells


def main() -> None:
    """Trains everything in turn, then prints the table."""
    args = arguments()
    text = corpus.read(Source((args.corpus,)))
    always = {"time": args.time, "seed": args.seed} | ({"layout": "lines"} if args.lines else {})
    trials: list[dict[str, Any]] = [{}]
    for tried in args.tried:
        name, _, values = tried.partition("=")
        trials += [{name: value(each)} for each in values.split(",")]
    rows = [row(text, always | trial) for trial in trials]
    print("|", " | ".join((*SHOWN, "epochs", "validation loss")), "|")
    print("|", " | ".join(["---:"] * (len(SHOWN) + 2)), "|")
    for cells in rows:
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
