"""The samples on stdout: a text as it is drawn, or several samples one after the other, plain or as JSON."""

import json
from collections.abc import Iterable

from charrnn.cli.terminal.console import Output, notice
from charrnn.errors import SamplingError
from charrnn.model.model import Model
from charrnn.sampling.generate import Sample, TextGenerator, alternatives

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


def write_text(text: TextGenerator, output: Output, whole: bool = False) -> None:
    """Writes the prime and then the text as it is drawn; with `whole`, both only when the text is complete."""
    pieces = ["".join(text.pieces())] if whole else text.pieces()
    try:
        output.write(text.request.prime_text)
        for piece in pieces:
            output.write(piece)
    except BrokenPipeError:
        pass  # the text that was drawn can still be continued; `Output.close` raises the same error


def write_samples(
    samples: Iterable[Sample], model: Model, output: Output, as_json: bool, logprobs: bool, at_once: bool = False
) -> None:
    """Writes samples, each of which ends with a newline; with `at_once`, none waits in a buffer."""
    for sample in samples:
        text = _to_json(sample, model, logprobs) if as_json else sample.prime + sample.text
        output.write(text)
        if (model.reads_lines and not as_json) or not text:
            output.write("\n")  # an empty sample is a line too
        output.line()
        if at_once:
            output.flush()


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
