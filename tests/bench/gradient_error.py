"""The error of one step's gradients in float32 and in bfloat16, against float64.

    python tests/bench/gradient_error.py data/saltmarrow.txt
    python tests/bench/gradient_error.py data/saltmarrow.txt --cells lstm --hidden-size 512 --engine numpy

Trains a network of each cell for some steps in float32, then computes the gradients of the next batch three times: in
float64 with the NumPy engine, and in each precision with the chosen one. The error is the norm of the difference to
float64, over the norm in float64: for each parameter, and for all of them together. Prints one Markdown table.
"""

import argparse
import sys

import numpy as np
from loss_at_steps import cells, positive

import charrnn
from charrnn.config import CELLS, PRECISIONS
from charrnn.dataset import corpus
from charrnn.dataset.files import Source
from charrnn.engine import load
from charrnn.errors import CharRNNError
from charrnn.model.forms import network_for
from charrnn.training.trainer import Trainer
from charrnn.types import Params

ALL = "all of them"
"""The row of all parameters together."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="The error of one step's gradients in float32 and in bfloat16, against float64.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("corpus", help="a text, or a folder of them")
    parser.add_argument("--steps", type=positive, default=200, help="the steps of training before")
    parser.add_argument("--cells", type=cells, default=",".join(CELLS), help="separated by commas")
    parser.add_argument("--hidden-size", type=positive, default=128)
    parser.add_argument("--layers", type=positive, default=2)
    parser.add_argument("--batch-size", type=positive, default=16)
    parser.add_argument("--seq-length", type=positive, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("numba", "numpy"), default="numba")
    return parser.parse_args()


def gradients(trainer: Trainer, engine: str, precision: str, dtype: type[np.floating]) -> Params:
    """The gradients of the next batch of a run, in float64; they are computed in this type and this precision."""
    s = trainer.state
    network = network_for(s.model_config, load(engine, precision))
    batch, state = trainer.epoch(s.counters.order)(s.counters.batch), s.rnn_state.astype(dtype)
    state[:, :, batch.reset] = 0
    params = {name: p.astype(dtype) for name, p in s.params.items()}
    _, found, _ = network.loss_and_gradients(params, batch, state)
    return {name: d.astype(np.float64) for name, d in found.items()}


def errors(exact: Params, found: Params) -> dict[str, float]:
    """The norm of the difference over that of the exact gradients, by parameter and for all of them."""
    squares = {name: np.array([((found[name] - d) ** 2).sum(), (d**2).sum()]) for name, d in exact.items()}
    squares[ALL] = np.sum([*squares.values()], axis=0)
    return {name: float(np.sqrt(difference / whole)) for name, (difference, whole) in squares.items()}


def main() -> None:
    """Trains a network of each cell and measures its gradients, then prints the table."""
    args = arguments()
    shape = {name: getattr(args, name) for name in ("hidden_size", "layers", "batch_size", "seq_length")}
    found: dict[str, dict[str, float]] = {}
    try:
        text = corpus.read(Source((args.corpus,)))
        for cell in args.cells:
            options = {"cell": cell, "seed": args.seed, "engine": args.engine, **shape}
            trainer = charrnn.train(text, steps=args.steps, eval_every=args.steps, **options)
            for row in trainer:
                if row.chars:
                    print(f"\r{cell}: step {row.step}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            exact = gradients(trainer, "numpy", "float32", np.float64)
            for precision in PRECISIONS:
                narrow = gradients(trainer, args.engine, precision, np.float32)
                found[f"{cell}, {precision}"] = errors(exact, narrow)
    except CharRNNError as error:
        sys.exit(f"{error}")
    names = dict.fromkeys(name for column in found.values() for name in column if name != ALL)
    print("|", " | ".join(("gradient of", *found)), "|")
    print("|", " | ".join(("---", *["---:"] * len(found))), "|")
    for name in (*names, ALL):
        print("|", " | ".join((name, *(f"{c[name]:.1e}" if name in c else "" for c in found.values()))), "|")


if __name__ == "__main__":
    main()
