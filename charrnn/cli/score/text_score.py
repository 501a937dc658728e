"""The score of a text: one for all of it, as a table or as JSON."""

import json
from collections.abc import Iterator

import typer

from charrnn.cli.terminal.undecoded import UndecodedBytes
from charrnn.dataset.files import Part, decoded_texts
from charrnn.dataset.records import read_records
from charrnn.model.model import Model
from charrnn.scoring.score import Score
from charrnn.scoring.text import score, score_texts


def show(
    model: Model, parts: Iterator[Part], unknown: str, threads: int | None, as_json: bool, undecoded: UndecodedBytes
) -> int:
    """Prints the score of a text; returns the number of characters that the model has never seen.

    Looks for undecoded bytes in it. Raises `VocabularyError` and `CorpusError`.
    """
    if model.reads_records:
        records = read_records(parts, model.record_form, model.vocabulary, model.text_form)
        texts = undecoded.watched(line.text for lines in records for line in lines)
        found = score_texts(model, texts, unknown=unknown, threads=threads)
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
