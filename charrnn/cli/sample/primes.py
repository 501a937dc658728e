"""The primes of `charrnn sample`: read from an option, a file or stdin, and made of characters that the model knows."""

from collections.abc import Callable, Iterator
from pathlib import Path

from charrnn.cli.terminal.inputs import done_with_unknown
from charrnn.cli.terminal.undecoded import notify_undecoded
from charrnn.dataset import files
from charrnn.dataset.escapes import unescape
from charrnn.dataset.files import STDIN
from charrnn.dataset.groups import map_batches
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import SamplingError, VocabularyError
from charrnn.model.model import Model
from charrnn.sampling.generate import MAX_BATCH

ARRIVAL_BLOCK = 1 << 16
"""The most bytes of lines that are read at once, as they arrive."""


def clean_prime(text: str, model: Model, unknown: str, notice: Callable[[str], None]) -> str:
    """The prime in the model's normal form, with its unknown characters skipped or replaced, as `unknown` says, and a
    notice if there were any.

    Raises `VocabularyError` if unknown characters remain.
    """
    vocabulary = model.vocabulary
    prime, n_unknown = vocabulary.replace_unknown(model.text_form.normalize(text), unknown)
    try:
        vocabulary.encode(prime)
    except VocabularyError as error:
        if vocabulary.is_bytes:  # it has no unknown characters: this one can't be encoded
            raise
        raise VocabularyError(f"{error} with --unknown skip, or replace them with --unknown nearest") from None
    if n_unknown:
        notice(f"characters of the prime that the model has never seen {done_with_unknown(unknown)}: {n_unknown:,}")
        notify_undecoded(model, text, notice)
    return prime


def read_prime(prime: str | None, prime_file: Path | None, model: Model) -> str:
    """The text of --prime, in which escapes stand for characters, or of --prime-file, or stdin, as it is."""
    if prime == STDIN or prime_file is not None:
        return files.read_prime(STDIN if prime_file is None else str(prime_file), model.vocabulary, model.text_form)
    return unescape(prime or "", "--prime")


def read_primes(prime_file: Path | None, model: Model, clean: Callable[[str], str]) -> Iterator[list[str]]:
    """The lines of a file, or of stdin as they arrive, in batches that can be drawn side by side.

    For a model of pairs, each must be a source, a tab and the beginning of a target; raises `SamplingError` if not,
    after the lines before it.
    """
    from charrnn.dataset import line_reader

    vocabulary = model.vocabulary
    path = STDIN if prime_file is None else str(prime_file)
    parts = files.read_parts([path], ARRIVAL_BLOCK, as_is=vocabulary.is_bytes)

    def prime(number: int, line: line_reader.Line) -> str:
        text = line.text.removesuffix("\n")
        if model.layout == "pairs":
            _check_pair(text, number)
        try:
            return clean(text)
        except VocabularyError as error:
            raise VocabularyError(f"line {number:,}: {error}") from None

    for primes in map_batches(prime, line_reader.read_lines(parts, vocabulary, model.text_form)):
        for start in range(0, len(primes), MAX_BATCH):
            yield primes[start : start + MAX_BATCH]


def _check_pair(text: str, number: int) -> None:
    source, tab, target = text.partition(TAB)
    if not source or not tab or TAB in target:
        raise SamplingError(
            f"line {number:,} is not a source, a tab and the beginning of a target, which a model of pairs continues: "
            "give both, or only sources to `charrnn translate`"
        )
