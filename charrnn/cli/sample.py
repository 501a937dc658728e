"""`charrnn sample`: writes text with a trained model."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.console import Output, tell_of_compilation, voice

if TYPE_CHECKING:
    from charrnn.sampling import Sample

NAME = "sample"
HELP = "Write text with a trained model."
LENGTH = 1000
"""Of a sample that is no record, where none is given."""
EXAMPLES = """\b
The filters apply in this order: --temp, --top-k, --top-p, --min-p.
Each option can come from the environment too: CHARRNN_SAMPLE_TEMP=0.8.

\b
Examples:
  charrnn sample --temp 0.8
  charrnn sample -n -1 | head -c 2000
  charrnn sample --prime 'Dear Marget,' --seed 7
  echo Once | charrnn sample --prime -
  charrnn sample model.safetensors --count 5 --json
  charrnn sample names.safetensors --count 20 --novel --unique
"""


def _option(help: str, *names: str, default: bool = True, envvar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=default, envvar=envvar, show_envvar=False)


def command(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="The model's file. [the newest in checkpoints/]", show_default=False)
    ] = None,
    length: Annotated[
        int | None,
        _option(
            "Characters to write; -1: without end. [1000] Of a record: at the most. [twice the longest]",
            "--length",
            "-n",
        ),
    ] = None,
    temp: Annotated[float, _option("Below 1 bolder, above 1 wilder; 0: always the likeliest.")] = 1.0,
    top_k: Annotated[int, _option("Draw from the k likeliest characters only; 0: from all.")] = 0,
    top_p: Annotated[float, _option("Draw from the likeliest that together have this probability.")] = 1.0,
    min_p: Annotated[float, _option("Draw from those at least this probable, relative to the likeliest.")] = 0.0,
    prime: Annotated[str | None, _option("Text to go on from; -: from stdin.", default=False)] = None,
    prime_file: Annotated[Path | None, _option("A file to go on from.", default=False)] = None,
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
    engine: Annotated[str, _option("auto, numpy or numba.")] = "auto",
    quiet: Annotated[bool, _option("Nothing on stderr but errors.", "--quiet", "-q")] = False,
) -> None:
    from charrnn import checkpoint as checkpoints
    from charrnn import corpus, sampling
    from charrnn import engine as engines
    from charrnn.config import SamplingConfig, between
    from charrnn.errors import ConfigError

    config = SamplingConfig(temp, top_k, top_p, min_p)
    between("count", count, 1)
    if prime is not None and prime_file is not None:
        raise ConfigError("--prime and --prime-file are two primes: give one")
    notice = voice(quiet)
    path = checkpoint or checkpoints.newest(Path("checkpoints"))
    if checkpoint is None:
        notice(f"model: {path}")
    model = checkpoints.load(path).model
    if model.known is None and (novel or unique):
        raise ConfigError("--novel and --unique are for models of records, from `charrnn train --lines`; this is none")
    if length is None:
        length = LENGTH if model.known is None else 2 * model.known.longest
    chosen = engines.resolve(engine, count * length if length >= 0 else math.inf)
    tell_of_compilation(chosen, quiet)
    model = replace(model, engine=engines.load(chosen))
    if prime == "-" or prime_file is not None:
        prime = corpus.read_prime("-" if prime_file is None else str(prime_file), model.vocabulary)
    if seed is None:
        seed = draw_seed()
        notice(f"seed: {seed}")

    output = Output()
    if model.known is not None:
        from charrnn.listing import draw_records

        for drawn in draw_records(
            model,
            count=count,
            prime=prime or "",
            length=length,
            seed=seed,
            config=config,
            novel=novel,
            unique=unique,
        ):
            output.write((_as_json(drawn) if as_json else drawn.prime + drawn.text) + "\n")
    elif as_json or count > 1:
        for drawn in sampling.samples(model, count=count, prime=prime or "", length=length, seed=seed, config=config):
            output.write(_as_json(drawn) if as_json else drawn.prime + drawn.text)
            output.line()
    else:
        model.vocabulary.encode(prime or "")  # what it doesn't know it says before anything is written
        output.write(prime or "")
        for piece in sampling.generate(model, prime=prime or "", length=length, seed=seed, config=config):
            output.write(piece)
    output.close()


def _as_json(drawn: "Sample") -> str:
    names = ("text", "prime", "seed", "temp", "logprob", "bpc")
    return json.dumps({name: getattr(drawn, name) for name in names})


def draw_seed() -> int:
    """A seed for those who give none: short enough to be typed again."""
    import secrets

    return secrets.randbelow(1_000_000)
