"""The samples on stdout: a text as it is drawn, or several samples one after the other, plain or as JSON."""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from charrnn.cli.terminal.console import Output, notice
from charrnn.errors import SamplingError
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
    except BrokenPipeError:
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


def write_samples(
    samples: Iterable[Sample],
    model: Model,
    output: Output,
    as_json: bool,
    logprobs: bool,
    at_once: bool = False,
    echo: bool = True,
) -> int:
    """Writes samples, each of which ends with a newline; with `at_once`, none waits in a buffer.

    Without `echo`, the primes are left out. Returns the number of samples without text.
    """
    empty = 0
    for sample in samples:
        empty += not sample.text
        text = _to_json(sample, model, logprobs) if as_json else sample.prime * echo + sample.text
        output.write(text)
        if (model.reads_lines and not as_json) or not text:
            output.write("\n")  # an empty sample is a line too
        output.line()
        if at_once:
            output.flush()
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
