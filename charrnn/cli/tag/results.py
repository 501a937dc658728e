"""The results of `charrnn tag`: tags and spans on stdout, or the score of a tagger as a table."""

import json
from collections.abc import Callable, Iterator

import typer

from charrnn.cli.terminal.console import Output
from charrnn.cli.terminal.inputs import Row
from charrnn.cli.terminal.tables import print_table
from charrnn.errors import CorpusError
from charrnn.model.model import Model
from charrnn.scoring.span_score import SpanScore
from charrnn.scoring.tag import Tagging, tag_letters

Answers = Iterator[list[tuple[Row, Tagging]]]


def print_tags(answers: Answers, spans: bool, as_json: bool) -> None:
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


def print_score(answers: Answers, model: Model, as_json: bool, notice: Callable[[str], None]) -> None:
    """Prints how many spans are right, for each label and in total."""
    assert model.labels is not None
    score = SpanScore(known=frozenset(tag_letters(model.labels) if model.labels.of_words else model.labels.names))
    for batch in answers:
        for row, found in batch:
            score.add(found, row.target)
    show(score, "texts", "character", as_json, notice)


def show(score: SpanScore, texts: str, unit: str, as_json: bool, notice: Callable[[str], None]) -> None:
    """Prints a score; `texts` and `unit` are the words for what was counted. Raises `CorpusError` if nothing was."""
    if not score.texts:
        raise CorpusError("there are no lines to evaluate: the input is empty")
    if score.unknown:
        notice(f"{unit}s whose tag the model has never seen: {score.unknown:,}; each counts as wrong")
    accuracy, labels = round(score.accuracy, 6), {label: _figures(score, label) for label in score.labels}
    if as_json:
        totals = {texts: score.texts, f"{unit}_accuracy": accuracy} | _figures(score, None)
        typer.echo(json.dumps(totals | {"labels": labels}))
        return
    width = max(len(texts), len(f"{unit} accuracy"))
    typer.echo(f"{texts:<{width}}  {score.texts:>8}")
    typer.echo(f"{f'{unit} accuracy':<{width}}  {accuracy:>8.4f}\n")
    rows = {"all spans": _figures(score, None)} | labels
    figures = [[f"{x:,}" if isinstance(x, int) else f"{x:.4f}" for x in row.values()] for row in rows.values()]
    columns = ("label", *(name.replace("f1", "F1") for name in rows["all spans"]))
    print_table(columns, [[name, *values] for name, values in zip(rows, figures, strict=True)])


def _figures(score: SpanScore, label: str | None) -> dict[str, int | float]:
    """The figures of the spans with a label, or of all."""
    return {
        "spans": score.expected.total() if label is None else score.expected[label],
        "precision": round(score.precision(label), 6),
        "recall": round(score.recall(label), 6),
        "f1": round(score.f1(label), 6),
    }
