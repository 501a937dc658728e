"""`charrnn tag`: a tag for each character of each line of a text, as it arrives."""

import json
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.terminal.console import Output, model_file, notifier, notify_compilation
from charrnn.cli.terminal.help import MOST_USED, OUTPUT, RUN, option
from charrnn.cli.terminal.inputs import (
    ModelArgument,
    TextsArgument,
    UnknownCounter,
    answered,
    find_texts,
    load_model,
    model_and_texts,
    rows_of,
)

if TYPE_CHECKING:
    from charrnn.cli.terminal.inputs import Row
    from charrnn.scoring.span_score import SpanScore
    from charrnn.scoring.tag import Tagging

    Answers = Iterator[list[tuple[Row, Tagging]]]

NAME = "tag"
HELP = "Tag each character of each line with a tagger."
EXAMPLES = """\b
Each line of the output is the line, a tab and as many tags as the line has
characters. `charrnn train tagged.tsv --tags` makes a model that can do this.
Each option can come from the environment too: CHARRNN_TAG_THREADS=2.

\b
Examples:
  charrnn tag tagged.safetensors letters.txt
  charrnn tag --spans < letters.txt
  charrnn tag --evaluate test.tsv
"""


def command(
    checkpoint: ModelArgument = None,
    files: TextsArgument = None,
    spans: Annotated[
        bool,
        option(MOST_USED, "Print a span a line: number of the input line, start, end, label and text.", "--spans"),
    ] = False,
    evaluate: Annotated[
        bool,
        option(
            MOST_USED, "Compare with the tags in the input, after a tab, and print how good they are.", "--evaluate"
        ),
    ] = False,
    as_json: Annotated[
        bool, option(MOST_USED, "Print a JSON object for each line, one a line.", "--json", envvar="CHARRNN_TAG_JSON")
    ] = False,
    unknown: Annotated[
        str,
        option(
            MOST_USED,
            "What to do with characters that are not in the model's vocabulary: error, or skip, which gives them the "
            "tag before them.",
            show_default=True,
            values=("error", "skip"),
        ),
    ] = "skip",
    engine: Annotated[
        str, option(MOST_USED, "Engine: auto, numpy or numba.", show_default=True, values=("auto", "numpy", "numba"))
    ] = "auto",
    threads: Annotated[int | None, option(RUN, "Number of threads. [one for each core]")] = None,
    quiet: Annotated[bool, option(OUTPUT, "Print nothing but errors on stderr.", "--quiet", "-q")] = False,
) -> None:
    from charrnn.errors import ConfigError, VocabularyError
    from charrnn.scoring.tag import tag_batches

    if spans and (evaluate or as_json):
        raise ConfigError("--spans prints text: leave out --json, which has the spans too, and --evaluate")
    given, paths = model_and_texts(NAME, checkpoint, files)
    notice = notifier(quiet)
    paths, size = find_texts(paths)
    model, chosen = load_model(model_file(given, notice), size, engine)
    notify_compilation(chosen, quiet)
    rows = rows_of(paths, model.vocabulary, "tags" if evaluate else "", notice)
    tag = partial(tag_batches, model, unknown=unknown, threads=threads)
    counter = UnknownCounter()
    answers = counter.counted(answered(rows, itemgetter(0), tag))
    try:
        if evaluate:
            _print_score(answers, as_json)
        else:
            _print_tags(answers, spans, as_json)
    except VocabularyError as error:
        raise VocabularyError(f"{error} with --unknown skip") from None
    if counter.total:
        notice(f"characters that the model has never seen have the tag before them: {counter.total:,}")


def _print_tags(answers: "Answers", spans: bool, as_json: bool) -> None:
    """Prints a line for each text, or for each of its spans, as soon as they are known."""
    output, number = Output(), 0
    for batch in answers:
        for _, found in batch:
            number += 1
            if as_json:
                output.write(json.dumps({"text": found.text, "tags": found.tags, "spans": found.spans}) + "\n")
            elif spans:
                for start, end, label in found.spans:
                    output.write(f"{number}\t{start}\t{end}\t{label}\t{found.text[start:end]}\n")
            else:
                output.write(f"{found.text}\t{found.tags}\n")
        output.flush()
    output.close()


def _print_score(answers: "Answers", as_json: bool) -> None:
    """Prints how many spans are right, for each label and in total."""
    from charrnn.cli.terminal.tables import print_table
    from charrnn.errors import CorpusError
    from charrnn.scoring.span_score import SpanScore

    score = SpanScore()
    for batch in answers:
        for (text, expected), found in batch:
            if len(expected) != len(text):
                raise CorpusError(
                    f"line {score.texts + 1} has {len(expected)} tags for {len(text)} characters: give one for each"
                )
            score.add(found, expected)
    if not score.texts:
        raise CorpusError("there are no lines to evaluate: the input is empty")
    accuracy, labels = round(score.accuracy, 6), {label: _figures(score, label) for label in score.labels}
    if as_json:
        totals = {"texts": score.texts, "character_accuracy": accuracy} | _figures(score, None)
        typer.echo(json.dumps(totals | {"labels": labels}))
        return
    typer.echo(f"texts               {score.texts:>8}")
    typer.echo(f"character accuracy  {accuracy:>8.4f}\n")
    rows = {"all spans": _figures(score, None)} | labels
    figures = [[f"{x:,}" if isinstance(x, int) else f"{x:.4f}" for x in row.values()] for row in rows.values()]
    columns = ("label", *(name.replace("f1", "F1") for name in rows["all spans"]))
    print_table(columns, [[name, *values] for name, values in zip(rows, figures, strict=True)])


def _figures(score: "SpanScore", label: str | None) -> dict[str, int | float]:
    """The figures of the spans with a label, or of all."""
    return {
        "spans": score.expected.total() if label is None else score.expected[label],
        "precision": round(score.precision(label), 6),
        "recall": round(score.recall(label), 6),
        "f1": round(score.f1(label), 6),
    }
