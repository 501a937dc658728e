"""The samples: a text as it is drawn; several, one after the other, plain or as JSON; or each in a file of its own."""

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from charrnn.cli.terminal.console import Output, as_utf8, is_closed_pipe, notice
from charrnn.errors import CheckpointError, SamplingError, why
from charrnn.model.model import Model
from charrnn.sampling.generate import Sample, TextGenerator, alternatives
from charrnn.sampling.request import SamplingRequest
from charrnn.sampling.selection import EMPTY, MAX_SKIPPED, exhausted, is_empty

N_ALTERNATIVES = 5
"""The likeliest characters that --logprobs lists beside the one that was drawn."""


class Failures:
    """The samples that could not be written as asked: one line on stderr for each, and an exit code that says so."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, seed: int, error: SamplingError) -> None:
        self.n += 1
        notice(f"charrnn: the sample with the seed {seed}: {error}")

    def check(self) -> None:
        """Raises `SamplingError` if there are any, after the others are written."""
        if self.n:
            raise SamplingError(f"samples that could not be written as asked, and were left out: {self.n:,}")


def write_text(prime: str, pieces: Iterable[str], output: Output) -> bool:
    """Writes the prime and then the text as it is drawn; returns whether there was any text."""
    written = False
    try:
        output.write(prime)
        for piece in pieces:
            output.write(piece)
            written = True
    except OSError as error:
        if not is_closed_pipe(error):
            raise
        written = True  # the text that was drawn can still be continued; `Output.close` raises the same error
    return written


def first_written(model: Model, request: SamplingRequest) -> tuple[TextGenerator, Iterator[str]]:
    """The first text, from the request's seed on, that is not empty, and its pieces as they are drawn."""
    for n in range(MAX_SKIPPED):
        text = TextGenerator(model, replace(request, seed=request.seed + n))
        pieces, begun = text.pieces(), ""
        for piece in pieces:
            begun += piece
            if not is_empty(begun):
                return text, itertools.chain([begun], pieces)
    raise exhausted("texts", [EMPTY])


class SamplePrinter:
    """Prints samples, each as soon as it is drawn."""

    def __init__(
        self, model: Model, output: Output, as_json: bool, logprobs: bool, separator: str | None, echo: bool = True
    ):
        """`separator` follows each text; None: the end of its line and, if it is a record, what ends those in print.

        Without `echo`, the primes are left out.
        """
        self.model, self.output, self.echo = model, output, echo
        self.as_json, self.logprobs, self.separator = as_json, logprobs, separator

    def write(self, samples: Iterable[Sample]) -> int:
        """Prints the samples; none waits in a buffer. Returns the number of those without text."""
        empty = 0
        for sample in samples:
            empty += not sample.text
            whole = sample.prime * self.echo + sample.text
            text = _to_json(sample, self.model, self.logprobs) if self.as_json else whole
            self.output.write(text)
            if self.separator is None:
                self._end(text)
            else:
                self.output.write(self.separator, own=True)
            self.output.flush()
        return empty

    def _end(self, text: str) -> None:
        is_line = self.model.reads_lines and not self.model.reads_records and not self.as_json
        if is_line or not text:
            self.output.write("\n")  # an empty sample is a line too
        self.output.line()
        if self.model.reads_records and not self.as_json:
            self.output.write(self.model.record_form.separator)


class SampleFiles:
    """A file for each sample in a folder, numbered from 1, with as many digits as the last number has."""

    def __init__(self, model: Model, folder: Path, count: int, force: bool, echo: bool = True):
        """Raises `CheckpointError` if a file exists, unless `force` says to overwrite it; nothing is written yet."""
        self.folder, self.force, self.as_bytes, self.echo = folder, force, model.vocabulary.is_bytes, echo
        self.paths = [folder / f"{n:0{len(str(count))}}.txt" for n in range(1, count + 1)]
        if folder.exists() and not folder.is_dir():
            raise CheckpointError(f"{folder} is not a folder: give --out-dir the name of one")
        if not force and (found := [path for path in self.paths if os.path.lexists(path)]):
            raise CheckpointError(f"{found[0]} exists: overwrite it with --force, or give another --out-dir")

    def write(self, samples: Iterable[Sample]) -> int:
        """Writes the samples; a text of characters ends with a newline. Raises `CheckpointError` if that fails.

        Returns the number of those without text.
        """
        empty, path = 0, self.folder
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, sample in zip(self.paths, samples, strict=False):  # there are fewer if some could not be drawn
                empty += not sample.text
                text = sample.prime * self.echo + sample.text
                ends = self.as_bytes or text.endswith("\n")
                with open(path, "wb" if self.force else "xb") as file:
                    file.write(as_utf8(text if ends else text + "\n"))
        except OSError as error:
            raise CheckpointError(f"can't write {path}: {why(error, path)}") from None
        return empty


def _to_json(sample: Sample, model: Model, logprobs: bool) -> str:
    data = {name: getattr(sample, name) for name in ("text", "prime", "seed", "temp", "logprob", "bpc")}
    if sample.label is not None:
        data["label"] = sample.label
    if logprobs:
        data["logprobs"] = [
            {"character": character, "logprob": logprob, "top": best}
            for character, logprob, best in alternatives(model, sample, N_ALTERNATIVES)
        ]
    return json.dumps(data)
