"""The primes of `charrnn sample`: read from an option, a file or stdin, and made of characters that the model knows."""

from collections.abc import Callable, Iterator
from pathlib import Path

from charrnn.dataset import files
from charrnn.dataset.files import STDIN
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import VocabularyError
from charrnn.sampling.generate import MAX_BATCH

ARRIVAL_BLOCK = 1 << 16
"""The most bytes of lines that are read at once, as they arrive."""


def clean_prime(text: str, vocabulary: Vocabulary, unknown: str, notice: Callable[[str], None]) -> str:
    """The prime with its unknown characters skipped or replaced, as `unknown` says, and a notice if there were any.

    Raises `VocabularyError` if unknown characters remain.
    """
    prime, n_unknown = vocabulary.replace_unknown(text, unknown)
    try:
        vocabulary.encode(prime)
    except VocabularyError as error:
        if vocabulary.is_bytes:  # it has no unknown characters: this one can't be encoded
            raise
        raise VocabularyError(f"{error} with --unknown skip, or replace them with --unknown nearest") from None
    if n_unknown:
        done = "left out" if unknown == "skip" else "replaced by the nearest ones"
        notice(f"characters of the prime that the model has never seen were {done}: {n_unknown:,}")
    return prime


def read_prime(prime: str | None, prime_file: Path | None, vocabulary: Vocabulary) -> str:
    """The text of --prime, or of --prime-file; empty if neither is given."""
    if prime == STDIN or prime_file is not None:
        return files.read_prime(STDIN if prime_file is None else str(prime_file), vocabulary)
    return prime or ""


def read_primes(prime_file: Path | None, vocabulary: Vocabulary, clean: Callable[[str], str]) -> Iterator[list[str]]:
    """The lines of a file, or of stdin as they arrive, in batches that can be drawn side by side."""
    from charrnn.dataset import line_reader

    parts = files.read_parts([STDIN if prime_file is None else str(prime_file)], ARRIVAL_BLOCK)
    for lines in line_reader.read_lines(parts, vocabulary):
        primes = [clean(line.text.removesuffix("\n")) for line in lines]
        for start in range(0, len(primes), MAX_BATCH):
            yield primes[start : start + MAX_BATCH]
