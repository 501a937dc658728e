"""The score of a text: one for all of it, as a table or as JSON."""

import json
import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import typer

from charrnn.cli.terminal.inputs import answered
from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset.files import Part, decoded_texts
from charrnn.dataset.line_reader import Line, read_lines
from charrnn.dataset.records import read_records
from charrnn.engine import available_cores
from charrnn.model.model import Model
from charrnn.scoring.lines import line_batches
from charrnn.scoring.rank_answers import answering
from charrnn.scoring.score import Score
from charrnn.scoring.text import as_pieces, lines_of_pieces, score, total_of
from charrnn.scoring.windows import PART, WARM_UP, score_windows

if TYPE_CHECKING:
    from charrnn.distributed.ranks import Ranks
    from charrnn.scoring.adaptation import Adaptation


def score_of(
    model: Model,
    parts: Iterator[Part],
    unknown: str,
    threads: int | None,
    undecoded: UndecodedBytes,
    has_several: bool,
    windows: int | None = None,
    adaptation: "Adaptation | None" = None,
    ranks: "Ranks | None" = None,
) -> Score:
    """The score of a text, of `has_several` files or of one.

    With `windows`, it is that of windows of so many characters; with an adaptation of the model, that of a model that
    learns from the text as it reads it. The `ranks` of a job share lines, records and windows; a continuous text they
    read in windows that overlap. Looks for undecoded bytes in it. Raises `VocabularyError`, `CorpusError` and
    `ConfigError`.
    """

    def text_of(line: Line) -> str:
        undecoded.look(line.text)
        return line.text

    def size_of(line: Line) -> int:
        return len(line.text)

    if windows is not None or (ranks is not None and not model.reads_lines):
        size, overlap = (PART + WARM_UP, WARM_UP) if windows is None else (windows, 0)
        pieces = undecoded.watched(decoded_texts(parts, model.vocabulary, model.text_form))
        threads = threads or available_cores()
        blocks = answering("windows", model, ranks, size=size, overlap=overlap, threads=threads)
        return score_windows(model, pieces, size, overlap=overlap, unknown=unknown, threads=threads, score=blocks)
    if model.reads_records or model.layout in REWRITING_LAYOUTS:
        if model.reads_records:
            read = read_records(parts, model.record_form, model.vocabulary, model.text_form)
        else:
            read = read_lines(parts, model.vocabulary, model.text_form)
        answer = answering("scores", model, ranks, unknown=unknown, threads=threads, adaptation=adaptation)
        unit = model.record_form.unit[:-1]
        lines = line_batches(chain.from_iterable(read), size_of, in_order=adaptation is not None)
        scored = answered(lines, text_of, answer, has_several, unit)
        return total_of((score for batch in scored for _, score in batch), model, adaptation is not None)
    pieces = undecoded.watched(decoded_texts(parts, model.vocabulary, model.text_form))
    if ranks is not None:
        texts = line_batches(lines_of_pieces(as_pieces(model, pieces, "score")), len, in_order=False)
        answer = answering("scores", model, ranks, unknown=unknown, threads=threads)
        return total_of(chain.from_iterable(answer(texts)), model)
    return score(model, pieces, unknown=unknown, threads=threads, adaptation=adaptation)


def print_score(score: Score, model: Model, as_json: bool) -> None:
    """Prints a score as a table or as JSON."""
    typer.echo(json.dumps(score.as_dict()) if as_json else _table(score, model.vocabulary.unit))


def notify_unknown(n: int, policy: str, model: Model, undecoded: UndecodedBytes, notice: Callable[[str], None]) -> None:
    """Says how many characters the model has never seen, if any, what was done with them, and why they may be there."""
    if not n:
        return
    cost = f", at {model.unseen_nats / math.log(2):.2f} bits each" if policy == "count" else ""
    done = "counted" if policy == "count" else "skipped"
    notice(f"{done} characters that the model has never seen: {n:,}{cost}")
    undecoded.tell(notice)


def _table(score: Score, unit: str) -> str:
    """The score as a table: on each line a name and a number."""
    rows = {
        f"bits per {unit}": f"{score.bpc:.4f}",
        f"nats per {unit}": f"{score.nats_per_char:.4f}",
        "perplexity": f"{score.perplexity:.4f}",
        f"{unit}s": f"{score.chars}",
    }
    if score.unknown:
        rows[f"unknown {unit}s"] = f"{score.unknown}"
    if score.adapted:
        rows |= {"bits without learning": f"{score.bpc_without_learning:.4f}", "adapted": "yes"}
    names, values = (max(map(len, column)) for column in (rows.keys(), rows.values()))
    return "\n".join(f"{name:<{names}}  {value:>{values}}" for name, value in rows.items())
