"""Data sets as pairs: files of `source TAB target` lines, read, written, and divided into two parts by source."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

Pair = tuple[str, str]
"""A source and its target: a label, a tag for each character, or another text."""


def read(path: Path) -> list[Pair]:
    """The pairs of a file; raises `SystemExit` for a line without a tab."""
    found = []
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        source, tab, target = line.partition("\t")
        if not tab:
            raise SystemExit(f"{path}, line {number}: has no tab between a source and a target")
        found.append((source, target))
    return found


def write(path: Path, pairs: Iterable[Pair]) -> None:
    """Writes the pairs, one on each line."""
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    path.write_text(text, encoding="utf-8", newline="\n")


def divide(pairs: Sequence[Pair], seed: int, held_out: int | None = None) -> tuple[list[Pair], list[Pair]]:
    """Holds out so many of the distinct sources, a tenth if no number is given; returns the other pairs and theirs.

    All pairs of a source are on one side, in their order: one that has several targets is kept, and does not leak.
    Raises `ValueError` if a side would be empty.
    """
    sources = list(dict.fromkeys(source for source, _ in pairs))
    n = max(1, len(sources) // 10) if held_out is None else held_out
    if not 0 < n < len(sources):
        raise ValueError(f"can't hold out {n} of {len(sources)} distinct sources")
    draw = Random(seed).random  # the same numbers in every version of Python
    chosen = set(sorted(sources, key=lambda _: draw())[:n])
    return [pair for pair in pairs if pair[0] not in chosen], [pair for pair in pairs if pair[0] in chosen]
