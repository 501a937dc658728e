"""The samples: a text as it is drawn; several, one after the other, plain or as JSON; or each in a file of its own."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from charrnn.cli.terminal.console import Output, as_utf8
from charrnn.errors import CheckpointError
from charrnn.model.model import Model
from charrnn.sampling.generate import Sample, TextGenerator, alternatives

N_ALTERNATIVES = 5
"""The likeliest characters that --logprobs lists beside the one that was drawn."""


def write_text(text: TextGenerator, output: Output, whole: bool = False) -> None:
    """Writes the prime and then the text as it is drawn; with `whole`, both only when the text is complete."""
    pieces = ["".join(text.pieces())] if whole else text.pieces()
    try:
        output.write(text.request.prime_text)
        for piece in pieces:
            output.write(piece)
    except BrokenPipeError:
        pass  # the text that was drawn can still be continued; `Output.close` raises the same error


class SamplePrinter:
    """Prints samples, each as soon as it is drawn."""

    def __init__(self, model: Model, output: Output, as_json: bool, logprobs: bool, separator: str | None):
        """`separator` follows each text; None: the end of its line and, if it is a record, what ends those in print."""
        self.model, self.output = model, output
        self.as_json, self.logprobs, self.separator = as_json, logprobs, separator

    def write(self, samples: Iterable[Sample]) -> None:
        """Prints the samples; none waits in a buffer."""
        for sample in samples:
            text = _to_json(sample, self.model, self.logprobs) if self.as_json else sample.prime + sample.text
            self.output.write(text)
            if self.separator is None:
                self._end(text)
            else:
                self.output.write(self.separator)
            self.output.flush()

    def _end(self, text: str) -> None:
        is_line = self.model.reads_lines and not self.model.reads_records and not self.as_json
        if is_line or not text:
            self.output.write("\n")  # an empty sample is a line too
        self.output.line()
        if self.model.reads_records and not self.as_json:
            self.output.write(self.model.record_form.separator)


class SampleFiles:
    """A file for each sample in a folder, numbered from 1, with as many digits as the last number has."""

    def __init__(self, model: Model, folder: Path, count: int, force: bool):
        """Raises `CheckpointError` if a file exists, unless `force` says to overwrite it; nothing is written yet."""
        self.folder, self.force, self.as_bytes = folder, force, model.vocabulary.is_bytes
        self.paths = [folder / f"{n:0{len(str(count))}}.txt" for n in range(1, count + 1)]
        if folder.exists() and not folder.is_dir():
            raise CheckpointError(f"{folder} is not a folder: give --out-dir the name of one")
        if not force and (found := [path for path in self.paths if os.path.lexists(path)]):
            raise CheckpointError(f"{found[0]} exists: overwrite it with --force, or give another --out-dir")

    def write(self, samples: Iterable[Sample]) -> None:
        """Writes the samples; a text of characters ends with a newline. Raises `CheckpointError` if that fails."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, sample in zip(self.paths, samples, strict=True):
                text = sample.prime + sample.text
                ends = self.as_bytes or text.endswith("\n")
                with open(path, "wb" if self.force else "xb") as file:
                    file.write(as_utf8(text if ends else text + "\n"))
        except OSError as error:
            raise CheckpointError(f"can't write {error.filename}: {error.strerror or error}") from None


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
