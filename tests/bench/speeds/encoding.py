"""Encoding: how fast a text becomes ids, compared with how fast it can be read."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from charrnn.dataset import corpus
from charrnn.dataset.files import Source
from speeds import texts
from speeds.options import Options
from speeds.race import Competitor, Step, race, ratio
from speeds.section import Section, digits, times

READ_BLOCK = 1 << 20
"""Bytes to read at once."""
SCRIPT_BYTES = 10_000_000
"""The bytes of a large text on which a script's line is timed, which is slow."""


def measure(options: Options) -> Iterator[Section]:
    """Measures a text of ASCII and one of Cyrillic letters."""
    header = ["text", "charrnn", "reading", "reading, decoding", "a script's line", "charrnn/decoding", "charrnn/line"]
    section = Section("Encoding: MB per second of the file", header)
    with TemporaryDirectory(prefix="charrnn-bench-") as folder:
        for name, alphabet in (("ASCII", texts.LATIN), ("Cyrillic, UTF-8", texts.CYRILLIC)):
            path = Path(folder) / "text.txt"
            options.tell(f"encoding, {name}: writing {options.text_size:g} MB")
            texts.write(path, options.text_size, alphabet)
            outcomes = race(
                [Competitor(who, make, {"path": path}) for who, make in READERS.items()],
                options.rounds,
                options.seconds,
                options.teller(f"encoding, {name}"),
            )
            charrnn, _, decoding, line = outcomes.values()
            cells = ["—" if o.median is None else digits(o.median / 1e6) for o in outcomes.values()]
            title = f"{name}, {options.text_size:g} MB"
            section.add(title, [*cells, times(ratio(charrnn, decoding)), times(ratio(charrnn, line))], outcomes)
    section.remarks.append(
        "charrnn reads, digests (SHA-256), decodes and numbers the text, and finds its vocabulary. The script's line "
        f"is `np.array([number[c] for c in text])` for the first {SCRIPT_BYTES / 1e6:g} MB, with a known vocabulary."
    )
    yield section


def read_corpus(path: Path) -> tuple[Step, str]:
    """Reading the corpus as charrnn does before training."""
    source = Source((str(path),))
    return lambda: corpus.read(source).size, ""


def read_bytes(path: Path) -> tuple[Step, str]:
    """Reading the file and nothing else."""

    def step() -> float:
        size = 0
        with path.open("rb") as file:
            while part := file.read(READ_BLOCK):
                size += len(part)
        return size

    return step, ""


def read_and_decode(path: Path) -> tuple[Step, str]:
    """Reading the file, decoding it and nothing else."""

    def step() -> float:
        size, decoder = 0, codecs.getincrementaldecoder("utf-8")()
        with path.open("rb") as file:
            while part := file.read(READ_BLOCK):
                size += len(part)
                decoder.decode(part)
        return size

    return step, ""


def script_line(path: Path) -> tuple[Step, str]:
    """The line that most scripts use, on a text in memory."""
    with path.open("rb") as file:
        raw = file.read(SCRIPT_BYTES)
    text = raw.decode(errors="ignore")
    number = {character: n for n, character in enumerate(sorted(set(text)))}

    def step() -> float:
        np.array([number[character] for character in text])
        return len(raw)

    return step, ""


READERS = {
    "charrnn": read_corpus,
    "reading": read_bytes,
    "reading, decoding": read_and_decode,
    "a script's line": script_line,
}
