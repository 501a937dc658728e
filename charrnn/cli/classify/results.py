"""The results of `charrnn classify`: labels on stdout, or the score of a classifier as a table."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from charrnn.cli.terminal.console import Output
from charrnn.cli.terminal.inputs import Row
from charrnn.cli.terminal.tables import print_table
from charrnn.errors import CorpusError
from charrnn.model.model import Model
from charrnn.scoring.classify import Classification
from charrnn.scoring.label_score import LabelScore

MOST_LABELS = 20
"""The most labels whose confusion matrix is printed in full; of more, only what is confused most."""
MOST_CONFUSED = 15
HEADING_LENGTHS = range(4, 11)
"""The characters of a label that head its column: as few of these as tell the labels apart."""
NOTHING = "–"
"""Stands for a number that is not defined."""

Answers = Iterable[list[tuple[Row, Classification]]]


def print_labels(answers: Answers, output: Output, top: int | None, scores: bool, as_json: bool) -> None:
    """Prints a line for each text, as soon as it is known."""
    named = False
    for batch in answers:
        for (line, *_), found in batch:
            if as_json:
                output.write(_as_object(line, found, top, scores))
                continue
            if scores and not named:
                output.write("\t".join((*found.labels, "line")) + "\n")
                named = True
            output.write("\t".join((*_columns(found, top, scores), line)) + "\n")
        output.flush()
    output.close()


def _columns(found: Classification, top: int | None, scores: bool) -> list[str]:
    """What is printed before the line."""
    if scores:
        return [f"{p:.4f}" for p in found.probabilities]
    if top is not None:
        return [part for label, p in found.top(top) for part in (label, f"{p:.4f}")]
    return [found.label]


def _as_object(line: str, found: Classification, top: int | None, scores: bool) -> str:
    data: dict[str, Any] = {"line": line, "label": found.label, "probability": found.probability}
    if top is not None or scores:
        data["labels"] = dict(found.top(len(found.labels) if top is None else top))
    return json.dumps(data) + "\n"


def count(answers: Answers, model: Model) -> LabelScore:
    """Compares the labels with the expected ones. Raises `CorpusError` if there are none."""
    assert model.labels is not None
    score = LabelScore(model.labels.names)
    for batch in answers:
        for row, found in batch:
            score.add(found, row.target)
    if not score.texts:
        raise CorpusError("there are no lines to evaluate: the input is empty")
    return score


def write_confusion(path: Path, score: LabelScore) -> int:
    """Draws which labels were taken for which; returns the size of the file."""
    from charrnn.checkpoint.atomic_file import write_bytes
    from charrnn.inspection.figures import confusion
    from charrnn.inspection.picture import picture

    content = picture(confusion(score.labels, score.confusion[:-1]), path.suffix.lower())
    write_bytes(path, content)
    return len(content)


def print_score(score: LabelScore, as_json: bool, notice: Callable[[str], None]) -> None:
    """Prints accuracy, macro F1 and calibration, and which labels were taken for which."""
    totals = {
        "texts": score.texts,
        "accuracy": round(score.accuracy, 6),
        "macro_f1": round(score.macro_f1, 6),
        "nats_per_text": None if score.nats_per_text is None else round(score.nats_per_text, 6),
        "calibration_error": round(score.calibration_error, 6),
    }
    unknown = int(score.confusion[-1].sum())
    if as_json:
        more = {
            "unknown_labels": unknown,
            "labels": score.labels,
            "f1": {label: round(f1, 6) for label, f1 in score.f1.items()},
            "confusion": score.confusion[:-1].tolist(),
        }
        typer.echo(json.dumps(totals | more))
        return
    if unknown:
        notice(f"texts whose label the model has never seen: {unknown:,}; each counts as wrong")
    width = max(map(len, totals))
    for name, value in totals.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {NOTHING if value is None else value:>8}")
    typer.echo()
    if len(score.labels) <= MOST_LABELS:
        _print_confusion(score)
    else:
        rows = [(a, b, f"{n:,}") for a, b, n in score.confused(MOST_CONFUSED)]
        print_table(("expected", "found", "texts"), rows)


def _print_confusion(score: LabelScore) -> None:
    """The confusion matrix: a row for each expected label, a column for each that was found, and the F1."""
    names, headings = _headings(score.labels)
    f1 = score.f1
    rows = [
        (
            names[k],
            *(str(n) if n else "·" for n in score.confusion[k]),
            f"{f1[label]:.3f}" if label in f1 else NOTHING,
        )
        for k, label in enumerate(score.labels)
    ]
    print_table(("expected", *headings, "F1"), rows)


def _headings(labels: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The names of the rows, and those of the columns: the beginnings of the labels if these differ, or numbers."""
    for n in HEADING_LENGTHS:
        short = [label[:n].rstrip() for label in labels]
        if len({*short}) == len(labels):
            return labels, short
    return [f"{k} {label}" for k, label in enumerate(labels, 1)], [str(k) for k in range(1, len(labels) + 1)]
