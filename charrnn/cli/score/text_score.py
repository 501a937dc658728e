"""The score of a text: one for all of it, as a table or as JSON."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import chain

import typer

from charrnn.cli.terminal.inputs import answered
from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.config import REWRITING_LAYOUTS
from charrnn.dataset.files import Part, decoded_texts
from charrnn.dataset.groups import in_groups
from charrnn.dataset.line_reader import Line, read_lines
from charrnn.dataset.records import read_records
from charrnn.model.model import Model
from charrnn.scoring.lines import LINES_PER_BATCH, score_batches
from charrnn.scoring.score import Score
from charrnn.scoring.text import score, total_of
from charrnn.scoring.windows import score_windows


def show(
    model: Model,
    parts: Iterator[Part],
    unknown: str,
    threads: int | None,
    as_json: bool,
    undecoded: UndecodedBytes,
    has_several: bool,
    windows: int | None = None,
) -> int:
    """Prints the score of a text, of `has_several` files or of one; returns the number of unknown characters.

    With `windows`, it is that of windows of so many characters. Looks for undecoded bytes in it. Raises
    `VocabularyError`, `CorpusError` and `ConfigError`.
    """

    def text_of(line: Line) -> str:
        undecoded.look(line.text)
        return line.text

    if windows is not None:
        pieces = undecoded.watched(decoded_texts(parts, model.vocabulary, model.text_form))
        found = score_windows(model, pieces, windows, unknown=unknown, threads=threads)
    elif model.reads_records or model.layout in REWRITING_LAYOUTS:
        if model.reads_records:
            read = read_records(parts, model.record_form, model.vocabulary, model.text_form)
        else:
            read = read_lines(parts, model.vocabulary, model.text_form)
        answer = partial(score_batches, model, unknown=unknown, threads=threads)
        unit = model.record_form.unit[:-1]
        scored = answered(in_groups(chain.from_iterable(read), LINES_PER_BATCH), text_of, answer, has_several, unit)
        found = total_of((score for batch in scored for _, score in batch), model)
    else:
        pieces = undecoded.watched(decoded_texts(parts, model.vocabulary, model.text_form))
        found = score(model, pieces, unknown=unknown, threads=threads)
    character = "byte" if model.vocabulary.is_bytes else "character"
    typer.echo(json.dumps(found.as_dict()) if as_json else _table(found, character))
    return found.unknown


def _table(score: Score, character: str) -> str:
    """The score as a table: on each line a name and a number."""
    rows = {
        f"bits per {character}": f"{score.bpc:.4f}",
        f"nats per {character}": f"{score.nats_per_char:.4f}",
        "perplexity": f"{score.perplexity:.4f}",
        f"{character}s": f"{score.chars}",
    } | ({f"unknown {character}s": f"{score.unknown}"} if score.unknown else {})
    names, values = (max(map(len, column)) for column in (rows.keys(), rows.values()))
    return "\n".join(f"{name:<{names}}  {value:>{values}}" for name, value in rows.items())
