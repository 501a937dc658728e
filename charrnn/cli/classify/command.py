"""`charrnn classify`: the label of each line of a text, as it arrives."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.terminal.console import Output, model_file, notifier, notify_compilation
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, RUN, option
from charrnn.cli.terminal.inputs import Row, arriving_parts, load_model, model_and_texts, rows_of

if TYPE_CHECKING:
    from charrnn.scoring.classify import Classification

NAME = "classify"
HELP = "Give each line its label with a classifier."
EXAMPLES = """\b
Each line of the output is the label, a tab and the line.
`charrnn train texts.tsv --classify` makes a model that can do this.
Each option can come from the environment too: CHARRNN_CLASSIFY_TOP=3.

\b
Examples:
  charrnn classify regions.safetensors places.txt
  tail -f reviews.txt | charrnn classify | grep ^negative
  charrnn classify --top 3 names.txt
  charrnn classify --evaluate test.tsv
"""


def command(
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="The model's file, *.safetensors. [the newest in checkpoints/]", show_default=False),
    ] = None,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, or - for stdin. [stdin]", show_default=False)
    ] = None,
    top: Annotated[
        int | None, option(MOST_USED, "Print this many of the likeliest labels, each with its probability.")
    ] = None,
    scores: Annotated[
        bool, option(MOST_USED, "Print the probability of every label, under a line that names them.", "--scores")
    ] = False,
    evaluate: Annotated[
        bool,
        option(
            MOST_USED, "Compare with the labels in the input, after a tab, and print how good they are.", "--evaluate"
        ),
    ] = False,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error, skip, or nearest, which "
            "replaces them.",
            show_default=True,
            values=("error", "skip", "nearest"),
        ),
    ] = "skip",
    as_json: Annotated[
        bool,
        option(MOST_USED, "Print a JSON object for each line, one a line.", "--json", envvar="CHARRNN_CLASSIFY_JSON"),
    ] = False,
    engine: Annotated[
        str, option(RUN, "Engine: auto, numpy or numba.", show_default=True, values=("auto", "numpy", "numba"))
    ] = "auto",
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core]")] = None,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.cli.classify import results
    from charrnn.config import between
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.scoring.classify import classify_batches

    if sum((top is not None, scores, evaluate)) > 1:
        raise ConfigError("--top, --scores and --evaluate print different things: give one of them")
    between("--top", 1 if top is None else top, 1)
    given, paths = model_and_texts(NAME, checkpoint, files)
    notice = notifier(quiet)
    model, chosen = load_model(model_file(given, notice), paths, engine)
    notify_compilation(chosen, quiet)
    rows: list[Row] = []

    def texts() -> Iterator[list[str]]:
        nonlocal rows
        for rows in rows_of(arriving_parts(paths, notice), model.vocabulary, "label" if evaluate else ""):
            yield [text for text, _ in rows]

    found = classify_batches(model, texts(), unknown=unknown, threads=threads)
    answers = ([*zip(rows, batch, strict=True)] for batch in found)
    skipped = 0

    def counted() -> "Iterator[list[tuple[Row, Classification]]]":
        nonlocal skipped
        for batch in answers:
            skipped += sum(answer.unknown for _, answer in batch)
            yield batch

    try:
        if evaluate:
            results.print_score(counted(), model, as_json, notice)
        else:
            results.print_labels(counted(), Output(), top, scores, as_json)
    except VocabularyError as error:
        raise VocabularyError(f"{error} with --unknown skip, or replace them with --unknown nearest") from None
    if skipped:
        done = "replaced by the nearest ones" if unknown == "nearest" else "left out"
        notice(f"characters that the model has never seen were {done}: {skipped:,}")
