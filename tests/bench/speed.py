"""The speed of charrnn, compared with PyTorch and the machine's roofline: everything in one run, as Markdown tables.

    python tests/bench/speed.py                                        # everything: twenty minutes
    python tests/bench/speed.py --only training --cells lstm --shapes 2x128,1x512 --rounds 3
    python tests/bench/speed.py --only startup --json startup.json

Competitors are timed in turn, round after round, each in a process of its own; ratios are taken within a round, and
their median is shown. So a slow minute of the machine affects all alike. But threads that wait for each other,
PyTorch's above all, suffer most if other programs compute too: leave the machine alone while it runs. Environment
variables for BLAS and OpenMP are removed. Progress goes to stderr.
"""

import argparse
import importlib.util
import json
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from speeds import machine
from speeds.options import Options
from speeds.section import Section
from speeds.shape import MIN_CHAR, SHAPES

from charrnn.config import CELLS

SUBJECTS = {
    "training": True,
    "sampling": True,
    "startup": True,
    "encoding": False,
    "adaptation": False,
    "memory": False,
    "scaling": False,
}
"""The subjects, and whether each needs PyTorch."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="The speed of charrnn, compared with PyTorch and the machine's roofline: everything in one run.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    shapes = (*SHAPES, MIN_CHAR)
    parser.add_argument("--only", action="append", choices=SUBJECTS, metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--rounds", type=number(int), default=5, help="timings of each competitor")
    parser.add_argument("--seconds", type=number(float), default=1.0, help="the shortest timing")
    parser.add_argument("--cells", type=some_of(CELLS[::-1]), default=",".join(CELLS[::-1]), help="cells to train")
    parser.add_argument("--shapes", type=some_of(shapes), default=",".join(shapes), help="layers × units to train")
    parser.add_argument("--text-size", type=number(float), default=200.0, help="MB of the text to encode")
    parser.add_argument("--memory-size", type=number(float), default=1000.0, help="MB of the text for memory")
    parser.add_argument("--memory-steps", type=number(int), default=10_000, help="steps over which memory is watched")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a file for the figures of all rounds")
    return parser.parse_args()


def number(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads a number above 0."""

    def read(text: str) -> Any:
        if not (n := kind(text)) > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return n

    return read


def some_of(names: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Reads a list of names, separated by commas."""

    def read(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        if unknown := [name for name in chosen if name not in names]:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}: choose from {','.join(names)}")
        return chosen

    return read


def main() -> None:
    """Measures the chosen subjects and prints each section when it is done."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that large files are removed
    removed = machine.remove_settings()
    subjects = [name for name in SUBJECTS if name in (args.only or SUBJECTS)]
    if any(SUBJECTS[name] for name in subjects) and not importlib.util.find_spec("torch"):
        sys.exit("PyTorch is not installed: pip install '.[bench]'")
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    if machine.busy():
        tell("other programs are computing on this machine: the figures will mean little")
    facts = {"removed from the environment": ", ".join(removed) or "nothing"} | machine.facts()
    print("# Speed\n", *(f"- {name}: {value}" for name, value in facts.items()), sep="\n", flush=True)
    options = Options(tell=tell, **{name: value for name, value in vars(args).items() if name not in ("only", "json")})
    sections: list[Section] = []
    for subject in subjects:
        for section in import_module(f"speeds.{subject}").measure(options):
            print(f"\n{section.markdown()}", flush=True)
            sections.append(section)
            if args.json:
                write_figures(args.json, facts, args, sections)
    tell("done")


def write_figures(path: Path, facts: dict[str, str], args: argparse.Namespace, sections: list[Section]) -> None:
    """Writes all figures so far: those of every round, not only the medians."""
    settings = {name: value for name, value in vars(args).items() if name != "json"}
    found = [{"title": s.title, "rows": s.figures, "remarks": s.remarks} for s in sections]
    path.write_text(json.dumps({"machine": facts, "arguments": settings, "sections": found}, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
