"""What else could have been chosen: validation losses around the choice of `charrnn.budget`, at equal time.

    python tests/bench/budget.py CORPUS --time 90s hidden_size=192,256,384 drop_connect=0,0.1,0.3 lr=0.004,0.008

Every value of every option is tried for itself, all others as they are chosen around it; then what is chosen itself.
The constants in `budget.py` are fits to such tables, of several texts and times. One Markdown table goes to stdout.
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
    """A number, true or false where the text is one; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def row(text: Corpus, options: dict[str, Any]) -> list[str]:
    """Trains with these options; the settings of the run and its best loss, as the cells of a table."""
    training = charrnn.train(text, **options)
    for _ in training:
        pass
    snapshot = training.state
    settings = vars(snapshot.model) | vars(snapshot.training)
    epochs = snapshot.at.step / training.training_data.chunks
    best = min(row.rank for row in training.history)
    cells = [*(f"{settings[name]}" for name in SHOWN), f"{epochs:.1f}", f"{best:.4f}"]
    print(*cells, file=sys.stderr, flush=True)
    return cells


def main() -> None:
    """Trains everything in turn, then prints the table."""
    args = arguments()
    text = corpus.read(Source((args.corpus,)))
    always = {"time": args.time, "seed": args.seed} | ({"lines": True} if args.lines else {})
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
