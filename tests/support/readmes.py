"""The READMEs as programs: their blocks, how their commands are run, and whether the output is what they say.

In a `console` block each line that begins with `$ ` is a command, and the lines after it are its output. A line `…`
stands for any lines, and `…` in a line for any text. In a `sh` block there are only commands.
"""

import gzip
import lzma
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

import charrnn
from charrnn.checkpoint.training_file import load_state
from charrnn.dataset.files import Source
from charrnn.errors import CheckpointError
from support.processes import PROGRAM, environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "tests" / "fixtures" / "docs"
"""The models and texts that the documents use."""

CORPUS_CHARS = 6000
"""The size of `corpus.txt`: large enough to hold out validation text, small enough to train on in no time."""
CHAPTER_CHARS = 2500
SIMILAR_SAMPLES = 0.9
"""The smallest similarity, from 0 to 1, of sampled texts: rounding may decide a near-tie in another way."""
SIMILAR_VIEWS = 0.97
"""The smallest similarity of the views of `charrnn inspect`, whose words must be equal."""
SIMILAR_LOSSES = 0.05
"""The largest difference of two validation losses, relative to the first: a faster machine takes more steps."""
SIMILAR_LINES = 0.6
"""The smallest similarity of two lines of a training, apart from their numbers."""

NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
COMMAND = re.compile(r"(?:^|[|&;(`]|\bdo\b)\s*charrnn\b", re.MULTILINE)
"""A command of charrnn in a line of a shell."""
LENGTHS = re.compile(r"--(?:time|steps|epochs)\b")
TOLD = re.compile(r"step [\d,/]+, epoch \d+, loss .* left(, evaluating)?")
"""A line that says how far a training is, after ten seconds."""
TOOLS = ("jq", "fold", "llm")
"""Programs that the documents use if they are installed."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    line: int
    """The line of the document where its text begins, from 1."""
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Example:
    """A command of a console block, with the output that the document shows."""

    command: str
    output: str


def documents() -> list[Path]:
    """All READMEs of the repository, and the documents for contributors."""
    folders = ("charrnn", "data", "tests")
    found = [path for folder in folders for path in (ROOT / folder).rglob("README.md")]
    return [ROOT / "README.md", *sorted(found), *sorted((ROOT / ".github").glob("*.md"))]


def blocks(document: Path, language: str) -> list[Block]:
    """The blocks of a document in a language."""
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(document, text.count("\n", 0, match.start(2)) + 1, match[1], match[2])
        for match in found
        if match[1] == language
    ]


def examples(block: Block) -> list[Example]:
    """The commands of a console block."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert not parts[0], f"{block.place} does not begin with a command"
    return [Example(*pair) for pair in zip(parts[1::2], parts[2::2], strict=True)]


def statements(block: Block) -> Iterator[str]:
    """The statements of a sh block: its lines, joined where one alone is not complete."""
    pending = ""
    for line in block.text.splitlines():
        pending += line + "\n"
        parsed = subprocess.run(["bash", "-n"], input=pending, text=True, capture_output=True, check=False)
        if parsed.returncode == 0 and not line.endswith("\\"):
            yield pending
            pending = ""
    assert not pending.strip(), f"{block.place} has an incomplete statement: {pending}"


def has_tools(command: str) -> bool:
    """Whether the programs beside charrnn that a command uses are installed."""
    return all(shutil.which(tool) for tool in TOOLS if re.search(rf"(?<![\w./-]){tool}\b", command))


def shortened(command: str, folder: Path) -> str:
    """The command in a form that takes no minutes, or the command itself if it takes none.

    A training becomes one of a second, one epoch or, from 500 steps, two steps; `tail -f` reads the file and ends.
    """
    command = re.sub(r"--time \S+", "--time 1s", command)
    command = re.sub(r"--epochs \d+", "--epochs 1", command)
    steps = 2 + (_latest_step(folder) if "--resume" in command else 0)
    command = re.sub(r"--steps (?:[5-9]\d\d|\d{4,})\b", f"--steps {steps}", command)
    if not LENGTHS.search(command) and "--resume" not in command:
        command = re.sub(r"\bcharrnn train\b", "charrnn train --time 1s", command)
    return re.sub(r"\btail -f\b", "cat", command)


def _latest_step(folder: Path) -> int:
    """The step up to which the latest training in `checkpoints/` has come."""
    saved = sorted((folder / "checkpoints").glob("*.resume.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    try:
        return load_state(saved[-1]).counters.step
    except (IndexError, CheckpointError):
        return 0


# Where the commands are run


def prepare(folder: Path) -> None:
    """Makes a folder with everything that the commands of the documents read."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "data", folder / "data")
    for path in (*DOCS.glob("*.safetensors"), *DOCS.glob("*.txt"), ROOT / "data" / "names.txt"):
        shutil.copy(path, folder)
    shutil.copy(folder / "tales.safetensors", folder / "model.safetensors")
    tales = (ROOT / "data" / "saltmarrow.txt").read_text(encoding="utf-8")
    letters = (DOCS / "letters.txt").read_text(encoding="utf-8")
    corpus = tales[:CORPUS_CHARS] + "".join(sorted(set(tales + letters)))
    for name in ("corpus.txt", "tinyshakespeare.txt"):
        (folder / name).write_text(corpus, encoding="utf-8")
    (folder / "song.mid").write_bytes(bytes(range(256)) * 20)
    (folder / "src").mkdir()
    for name in ("linear.py", "softmax.py"):
        shutil.copy(ROOT / "charrnn" / "layers" / name, folder / "src")
    (folder / "news.txt.gz").write_bytes(gzip.compress(corpus.encode(), mtime=0))
    (folder / "notes.txt.xz").write_bytes(lzma.compress(corpus.encode()))
    (folder / "cards.txt").write_text(tales[:CORPUS_CHARS].replace(". ", ".\n\n"), encoding="utf-8")
    (folder / "chapter.txt").write_text(tales[-CHAPTER_CHARS:], encoding="utf-8")
    (folder / "app.log").write_text(letters * 3, encoding="utf-8")
    # The latest training, which has come to step 2
    (folder / "checkpoints").mkdir()
    options = {"hidden_size": 16, "layers": 1, "steps": 2, "seed": 1, "engine": "numpy", "threads": 1}
    source, path = Source((str(folder / "corpus.txt"),)), folder / "checkpoints" / "corpus.safetensors"
    for _ in charrnn.train(corpus, checkpoint=path, source=source, **options):
        pass


def shell_environment(folder: Path, short: bool = True) -> dict[str, str]:
    """The environment of a user who has this charrnn on the path; with `short`, it computes with NumPy alone."""
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    write_program(folder, PROGRAM)
    numpy = {f"CHARRNN_{command}_ENGINE": "numpy" for command in ("TRAIN", "SAMPLE", "SCORE", "ADAPT")}
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    return environment(
        {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80", "HOME": str(folder)}
        | (numpy | single if short else {})
    )


def write_program(folder: Path, program: Sequence[str]) -> None:
    """Writes the program `charrnn` of a user: it runs a command line to which its arguments are added."""
    path = folder / "bin" / "charrnn"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
    path.chmod(0o755)


def run(command: str, folder: Path, env: dict[str, str], timeout: float = 120) -> tuple[int, str]:
    """Runs a command in a shell; returns its exit code, and its stdout and stderr as a terminal shows them."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


# What is compared


def difference(example: Example, found: str) -> str:
    """How an output differs from what a document shows; empty if it is the same.

    Numbers with a point may differ by a thousandth or in their last digit, percentages by one: processors round
    differently. For the same reason a sampled text may differ a little, and so may the bars of a view of `inspect`.
    """
    expected, found = _clean(example.output), _clean(found)
    if _matches(expected, found):
        return ""
    similar = SequenceMatcher(None, expected, found, autojunk=False).ratio()
    if re.search(r"charrnn sample|llm -", example.command) and similar >= SIMILAR_SAMPLES:
        return ""
    if "charrnn inspect" in example.command and similar >= SIMILAR_VIEWS and _words(expected) == _words(found):
        return ""
    return _diff(example, found)


def difference_in_form(example: Example, found: str) -> str:
    """How the output of a training of another length differs from what a document shows, apart from all numbers.

    Each line up to the first `…`, and the last line, must be like a line of the output.
    """
    lines = _clean(example.output).splitlines()
    begin = lines[: lines.index("…")] if "…" in lines else lines
    there = [_form(line) for line in _clean(found).splitlines()]
    for line in dict.fromkeys([*begin, *lines[-1:]]):
        if line.startswith(("training time:", "sample at step ", "    ")):  # it says how long; it may have no sample
            continue
        best = max((SequenceMatcher(None, _form(line), other).ratio() for other in there), default=0)
        if best < SIMILAR_LINES:
            return f"no line is like {line!r}:\n{_diff(example, found)}"
    return ""


def difference_beyond_speed(example: Example, found: str) -> str:
    """How the output of the same training differs from what a document shows, on a machine of another speed.

    It has the same form, and comes to about the same validation loss.
    """
    if different := difference_in_form(example, found):
        return different
    losses = [re.findall(r"validation loss ([\d.]+)", text)[-1:] for text in (example.output, found)]
    if len(losses[0]) != len(losses[1]):
        return f"only one has a validation loss:\n{_diff(example, found)}"
    for shown, reached in zip(*losses, strict=True):
        if abs(float(reached) / float(shown) - 1) > SIMILAR_LOSSES:
            return f"a validation loss of {reached}, where {shown} is shown:\n{_diff(example, found)}"
    return ""


def _diff(example: Example, found: str) -> str:
    lines = unified_diff(_clean(example.output).splitlines(), found.splitlines(), "shown", "found", lineterm="", n=9)
    return f"$ {example.command}\n" + "\n".join(lines)


def _clean(text: str) -> str:
    """The text without spaces at the ends of its lines, empty lines at its end, and lines that come as time passes."""
    lines = (line.rstrip() for line in text.splitlines() if not TOLD.fullmatch(line))
    return "\n".join(lines).rstrip("\n")


def _matches(expected: str, found: str) -> bool:
    """Whether a text is the expected one, apart from what `…` stands for and the rounding of numbers."""
    pattern, numbers = "", []
    for line in expected.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
            continue
        for part in re.split(rf"({NUMBER}%?|…)", line):
            if part == "…":
                pattern += ".*"
            elif re.fullmatch(rf"{NUMBER}%?", part) and not part.lstrip("+-").isdecimal():
                pattern += f"({NUMBER}%?)"
                numbers.append(part)
            else:
                pattern += re.escape(part)
        pattern += "\n"
    match = re.fullmatch(pattern, found and found + "\n")
    return match is not None and all(map(_close, numbers, match.groups()))


def _close(a: str, b: str) -> bool:
    """Whether two numbers as they are written are the same up to rounding."""
    if a == b:
        return True
    if a.endswith("%") != b.endswith("%") or not re.search("[.e%]", a):
        return False
    x, y = (float(number.rstrip("%").replace(",", "")) for number in (a, b))
    mantissa, _, exponent = a.rstrip("%").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(x - y) <= max(1.001 * unit, 1e-3 * abs(x))


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]{2,}", text)


def _form(line: str) -> str:
    return re.sub(NUMBER, "#", line)
