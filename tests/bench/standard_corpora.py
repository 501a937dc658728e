"""Bits per character on the standard test parts of Penn Treebank (characters), text8 and enwik8.

    python tests/bench/standard_corpora.py ptb ptb.char.train.txt ptb.char.valid.txt ptb.char.test.txt --time 1h
    python tests/bench/standard_corpora.py text8 text8 --time 1h --keep text8.json
    python tests/bench/standard_corpora.py enwik8 enwik8 --time 10m --limit 1000000

Divides the files as papers do, trains with the command `charrnn train … --val-file`, and scores the test part with
`charrnn score`, the state carried from the first character to the last. It fetches nothing. Prints Markdown tables:
charrnn's runs, what papers report, and what compressors need for the test part and for all parts together. Progress
goes to stderr.
"""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import kept
from arguments import count, seconds
from standard import compressors, literature, parts
from standard.parts import NAMES, FormatError, Parts

SUBJECTS = ("charrnn", "compressors")
DEFAULT_TIME = 600.0
LENGTH = re.compile(r"--(?:steps|epochs)\b")
"""An option of `charrnn train` that sets the length of a run in the place of --time."""


@dataclass
class Run:
    """A model of charrnn and its bits per character on the test part."""

    parts: str
    """The digest of the parts."""
    seed: int
    seconds: float | None
    """The time that the training was given; None if it was given steps, or if the model was there before."""
    options: str
    """Other options of the training."""
    network: str
    steps: int
    parameters: int
    static: float
    """With fixed weights."""
    adaptive: float | None = None
    """With weights that follow the text."""
    unknown: int = 0
    """The characters of the test part that the model has never seen; what they cost is counted."""

    @property
    def key(self) -> tuple[str, int, float | None, str]:
        return self.parts, self.seed, self.seconds, self.options


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--time", type=seconds, help="the time of the training (default: 10m)")
    common.add_argument("--seed", type=int, default=1, help="(default: 1)")
    common.add_argument("--limit", type=count, metavar="N", help="only the first N characters of each part")
    common.add_argument("--adapt", action="store_true", help="score with `charrnn score --adapt` too")
    common.add_argument(
        "--train-options",
        default="",
        metavar="WORDS",
        help="for charrnn train, as in --train-options='--precision auto'",
    )
    common.add_argument("--model", type=Path, metavar="FILE", help="keep the model; if it exists, only score it")
    common.add_argument("--keep", type=Path, metavar="FILE", help="a JSON file of figures; none in it is made again")
    common.add_argument("--only", action="append", choices=SUBJECTS, help="leave the other out")
    parser = argparse.ArgumentParser(description="Bits per character on standard corpora, which you must have.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    penn = benchmarks.add_parser("ptb", parents=[common], help="the characters of Penn Treebank: three files")
    for name, part in (("train", "training"), ("valid", "validation"), ("test", "test")):
        penn.add_argument(f"{name}_file", type=Path, help=f"the {part} part: ptb.char.{name}.txt or ptb.{name}.txt")
    for name in ("text8", "enwik8"):
        wikipedia = benchmarks.add_parser(name, parents=[common], help=f"the file {name}, unpacked")
        wikipedia.add_argument("file", type=Path, help=f"the file {name}, unpacked")
    return parser.parse_args()


def fail(message: object) -> SystemExit:
    """The end of the program with exit code 1 and a line on stderr."""
    return SystemExit(f"standard_corpora.py: {message}")


def read_parts(args: argparse.Namespace) -> Parts:
    """The parts of the benchmark; ends the program if a file is missing or wrong."""
    penn = args.benchmark == "ptb"
    paths = [args.train_file, args.valid_file, args.test_file] if penn else [args.file]
    try:
        found = parts.read(args.benchmark, paths)
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}") from None
    except FormatError as error:
        raise fail(error) from None
    return found if args.limit is None else found.limited(args.limit)


def charrnn(*words: object) -> str:
    """The output of a command of charrnn, whose stderr is ours; ends the program with its exit code if it fails."""
    done = subprocess.run([sys.executable, "-m", "charrnn", *map(str, words)], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout.decode()


# Runs


def run(args: argparse.Namespace, found: Parts, time: float | None, folder: Path) -> Run:
    """Trains a model, or takes the one that is there, and scores it."""
    train, validation, test = (folder / f"{args.benchmark}.{part}.txt" for part in ("train", "valid", "test"))
    train.write_bytes(found.train)
    validation.write_bytes(found.validation)
    test.write_bytes(found.test)
    model = args.model or folder / "model.safetensors"
    is_new = not model.exists()
    if is_new:
        length = [] if time is None else ["--time", f"{time:g}s"]
        kind = ["--bytes"] * (args.benchmark == "enwik8")
        words = [train, "--val-file", validation, *kind, *length, "--seed", args.seed, "--out", model, "--json"]
        charrnn("train", *words, *shlex.split(args.train_options))
    about = json.loads(charrnn("inspect", model, "--json"))
    if (about["corpus"] or {}).get("digest") != hashlib.sha256(found.train).hexdigest():
        raise fail(f"{model} has not learned from these {len(found.train):,} characters")
    network = about["model"]
    score = json.loads(charrnn("score", model, test, "--json", "--unknown", "count"))
    adapted = [charrnn("score", model, test, "--json", "--unknown", "count", "--adapt")] if args.adapt else []
    return Run(
        found.digest,
        about["training"]["seed"],
        time if is_new else None,
        args.train_options if is_new else "",
        f"{network['cell']} {network['layers']}×{network['hidden_size']}",
        about["step"],
        about["parameters"],
        score["bpc"],
        *(json.loads(text)["bpc"] for text in adapted),
        unknown=score["unknown"],
    )


def with_time(new: Run, others: list[Run]) -> Run:
    """The run with the time and the options of the kept one that made the same model, if there is one."""
    for row in others:
        same = (row.parts, row.seed, row.network, row.steps, row.static)
        if new.seconds is None and same == (new.parts, new.seed, new.network, new.steps, new.static):
            return replace(new, seconds=row.seconds, options=row.options)
    return new


def runs(args: argparse.Namespace, found: Parts, known: dict[str, Any]) -> list[Run]:
    """All runs of these parts, the one that the arguments ask for among them; it is made unless it is kept."""
    time = args.time
    if time is None and not LENGTH.search(args.train_options):
        time = DEFAULT_TIME
    others = [Run(**row) for row in known["runs"]]
    key = (found.digest, args.seed, time, args.train_options)
    if not any(row.key == key and (row.adaptive is not None or not args.adapt) for row in others):
        with tempfile.TemporaryDirectory() as folder:
            new = with_time(run(args, found, time, Path(folder)), others)
        others = [row for row in others if row.key != new.key] + [new]
        known["runs"] = [asdict(row) for row in others]
        kept.write(args.keep, known)
    return [row for row in others if row.parts == found.digest]


def compress(args: argparse.Namespace, found: Parts, known: dict[str, Any]) -> dict[str, list[float]]:
    """The bits per character of each compressor, of the test part and of all parts."""
    figures: dict[str, list[float]] = known["compressors"].setdefault(found.digest, {})
    for name, compressor in compressors.installed():
        if name not in figures:
            figures[name] = [compressors.bits_per_character(compressor, text) for text in (found.test, found.whole)]
            print(name, *figures[name], file=sys.stderr, flush=True)
            kept.write(args.keep, known)
    return figures


# Tables


def bits(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}"


def table(header: str, alignment: str, rows: list[list[str]]) -> None:
    """Prints a table and an empty line."""
    print(header, alignment, *(f"| {' | '.join(row)} |" for row in rows), "", sep="\n", flush=True)


def print_runs(found: Parts, rows: list[Run]) -> None:
    """Prints the table of charrnn."""
    adapted = any(row.adaptive is not None for row in rows)
    cells = [
        [
            NAMES[found.benchmark] + (f", `{row.options}`" if row.options else ""),
            "" if row.seconds is None else f"{row.seconds:g} s",
            *(f"{row.steps:,}", str(row.seed), row.network, f"{row.parameters:,}"),
            bits(row.static),
            *[bits(row.adaptive)] * adapted,
        ]
        for row in rows
    ]
    header = "| benchmark | time | steps | seed | network | parameters | static |" + " adaptive |" * adapted
    table(header, "|---|---:|---:|---:|---|---:|---:|" + "---:|" * adapted, cells)
    if unknown := max(row.unknown for row in rows):
        print(f"Characters of the test part that are not in the training part: {unknown:,}.\n")


def print_literature(found: Parts) -> None:
    """Prints the table of papers."""
    cells = [
        [result.model, result.paper, f"{result.parameters} M", result.static, result.adaptive]
        for result in literature.RESULTS[found.benchmark]
    ]
    table("| published model | paper | parameters | static | adaptive |", "|---|---|---:|---:|---:|", cells)


def main() -> None:
    """Makes the figures, then prints the tables."""
    args = arguments()
    found, subjects = read_parts(args), args.only or SUBJECTS
    known = kept.read(args.keep, {"runs": [], "compressors": {}})
    rows = runs(args, found, known) if "charrnn" in subjects else []
    figures = compress(args, found, known) if "compressors" in subjects else {}
    print(f"{NAMES[found.benchmark]}, bits per character of the test part, which has {len(found.test):,} characters.")
    if found.difference:
        print(f"These figures can't be compared with published ones: {found.difference}.")
    print()
    if rows:
        print_runs(found, rows)
    print_literature(found)
    if figures:
        cells = [[name, *map(bits, pair)] for name, pair in figures.items()]
        table("| compressor | test part alone | all parts together |", "|---|---:|---:|", cells)


if __name__ == "__main__":
    main()
