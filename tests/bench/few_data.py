"""Losses on text that nobody saw, after learning few data with the settings of `--time` and with others, by steps.

    python tests/bench/few_data.py given-names.txt --lines 300 cell=gru hidden_size=32,128 lr=0.004,0.02
    python tests/bench/few_data.py tinyshakespeare.txt --chars 10000 dropout=0.2,0.6

For each seed it takes random lines, or the characters from a random place on, and others to compare the losses on.
`--time` has as many steps as `training/few_data.py` gives it, so that the speed of the machine does not matter. The
others change one option at a time. Of twenty evaluations the one with the lowest validation loss counts, or the last
if nothing is held out. Prints one Markdown table of means over the seeds, in nats per character.
"""

import argparse
import math
import random
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from arguments import value

import charrnn
from charrnn.dataset.lines import LineBatches, Lines
from charrnn.dataset.split import ValidationStream
from charrnn.training import budget, evaluation, few_data

TESTED_LINES, TESTED_CHARS = 2000, 30_000
"""What the losses are compared on."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Losses on text that nobody saw, after learning few data.")
    parser.add_argument("corpus", type=Path, help="a text")
    parser.add_argument("trials", nargs="*", help="an option by its name in Python, and its values: lr=0.004,0.02")
    parser.add_argument("--lines", type=int, default=0, help="learn so many random lines, each a text of its own")
    parser.add_argument("--chars", type=int, default=10_000, help="otherwise, learn so many characters")
    parser.add_argument("--seeds", type=int, default=3, help="the number of seeds: 1, 2, …")
    return parser.parse_intermixed_args()


def parts(text: str, lines: int, chars: int, seed: int) -> tuple[str, str]:
    """A part of the text to learn from, and another one that has only characters of the first."""
    rng = random.Random(seed)
    if lines:
        found = sorted({*text.split("\n")} - {""})
        rng.shuffle(found)
        learned, others = found[:lines], found[lines:][:TESTED_LINES]
        return "\n".join(learned), "\n".join(line for line in others if {*line} <= {*"".join(learned)})
    start = rng.randrange(len(text) - chars - 2 * TESTED_CHARS)
    learned_text, other = text[start : start + chars], text[start + chars + TESTED_CHARS :][:TESTED_CHARS]
    return learned_text, "".join(c for c in other if c in {*learned_text})


def options(text: str, lines: int) -> dict[str, Any]:
    """What `--time` chooses for 20 seconds of two cores."""
    N, layout = len(text) * 9 // 10, {"layout": "lines"} if lines else {}
    line = len(text) / lines if lines else math.inf
    if not few_data.is_few(N, line):
        sys.exit(
            f"{len(text):,} characters are not few, and have no end of their own: give a smaller --chars or --lines"
        )
    chosen: Any = budget.choose(20 * budget.TYPICAL_SPEED, N, len({*text}), layout, line)  # type: ignore[arg-type]
    steps_per_epoch = charrnn.train(text, steps=1, **chosen).training_data.steps_per_epoch
    steps = int(few_data.max_steps(N, line, steps_per_epoch))
    warmup = min(budget.WARMUP, steps // 10)
    hold, cooldown = int(steps * (1 - budget.COOLDOWN)) - warmup, math.ceil(steps * budget.COOLDOWN)
    return chosen | {"steps": steps, "warmup": warmup, "hold": hold, "cooldown": cooldown, "eval_every": steps // 20}


def losses(text: str, other: str, **settings: Any) -> tuple[float, float]:
    """The lowest validation loss of a training, or NaN, and the loss of those weights on the other text."""
    trainer = charrnn.train(text, **settings)
    for _ in trainer:
        pass
    vocabulary, row = trainer.state.vocabulary, min(trainer.history, key=lambda row: row.rank)
    ids, is_lines = vocabulary.encode(other), settings.get("layout") == "lines"
    data = LineBatches(Lines.from_ids(ids, vocabulary), 256, 64) if is_lines else ValidationStream(ids)
    return math.nan if row.val_loss is None else row.val_loss, evaluation.mean_loss(trainer.best, data)


def main() -> None:
    """Trains everything in turn, and prints the table."""
    args = arguments()
    text = args.corpus.read_text(encoding="utf-8")
    trials: list[tuple[str, dict[str, Any]]] = [("--time", {})]
    for words in args.trials:
        name, _, values = words.partition("=")
        trials += [(f"{name}={each}", {name: value(each)}) for each in values.split(",")]
    print("| settings | validation loss | loss on other text |", "|---|---:|---:|", sep="\n")
    for name, trial in trials:
        found = []
        for seed in range(1, args.seeds + 1):
            learned, other = parts(text, args.lines, args.chars, seed)
            found.append(losses(learned, other, **options(learned, args.lines) | {"seed": seed, **trial}))
            print(name, *found[-1], file=sys.stderr, flush=True)
        print(f"| {name} | {fmean(row[0] for row in found):.3f} | {fmean(row[1] for row in found):.3f} |", flush=True)


if __name__ == "__main__":
    main()
