"""`charrnn sample`: writes text with a trained model."""

import json
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.terminal.console import Output, notifier, silent, tell_of_compilation, unit

if TYPE_CHECKING:
    from charrnn.model.model import Model
    from charrnn.sampling.generate import Sample

NAME = "sample"
HELP = "Write text with a trained model."
LENGTH = 1000
"""Of a sample that is no record, where none is given."""
EXAMPLES = """\b
The filters apply in this order: --allow, --ban, --match and --max-copy, then
--penalty, --temp, --top-k, --top-p, --min-p, --typical.
Each option can come from the environment too: CHARRNN_SAMPLE_TEMP=0.8.

\b
Examples:
  charrnn sample --temp 0.8
  charrnn sample -n -1 | head -c 2000
  charrnn sample --prime 'Dear Marget,' --seed 7
  charrnn sample --line --count 10 --ban '0-9'
  charrnn sample --match '[A-Z][a-z]+, [0-9]{1,2} (May|June)'
  charrnn sample --temp 0.3 --max-copy 20 --corpus corpus.txt
  charrnn sample --set 0:17=0.9 --prime 'ROMEO:'
  cut -c-20 lines.txt | charrnn sample --prime - --per-line
  charrnn sample model.safetensors --count 5 --json
  charrnn sample names.safetensors --count 20 --novel --unique
"""
LINES = "lines to go on from, as --prime - or --prime-file"
AT_ONCE = 1 << 16
"""Bytes of lines that are read at once, at the most."""
ALTERNATIVES = 5
"""Characters that --logprobs tells beside the one that was drawn."""


def _option(help: str, *names: str, default: bool = True, envvar: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=default, envvar=envvar, show_envvar=False, metavar=metavar)


def command(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="The model's file. [the newest in checkpoints/]", show_default=False)
    ] = None,
    length: Annotated[
        int | None,
        _option(
            "Characters to write, at the most; -1: without end. [1000; of a record twice the longest]",
            "--length",
            "-n",
            default=False,
        ),
    ] = None,
    temp: Annotated[
        str, _option("Below 1 bolder, above 1 wilder; 0: always the likeliest; 0.4:1.2: from one to the other.")
    ] = "1",
    top_k: Annotated[int, _option("Draw from the k likeliest characters only; 0: from all.")] = 0,
    top_p: Annotated[float, _option("Draw from the likeliest that together have this probability.")] = 1.0,
    min_p: Annotated[float, _option("Draw from those at least this probable, relative to the likeliest.")] = 0.0,
    typical: Annotated[
        float, _option("Draw from those of the most expected surprise that together have this probability.")
    ] = 1.0,
    penalty: Annotated[float, _option("Nats off a character for each by which it would lengthen a loop.")] = 0.0,
    allow: Annotated[
        str | None, _option("Only these characters, such as 'a-z .'; \\n is a line end.", default=False)
    ] = None,
    ban: Annotated[str | None, _option("None of these characters.", default=False)] = None,
    match: Annotated[
        str | None, _option("Only texts that match this regular expression as a whole.", default=False)
    ] = None,
    max_copy: Annotated[
        int | None, _option("No more than so many characters in a row that stand in --corpus.", default=False)
    ] = None,
    corpus: Annotated[Path | None, _option("The text that --max-copy is about.", default=False)] = None,
    stop: Annotated[list[str] | None, _option("End before this text; can be repeated.", default=False)] = None,
    line: Annotated[bool, _option("End at the end of a line.", "--line")] = False,
    prime: Annotated[str | None, _option("Text to go on from; -: from stdin.", default=False)] = None,
    prime_file: Annotated[Path | None, _option("A file to go on from.", default=False)] = None,
    per_line: Annotated[
        bool, _option("Each line of --prime - or --prime-file is a prime: write on to its end.", "--per-line")
    ] = False,
    unknown: Annotated[
        str, _option("Characters of a prime that the model has never seen: error, skip, or take the nearest.")
    ] = "error",
    held: Annotated[
        list[str] | None,
        _option(
            "Hold this unit where `inspect` shows it to stand, from -1 to 1; can be repeated.",
            "--set",
            default=False,
            metavar="LAYER:INDEX=VALUE",
        ),
    ] = None,
    state_in: Annotated[
        Path | None, _option("Go on with the text that this file is the state of.", default=False)
    ] = None,
    state_out: Annotated[
        Path | None, _option("Write the state of the text at its end to this file.", default=False)
    ] = None,
    force: Annotated[bool, _option("Overwrite --state-out.", "--force")] = False,
    count: Annotated[int, _option("Samples, or records, to write, each ended by a line end.", "--count", "-c")] = 1,
    novel: Annotated[
        bool, _option("Leave out records that stand in the text of the training, and draw others.", "--novel")
    ] = False,
    unique: Annotated[
        bool, _option("Leave out records that were written before, and draw others.", "--unique")
    ] = False,
    seed: Annotated[int | None, _option("Same seed, same text. [drawn]", default=False)] = None,
    as_json: Annotated[
        bool, _option("One JSON object a line for each sample.", "--json", envvar="CHARRNN_SAMPLE_JSON")
    ] = False,
    logprobs: Annotated[
        bool, _option("With --json: each character's log-probability, and the likeliest in its place.", "--logprobs")
    ] = False,
    interactive: Annotated[bool, _option("Type a prime, read what follows, type the next.", "--interactive")] = False,
    safe_text: Annotated[
        bool | None,
        _option("Show control characters, do not send them. [on a terminal]", "--safe-text/--raw-text", default=False),
    ] = None,
    engine: Annotated[str, _option("auto, numpy or numba.")] = "auto",
    quiet: Annotated[bool, _option("Nothing on stderr but errors.", "--quiet", "-q")] = False,
) -> None:
    from charrnn import engine as engines
    from charrnn.checkpoint import model_file
    from charrnn.config import SamplingConfig, between
    from charrnn.errors import ConfigError, CorpusError
    from charrnn.sampling import generate
    from charrnn.sampling.state import GenerationState

    between("count", count, 1)
    first, last = _temperatures(temp)
    if "" in (allow, ban, *(stop or [])):
        raise ConfigError("--allow, --ban and --stop take characters: leave out the one that is empty")
    config = SamplingConfig(first, top_k, top_p, min_p, typical, penalty, allow or "", ban or "", last)
    units = _held(held or [])
    _refuse_contradictions(
        {
            "--prime": prime is not None,
            "--prime-file": prime_file is not None,
            "--per-line": per_line,
            LINES: prime == "-" or prime_file is not None,
            "--state-in": state_in is not None,
            "--state-out": state_out is not None,
            "--count": count > 1,
            "--json": as_json,
            "--logprobs": logprobs,
            "--interactive": interactive,
            "--max-copy": max_copy is not None,
            "--corpus": corpus is not None,
            "--match": match is not None,
        }
    )
    notice = notifier(quiet)
    path = model_file(checkpoint, notice)
    _refuse_to_overwrite(state_out, (path, corpus, prime_file), force)
    if prime_file is not None and prime_file.is_dir():
        raise CorpusError(f"can't read {prime_file}: it is a folder")
    model = model_file.load(path).model
    if model.line_set is None and (novel or unique):
        raise ConfigError("--novel and --unique are for models of records, from `charrnn train --lines`; this is none")
    if model.line_set is not None and (state_in is not None or state_out is not None):
        raise ConfigError("--state-in and --state-out are for running text: a record ends, and nothing goes on from it")
    if length is None:
        length = LENGTH if model.line_set is None else model.line_set.default_length
    chosen = engines.resolve(engine, math.inf if per_line or interactive or length < 0 else count * length)
    tell_of_compilation(chosen, quiet)
    model = replace(model, engine=engines.load(chosen)).clamp_units(units)
    stops = [*(stop or []), *(["\n"] if line or per_line or model.line_set is not None else [])]
    constraints = _constraints(model, match, max_copy, corpus, stops)
    after = None if state_in is None else GenerationState.load(state_in, model)
    if seed is None:
        seed = draw_seed()
        if after is None:
            notice(f"seed: {seed}")

    admit = Admission(model, unknown, notice if not interactive else silent)
    asked: dict[str, Any] = {"length": length, "seed": seed, "config": config, "stops": stops}
    asked["constraints"] = constraints
    output = Output(sys.stdout.isatty() if safe_text is None else safe_text)
    if interactive:
        from charrnn.cli.sample.interactive import converse

        converse(model, admit, output, asked)
    elif per_line:
        for sample in generate.continuations(model, _primes(prime_file, model, admit), **asked):
            _write(sample, model, output, as_json, logprobs)
            output.flush()
    elif model.line_set is not None:
        from charrnn.sampling.lines import sample_lines

        given = admit(_prime(prime, prime_file, model))
        for sample in sample_lines(model, count=count, prime=given, novel=novel, unique=unique, **asked):
            _write(sample, model, output, as_json, logprobs)
    elif as_json or count > 1:
        for sample in generate.samples(model, count=count, prime=admit(_prime(prime, prime_file, model)), **asked):
            _write(sample, model, output, as_json, logprobs)
    else:
        given = admit(_prime(prime, prime_file, model))
        writing = generate.TextGenerator(model, prime=given, after=after, **asked)
        # What has to match as a whole is shown when it does
        pieces = writing.pieces() if match is None else ["".join(writing.pieces())]
        try:
            output.write(given)
            for piece in pieces:
                output.write(piece)
        except BrokenPipeError:
            pass  # nobody reads on, but what was drawn can be gone on from: `close` meets the same error
        if state_out is not None:
            writing.continuation.save(state_out, model)
    output.close()


def _write(sample: "Sample", model: "Model", output: Output, as_json: bool, logprobs: bool) -> None:
    """Writes one of several samples, ended by a line end."""
    text = _json(sample, model, logprobs) if as_json else sample.prime + sample.text
    output.write(text)
    if (model.line_set is not None and not as_json) or not text:
        output.write("\n")  # an empty one is a line too
    output.line()


def _refuse_to_overwrite(state_out: Path | None, read: tuple[Path | None, ...], force: bool) -> None:
    """Raises `CheckpointError` where the state would be written over what is no file, or is read, or is not forced."""
    from charrnn.errors import CheckpointError

    if state_out is None:
        return
    if str(state_out) == "-" or (os.path.exists(state_out) and not os.path.isfile(state_out)):
        raise CheckpointError(f"{state_out} is no file: give --state-out the name of one")
    if any(path is not None and os.path.realpath(path) == os.path.realpath(state_out) for path in read):
        raise CheckpointError(f"{state_out} is read here: give --state-out a file of its own")
    if os.path.exists(state_out) and not force:
        raise CheckpointError(f"{state_out} is there already: overwrite it with --force, or give another --state-out")


def draw_seed() -> int:
    """A seed for those who give none: short enough to be typed again."""
    import secrets

    return secrets.randbelow(1_000_000)


def _temperatures(text: str) -> tuple[float, float | None]:
    """A temperature, or two with a colon between them."""
    from charrnn.errors import ConfigError

    first, colon, last = text.partition(":")
    try:
        return float(first), float(last) if colon else None
    except ValueError:
        raise ConfigError(f"--temp can't be {text!r}: give a number, or two as in 0.4:1.2") from None


def _held(texts: list[str]) -> dict[tuple[int, int], float]:
    """Units, and where each is to be held."""
    from charrnn.errors import ConfigError

    found: dict[tuple[int, int], float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            where, number = unit(name), float(value)
        except (ValueError, ConfigError):
            raise ConfigError(f"--set is LAYER:INDEX=VALUE, such as 0:17=0.9, not {text!r}") from None
        if where in found:
            raise ConfigError(f"unit {name} can't be held twice")
        found[where] = number
    return found


def _refuse_contradictions(given: dict[str, bool]) -> None:
    """Raises `ConfigError` for options that exclude each other, or want each other and come alone."""
    from charrnn.errors import ConfigError

    alone, states = "one text alone has a state", ("--state-in", "--state-out")
    for a, b, why in (
        ("--prime", "--prime-file", "they are two primes"),
        ("--per-line", "--count", "each line is gone on from once"),
        *((state, other, alone) for state in states for other in ("--count", "--per-line", "--json")),
        *(("--interactive", other, "the primes are typed") for other in ("--prime", "--prime-file", "--per-line")),
        *(("--interactive", other, "") for other in ("--json", "--count", *states)),
    ):
        if given[a] and given[b]:
            raise ConfigError(f"{a} and {b} can't both be given{why and ': '}{why}")
    for a, b in (
        ("--max-copy", "--corpus"),
        ("--corpus", "--max-copy"),
        ("--logprobs", "--json"),
        ("--per-line", LINES),
    ):
        if given[a] and not given[b]:
            raise ConfigError(f"{a} goes with {b}")


def _constraints(
    model: "Model", match: str | None, max_copy: int | None, corpus: Path | None, stops: list[str]
) -> "Makes | None":
    """What makes the constraints that were asked for, of every text."""
    from charrnn.sampling.constraints import Copies, Match, NoCopy

    ends = [stop for stop in stops if len(stop) == 1]
    if match is not None:
        Match(match, model.vocabulary)  # what is wrong with it is said before anything is read
    copies = None
    if max_copy is not None:
        from charrnn.dataset.corpus import read
        from charrnn.dataset.files import Source

        source = Source((str(corpus),), as_bytes=model.vocabulary.is_bytes, errors="surrogateescape")
        copies = Copies(read(source), model.vocabulary, max_copy)
    if match is None and copies is None:
        return None
    return lambda before: [
        *([Match(match, model.vocabulary, ends)] if match is not None else []),
        *([NoCopy(copies, before)] if copies is not None else []),
    ]


@dataclass
class Admission:
    """Makes primes of what was given: what the model has never seen is refused, left out or replaced, as was said."""

    model: "Model"
    unknown: str
    notice: Any

    def __call__(self, text: str) -> str:
        from charrnn.errors import VocabularyError

        admitted, strangers = self.model.vocabulary.replace_unknown(text, self.unknown)
        try:
            self.model.vocabulary.encode(admitted)
        except VocabularyError as error:
            raise VocabularyError(f"{error}; --unknown skip or nearest does without them") from None
        if strangers:
            done = "left out" if self.unknown == "skip" else "replaced by the nearest"
            self.notice(f"{strangers} characters of the prime, which the model has never seen, were {done}")
        return admitted


def _prime(prime: str | None, prime_file: Path | None, model: "Model") -> str:
    from charrnn.dataset import files

    if prime == "-" or prime_file is not None:
        return files.read_prime("-" if prime_file is None else str(prime_file), model.vocabulary)
    return prime or ""


def _primes(prime_file: Path | None, model: "Model", admit: Admission) -> Iterator[list[str]]:
    """The lines of a file, or of stdin as they arrive, in batches that can be drawn side by side."""
    from charrnn.dataset import files, line_reader
    from charrnn.sampling.generate import MAX_BATCH

    parts = files.read_chunks(["-" if prime_file is None else str(prime_file)], AT_ONCE)
    for arrived in line_reader.read_lines(parts, model.vocabulary):
        texts = [admit(text.removesuffix("\n")) for _, text in arrived]
        for start in range(0, len(texts), MAX_BATCH):
            yield texts[start : start + MAX_BATCH]


def _json(sample: "Sample", model: "Model", logprobs: bool) -> str:
    from charrnn.sampling.generate import alternatives

    data = {name: getattr(sample, name) for name in ("text", "prime", "seed", "temp", "logprob", "bpc")}
    if logprobs:
        data["logprobs"] = [
            {"character": character, "logprob": logprob, "top": best}
            for character, logprob, best in alternatives(model, sample, ALTERNATIVES)
        ]
    return json.dumps(data)
