"""`charrnn score`: tells how well a model expects a text; `ranking` prints its lines, `heat` its characters."""

import itertools
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.terminal.console import notifier, tell_of_compilation

if TYPE_CHECKING:
    from charrnn.dataset.files import Part
    from charrnn.model.model import Model
    from charrnn.scoring.score import Score

AT_ONCE = 1 << 15
"""Bytes of a stream that are read at once, at the most: five hundred lines or so, enough to be scored side by side."""

NAME = "score"
HELP = "Tell how well a model expects a text, in bits per character."
EXAMPLES = """\b
A line is scored with its line end, if it has one and the model knows it. It
is read by itself, as if it were the first; or after those before it, with
--carry. An empty line is its line end; where nothing is to be scored, the
score is 0. \\r\\n counts as \\n, as in training, but lines are printed as they
came.

\b
--sort and --top imply --per-line. So do --above and --below, but they print
lines alone, without scores, unless there is --per-line or --json as well.
Each option can come from the environment too: CHARRNN_SCORE_TOP=20.

\b
Examples:
  charrnn score chapter.txt
  charrnn score model.safetensors --json < chapter.txt | jq .bpc
  charrnn score --top 10 names.txt
  tail -f app.log | charrnn score --above 3.5
  charrnn score --heat chapter.txt
"""


def _option(help: str, *names: str, default: bool = False, envvar: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=default, envvar=envvar, show_envvar=False)


def command(
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="The model, *.safetensors. [the newest in checkpoints/]", show_default=False),
    ] = None,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, or - for stdin. [stdin]", show_default=False)
    ] = None,
    per_line: Annotated[bool, _option("Print each line's bits per character, a tab, the line.", "--per-line")] = False,
    carry: Annotated[bool, _option("Read each line after those before it.", "--carry")] = False,
    sort: Annotated[bool, _option("Lines in order, the most surprising first.", "--sort")] = False,
    top: Annotated[int | None, _option("So many of the most surprising lines, in order.")] = None,
    above: Annotated[float | None, _option("Lines of more bits per character than this.")] = None,
    below: Annotated[float | None, _option("Lines of fewer bits per character than this.")] = None,
    heat: Annotated[bool, _option("Print the text, each character coloured by its surprise.", "--heat")] = False,
    as_json: Annotated[
        bool, _option("One JSON object, or one for each line.", "--json", envvar="CHARRNN_SCORE_JSON")
    ] = False,
    unknown: Annotated[str, _option("Characters the model has never seen: error or skip.", default=True)] = "error",
    engine: Annotated[str, _option("auto, numpy or numba.", default=True)] = "auto",
    quiet: Annotated[bool, _option("Nothing on stderr but errors.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.checkpoint import naming
    from charrnn.cli.score import line_filter
    from charrnn.config import one_of
    from charrnn.dataset import files
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.scoring import score

    wanted = line_filter.LineFilter(sort, top, above, below)
    by_line = per_line or wanted.filters or wanted.orders
    one_of("unknown", unknown, score.UNKNOWN_POLICIES)
    if carry and not by_line:
        raise ConfigError("--carry is for lines: add --per-line, or leave it out, as a whole text is read on anyway")
    if heat and (by_line or as_json):
        raise ConfigError("--heat shows a text as it stands: leave out --json and what is for lines")
    if checkpoint is not None and not checkpoint.endswith(naming.SUFFIX):
        files, checkpoint = [checkpoint, *(files or [])], None
        if models := [file for file in files if file.endswith(naming.SUFFIX)]:
            raise ConfigError(f"the model comes before the texts: charrnn score {models[0]} {files[0]}")

    notice = notifier(quiet)
    waits = wanted.orders or not (by_line or heat)
    arriving = AT_ONCE if by_line or heat else 0
    model, parts = _opened(checkpoint, files or [files.STDIN], engine, waits, arriving, quiet)
    try:
        if heat:
            from charrnn.cli.score import text_heatmap

            left_out = text_heatmap.show(model, parts, unknown, quiet)
        elif by_line:
            plain = line_filter.alone if wanted.filters and not per_line else line_filter.with_score
            form = line_filter.as_object if as_json else plain
            left_out = line_filter.show(model, parts, carry, unknown, wanted, form)
        else:
            score = score.score(model, files.decoded_texts(parts, model.vocabulary), unknown=unknown)
            unit = "byte" if model.vocabulary.is_bytes else "character"
            typer.echo(json.dumps(score.as_dict()) if as_json else _table(score, unit))
            left_out = score.unknown
    except VocabularyError as error:
        raise VocabularyError(f"{error}; --unknown skip scores the rest") from None
    if left_out:
        notice(f"characters left out, as the model has never seen them: {left_out:,}")


def _opened(
    checkpoint: str | None, files: list[str], engine: str, waits: bool, arriving: int, quiet: bool
) -> tuple["Model", Iterator["Part"]]:
    """The model, to be run by the engine that suits the amount of text, and the text as `corpus.chunks` has it.

    Only where nothing is printed before the end anyway, which `waits` says, is a stream looked into for its length.
    """
    from charrnn import engine as engines
    from charrnn.checkpoint import model_file
    from charrnn.dataset import files

    notice = notifier(quiet)
    engines.resolve(engine, 0)  # what is wrong with it is said before anything is read
    paths = files.list_files(files)
    amount = files.total_size(paths)
    model = model_file.load(model_file(Path(checkpoint) if checkpoint else None, notice)).model
    if files.STDIN in paths and sys.stdin.isatty():
        notice("reads what you type, up to Ctrl-D")
    parts = files.read_chunks(paths, arriving)
    if amount == math.inf and waits:
        amount, parts = _looked_ahead(parts, engines.MAX_NUMPY_CHARS)
    chosen = engines.resolve(engine, amount)
    tell_of_compilation(chosen, quiet)
    return replace(model, engine=engines.load(chosen)), parts


def _looked_ahead(parts: Iterator["Part"], enough: int) -> tuple[float, Iterator["Part"]]:
    """How many bytes there are in some parts, infinitely many where it is more than enough; and the parts again."""
    seen, amount = [], 0
    for part in parts:
        seen.append(part)
        amount += len(part[1])
        if amount > enough:
            return math.inf, itertools.chain(seen, parts)
    return amount, iter(seen)


def _table(score: "Score", unit: str) -> str:
    """A score for the eye: a number a line, what it is before it."""
    rows = {
        f"bits per {unit}": f"{score.bpc:.4f}",
        f"nats per {unit}": f"{score.nats_per_char:.4f}",
        "perplexity": f"{score.perplexity:.4f}",
        f"{unit}s": f"{score.chars}",
    }
    names, values = (max(map(len, column)) for column in (rows.keys(), rows.values()))
    return "\n".join(f"{name:<{names}}  {value:>{values}}" for name, value in rows.items())
