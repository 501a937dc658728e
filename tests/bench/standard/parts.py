"""The standard parts of three benchmarks: what is trained on, what is validated on, and what is tested.

All three have one byte for each character, so every count here is of both.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

NAMES = {"ptb": "Penn Treebank characters", "text8": "text8", "enwik8": "enwik8"}
"""The benchmarks, and how a table names them."""
WIKIPEDIA_SIZE = 100_000_000
"""The size of text8 and of enwik8."""
PENN_SIZES = (5017, 393, 442)
"""The thousands of characters of the three parts of Penn Treebank, newlines included, as papers give them."""
TEXT8_ALPHABET = (ascii_lowercase + " ").encode()
NOT_IN_PENN = ascii_uppercase.replace("N", "").encode()
"""Letters that the preprocessed Penn Treebank does not have: words are in lower case, and a number is N."""


class FormatError(ValueError):
    """A file is not what the benchmark needs; the message names the file."""


@dataclass(frozen=True)
class Parts:
    """The parts of a benchmark."""

    benchmark: str
    """One of `NAMES`."""
    train: bytes
    validation: bytes
    test: bytes
    difference: str = ""
    """What makes the parts other than the standard ones; empty if nothing does."""

    @property
    def whole(self) -> bytes:
        """All parts, in their order."""
        return self.train + self.validation + self.test

    @property
    def digest(self) -> str:
        """The same for the same parts only."""
        sizes = f"{self.benchmark} {len(self.train)} {len(self.validation)} {len(self.test)} "
        return hashlib.sha256(sizes.encode() + self.whole).hexdigest()

    def limited(self, limit: int) -> "Parts":
        """The first `limit` characters of each part."""
        if limit >= max(len(self.train), len(self.validation), len(self.test)):
            return self
        train, validation, test = (part[:limit] for part in (self.train, self.validation, self.test))
        return replace(
            self,
            train=train,
            validation=validation,
            test=test,
            difference=f"they have at most {limit:,} characters of each part",
        )


def read(benchmark: str, paths: list[Path]) -> Parts:
    """Reads the files of a benchmark. Raises `OSError`, or `FormatError` if a file is not what it should be."""
    texts = [_read_file(path) for path in paths]
    if benchmark == "ptb":
        return _penn(paths, texts)
    return _wikipedia(benchmark, paths[0], texts[0])


def _read_file(path: Path) -> bytes:
    """The content of a file, which must not be empty or an archive."""
    data = path.read_bytes()
    if not data.strip():
        raise FormatError(f"{path} is empty")
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise FormatError(f"{path} is an archive: unpack it first")
    return data


def _wikipedia(benchmark: str, path: Path, data: bytes) -> Parts:
    """The first 90 % to train on, the next 5 % to validate on, the last 5 % as the test."""
    if benchmark == "text8" and (others := data.translate(None, TEXT8_ALPHABET)):
        place = data.index(others[:1])
        raise FormatError(f"{path} is not text8: byte {place:,} is {others[:1]!r}, neither a letter a to z nor a blank")
    if len(data) < 20:
        raise FormatError(f"{path} has {len(data)} bytes, too few to divide")
    first, second = len(data) * 90 // 100, len(data) * 95 // 100
    standard = len(data) == WIKIPEDIA_SIZE
    difference = "" if standard else f"{path.name} has {len(data):,} bytes, not {WIKIPEDIA_SIZE:,}"
    return Parts(benchmark, data[:first], data[first:second], data[second:], difference)


def _penn(paths: list[Path], texts: list[bytes]) -> Parts:
    """The files of Penn Treebank for training, validation and test."""
    decoded = [decode_penn(data, str(path)) for path, data in zip(paths, texts, strict=True)]
    difference = ""
    for path, text, thousands in zip(paths, decoded, PENN_SIZES, strict=True):
        if round(len(text) / 1000) != thousands and not difference:
            difference = f"{path.name} has {len(text):,} characters, not about {thousands * 1000:,}"
    train, validation, test = decoded
    return Parts("ptb", train, validation, test, difference)


def decode_penn(data: bytes, name: str) -> bytes:
    """The text of a file of Penn Treebank in either of its forms; both give the same text.

    In `ptb.train.txt` a line is words, with a blank before, between and after them. In `ptb.char.train.txt` blanks
    separate characters, and `_` stands for a blank. The text has a blank between words and a newline after each line.
    Raises `FormatError`, which names the file.
    """
    if not data.isascii():
        raise FormatError(f"{name} is not ASCII text")
    lines = [line.split() for line in data.splitlines()]
    in_characters = any(b"_" in tokens for tokens in lines)
    for number, tokens in enumerate(lines, 1):
        if capitals := {*b"".join(tokens)} & {*NOT_IN_PENN}:
            letter = chr(min(capitals))
            raise FormatError(
                f"{name}, line {number} has {letter!r}, which the preprocessed Penn Treebank does not have"
            )
        if in_characters and (words := [token for token in tokens if len(token) != 1]):
            word = words[0].decode()
            raise FormatError(f"{name}, line {number} has {word!r}, where other lines have single characters and _")
    if in_characters:
        return b"".join(b"".join(tokens).replace(b"_", b" ") + b"\n" for tokens in lines)
    return b"".join(b" ".join(tokens) + b"\n" for tokens in lines)
