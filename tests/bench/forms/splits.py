"""Makes train.tsv and test.tsv of a data set, so that all programs learn from the same lines and meet the same test.

    python tests/bench/forms/splits.py data/dates.tsv dates --test 1000

The test lines are those of a tenth of the distinct sources, or of so many as --test says. The data set is a file of
`source TAB target` lines, a folder with a file of texts for each label, or one of two tasks that are made here from
random strings of letters: `reversal`, whose target is the source backwards, and `copying`, whose target is the source.
"""

import argparse
import json
from pathlib import Path
from random import Random
from string import ascii_lowercase

import pairs
from pairs import Pair

TASKS = ("reversal", "copying")
MAX_LENGTH = 40
"""The length of the longest random string."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Makes train.tsv and test.tsv of a data set.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", help="a file of source TAB target lines, a folder of labels, reversal, or copying")
    parser.add_argument("folder", type=Path, help="the folder to write to, which is made if it does not exist")
    parser.add_argument("--test", type=int, metavar="N", help="the number of distinct sources to hold out: a tenth")
    parser.add_argument("--lines", type=int, default=20_000, help="the lines of reversal and copying")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def labelled(folder: Path) -> list[Pair]:
    """The lines of all files of a folder, each with the name of its file, without suffix, as its label."""
    return [
        (text, path.stem)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
        for line in path.read_text(encoding="utf-8").split("\n")
        if (text := " ".join(line.split()))
    ]


def random_strings(n: int, seed: int) -> list[str]:
    """Distinct strings of 1 to `MAX_LENGTH` letters, each length as often as the others where there are enough."""
    draw, found = Random(seed).random, dict[str, None]()
    while len(found) < n:
        length = 1 + int(MAX_LENGTH * draw())
        found["".join(ascii_lowercase[int(26 * draw())] for _ in range(length))] = None
    return list(found)


def made(task: str, n: int, seed: int) -> list[Pair]:
    """The pairs of one of `TASKS`."""
    return [(text, text[::-1] if task == "reversal" else text) for text in random_strings(n, seed)]


def main() -> None:
    """Writes the two files, and prints how many lines they have as a JSON object."""
    args = arguments()
    path = Path(args.source)
    if path.is_dir():
        found = labelled(path)
    elif args.source in TASKS and not path.exists():
        found = made(args.source, args.lines, args.seed)
    else:
        found = pairs.read(path)
    try:
        train, test = pairs.divide(found, args.seed, args.test)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    args.folder.mkdir(parents=True, exist_ok=True)
    pairs.write(args.folder / "train.tsv", train)
    pairs.write(args.folder / "test.tsv", test)
    sources = [len({source for source, _ in part}) for part in (train, test)]
    print(json.dumps({"train": len(train), "test": len(test), "train_sources": sources[0], "test_sources": sources[1]}))


if __name__ == "__main__":
    main()
