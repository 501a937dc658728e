"""Fine-tuning a model on a short text with new characters, against training afresh and against leaving them out.

    python tests/bench/finetuning.py dostoevsky-ru.txt --base-chars 500000
    python tests/bench/finetuning.py dostoevsky-ru.txt tinyshakespeare.txt --base-chars 500000

Trains a base on the first text, then continues on the first characters of the second, of which the last tenth is held
out. Without a second text, that is the rest of the first one, in the Russian spelling before 1918, whose letters ѣ and
і are new to the base. Prints one Markdown table: the lowest validation loss of each way over the seeds, in nats per
character, over the characters that the base knows, so that all ways are compared on the same ones. With --rates it
prints the losses of fine-tuning at these learning rates instead. Progress goes to stderr.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import charrnn
from charrnn.model.model import Model
from charrnn.training.trainer import Trainer

BASE: dict[str, Any] = {
    "cell": "lstm",
    "layers": 1,
    "batch_size": 32,
    "seq_length": 64,
    "schedule": "linear",
    "warmup": 100,
    "lr": 0.012,
    "clip": 1.0,
    "eval_every": 500,
}
"""The options of the base: those that --time would choose, for a given number of steps."""
WITH_YAT = (
    *("дел", "век", "мест", "нет", "вер", "тебе", "себе", "мне", "всех", "где", "свет", "лет", "хоте", "виде", "ответ"),
    *("сиде", "здес", "след", "обе", "совсе", "две", "смотре", "стен", "комнате", "руке", "цел", "бел", "нем"),
)
"""Parts of words whose last е was a ѣ."""
LENGTHS = (50, 100, 200, 500)
"""The steps up to which the best loss is given with --rates."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Fine-tuning on a short text with new characters, and training afresh.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("base", type=Path, help="the text of the base")
    parser.add_argument("text", type=Path, nargs="?", help="the text to continue on")
    parser.add_argument("--base-chars", type=int, default=500_000, help="the characters of the base's text")
    parser.add_argument("--chars", type=int, default=30_000, help="the characters of the second text")
    parser.add_argument("--hidden-size", type=int, default=160)
    parser.add_argument("--base-steps", type=int, default=2500)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=3, help="the number of seeds: 1, 2, …")
    parser.add_argument("--rates", default="", help="learning rates to compare, separated by commas")
    parser.add_argument("--keep", type=Path, help="a file in which to keep the base, or from which to take it")
    return parser.parse_args()


def old_spelling(text: str) -> str:
    """A Russian text roughly as before 1918: і before vowels, ѣ in frequent words, ъ after a last consonant."""
    text = re.sub("и(?=[аеийоуыэюя])", "і", text)
    for part in WITH_YAT:
        text = text.replace(part, part[::-1].replace("е", "ѣ", 1)[::-1])
    return re.sub(r"(?<=[бвгджзклмнпрстфхцчшщ])(?=[^\w]|$)", "ъ", text)


def trained(text: str, **options: Any) -> Trainer:
    """A training at its end."""
    trainer = charrnn.train(text, threads=1, **options)
    for progress in trainer:
        if (row := progress.evaluation) is not None:
            print(f"  step {row.step}: {row.val_loss:.4f}", file=sys.stderr, flush=True)
    return trainer


def base_model(args: argparse.Namespace) -> Model:
    """The base, from its file if there is one."""
    if args.keep is not None and args.keep.exists():
        return charrnn.load(args.keep).model
    text = args.base.read_text(encoding="utf-8")[: args.base_chars]
    model = trained(text, hidden_size=args.hidden_size, steps=args.base_steps, seed=1, **BASE).best
    if args.keep is not None:
        charrnn.save(args.keep, charrnn.Checkpoint(model))
    return model


def known_loss(trainer: Trainer, base: Model) -> float:
    """The mean loss of a training's best model on those validation characters that the base knows."""
    model, ids = trainer.best, trainer.validation_data.excerpt(sys.maxsize)
    inputs = np.concatenate(([model.vocabulary.start], ids[:-1]))[:, None]
    nats, _ = model.token_nll(inputs, ids[:, None], model.zero_text_state(1))
    known = np.array([character in base.vocabulary.characters for character in model.vocabulary.characters])
    return float(nats[:, 0][known[ids]].mean(dtype=np.float64))


def ways(base: Model, text: str, steps: int, seed: int) -> Iterator[tuple[str, Trainer]]:
    """The trainings to compare, each with the defaults for so many steps."""
    options: dict[str, Any] = {"steps": steps, "seed": seed}
    yield "new rows (the default)", trained(text, init_from=base, **options)
    yield "`--unknown skip`", trained(text, init_from=base, unknown="skip", **options)
    shape = {"hidden_size": base.config.hidden_size, "layers": base.config.layers, "cell": base.config.cell}
    yield "training afresh, thrice the steps", trained(text, eval_every=25, **shape, **options | {"steps": 3 * steps})


def compare(base: Model, text: str, args: argparse.Namespace) -> None:
    """Prints the table of the ways."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for seed in range(1, args.seeds + 1):
        for name, trainer in ways(base, text, args.steps, seed):
            row = min(trainer.history, key=lambda row: row.rank)
            found.setdefault(name, []).append((known_loss(trainer, base), row.rank, row.step))
            print(f"seed {seed}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print(
        "| training | loss on the characters that the base knows | loss on all characters that it reads | best step |"
    )
    print("|---|---:|---:|---:|")
    for name, rows in found.items():
        known = [row[0] for row in rows]
        steps = ", ".join(str(row[2]) for row in rows)
        spread = f"{fmean(known):.3f} ({min(known):.3f} to {max(known):.3f})"
        print(f"| {name} | {spread} | {fmean(row[1] for row in rows):.3f} | {steps} |")


def compare_rates(base: Model, text: str, args: argparse.Namespace) -> None:
    """Prints the lowest validation loss up to some steps, by the learning rate."""
    lengths = [length for length in LENGTHS if length <= args.steps]
    print(f"| learning rate | start | {' | '.join(f'{length} steps' for length in lengths)} |")
    print("|---:|" + "---:|" * (len(lengths) + 1))
    for rate in map(float, args.rates.split(",")):
        rows = trained(text, init_from=base, steps=args.steps, lr=rate, seed=1).history
        lowest = [min(row.rank for row in rows if row.step <= length) for length in lengths]
        print(f"| {rate:g} | {rows[0].rank:.3f} | {' | '.join(f'{loss:.3f}' for loss in lowest)} |", flush=True)


def main() -> None:
    """Prints one of the tables."""
    args = arguments()
    if args.text is None:
        text = old_spelling(args.base.read_text(encoding="utf-8")[args.base_chars :][: args.chars])[: args.chars]
    else:
        text = args.text.read_text(encoding="utf-8")[: args.chars]
    base = base_model(args)
    new = set(text) - {*base.vocabulary.characters}
    share = sum(character in new for character in text) / len(text)
    print(f"{len(new)} new characters, {share:.1%} of the text", file=sys.stderr)
    (compare_rates if args.rates else compare)(base, text, args)


if __name__ == "__main__":
    main()
