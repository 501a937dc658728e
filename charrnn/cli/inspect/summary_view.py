"""The terminal form of the summary, which `charrnn inspect` prints if no view is requested."""

import math
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from charrnn.cli.terminal.heatmap import BARS
from charrnn.cli.terminal.labels import READING, cell_label, dropout_label
from charrnn.cli.terminal.tables import plain, plain_table
from charrnn.config import ModelConfig
from charrnn.dataset import shell_words
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import counted

MAX_CHARACTERS = 256
"""The most characters of the vocabulary that are shown."""
MAX_ROWS = 8
"""The most rows of the history that are shown: the last ones."""


def summary_view(data: dict[str, Any], width: int) -> list[RenderableType]:
    """What a model is, its tensors, and how its loss fell."""
    return [_about(data), _tensors(data), *_history(data["history"], width)]


def _about(data: dict[str, Any]) -> Table:
    table = plain_table()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    model, vocabulary = ModelConfig(**data["model"]), data["vocabulary"]
    types = sorted({tensor["dtype"] for tensor in data["tensors"]})
    rows = {
        "file": f"{data['file']}, {data['bytes']:,} bytes",
        "model": _model(model),
        "parameters": f"{data['parameters']:,}, stored as {' and '.join(types)}",
        "vocabulary": counted(vocabulary["size"], vocabulary["kind"]),
        "characters": _characters(vocabulary.get("characters", [])),
        "layout": data["layout"],
        "text": _text_form(**data["text_form"]),
    }
    form = _form(data)
    if not form.is_lines:
        rows["divided by"] = shell_words.join(form.words)
    if line_set := data["line_set"]:
        lines = (
            "too many to keep" if line_set["lines"] is None else counted(line_set["lines"], f"different {form.unit}")
        )
        usual = f"; all but a few have at most {line_set['usual']:,}" if "usual" in line_set else ""
        rows[form.unit] = f"{lines}, the longest of {counted(line_set['longest'], vocabulary['kind'])}{usual}"
    if labels := data["labels"]:
        rows["tags" if data["layout"] == "tags" else "labels"] = ", ".join(f"{name} ({n:,})" for name, n in labels)
    if corpus := data["corpus"]:
        rows["corpus"] = f"{corpus['name']}, {corpus['size']:,} bytes, SHA-256 {corpus['digest'][:12]}…"
        rows["split"] = f"{_part(data, 'training')} for training, {_part(data, 'validation')} for validation"
    if training := data["training"]:
        rows["training"] = ", ".join(f"{name} {value}" for name, value in training.items())
    if data["step"] is not None:
        rows["weights from"] = _step(data["step"], data["history"])
    if ngrams := data.get("ngrams"):
        rows["n-grams"] = _ngrams(ngrams)
    if texts := data.get("adapted"):
        rows["adapted to"] = "; ".join(map(_adapted, texts))
    for name, value in rows.items():
        if value:
            table.add_row(name, plain(value))
    return table


def _model(model: ModelConfig) -> str:
    both = READING[model.form]
    form = f"{model.form}, " * (model.form != "language_model")
    return f"{form}{cell_label(model)}, {model.layers} × {model.hidden_size}{both}, {dropout_label(model)}"


def _text_form(encoding: str, normalization: str) -> str:
    """How texts are read, if not as UTF-8 without changes."""
    parts = [encoding] * (encoding != "utf-8") + [f"in {normalization.upper()}"] * (normalization != "none")
    return ", ".join(parts)


def _form(data: dict[str, Any]) -> RecordForm:
    """What a text of its own is to the model."""
    return RecordForm(**data.get("record_form", {}))


def _part(data: dict[str, Any], part: str) -> str:
    """The size of the training or the validation data."""
    corpus, unit = data["corpus"], {"labels": "texts", "tags": "tags"}.get(data["layout"], "characters")
    has_lines = corpus["training_lines"] and unit != "texts"
    lines = f"{counted(corpus[f'{part}_lines'], _form(data).unit)} of " if has_lines else ""
    name = f" of {corpus['val_name']}" if part == "validation" and corpus.get("val_name") else ""
    return f"{lines}{counted(corpus[f'{part}_chars'], unit)}{name}"


def _ngrams(table: dict[str, Any]) -> str:
    """The table of n-grams, and the loss that it leads to."""
    loss = "" if table["loss"] is None else f": validation loss {table['loss']:.3f}"
    counts = f"{counted(table['contexts'], 'contexts')}, {counted(table['followers'], 'counts')}"
    return f"up to {counted(table['order'] + 1, 'characters')}, {counts}, weight {table['weight']:.2f}{loss}"


def _adapted(text: dict[str, Any]) -> str:
    """A text that the model learned from after its training."""
    settings = ", ".join(f"{name} {text[name]}" for name in ("rate", "pull", "segment"))
    return f"{text['name']}, {counted(text['chars'], 'characters')}, {settings}"


def _step(step: int, history: list[dict[str, Any]]) -> str:
    """A step with its epoch and loss, if it was evaluated."""
    row = next((row for row in history if row["step"] == step), None)
    if row is None:
        return f"step {step:,}"
    loss = "" if row["val_loss"] is None else f", the best: validation loss {row['val_loss']:.3f}"
    epoch = f" in epoch {row['epoch']:,}" * (step > 0)
    return f"{'the average (EMA) up to ' * row['ema']}step {step:,}{epoch}{loss}"


def _characters(characters: list[str]) -> str:
    shown = "".join({"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(c, c) for c in characters[:MAX_CHARACTERS])
    left_out = len(characters) - MAX_CHARACTERS
    return shown + (f" … and {left_out:,} more" if left_out > 0 else "")


def _tensors(data: dict[str, Any]) -> Table:
    table = plain_table("tensor", "shape", "norm", "share")
    for tensor in data["tensors"]:
        shape = " × ".join(map(str, tensor["shape"]))
        table.add_row(plain(tensor["name"]), shape, f"{tensor['norm']:.3g}", f"{tensor['share']:.1%}")
    return table


def _history(history: list[dict[str, Any]], width: int) -> list[RenderableType]:
    """The validation loss, or without one the training loss, as bars; and the last rows as a table."""
    if not history:
        return []
    table = plain_table("step", "epoch", "training loss", "validation loss", f"bits per {history[-1]['unit']}")
    for row in history[-MAX_ROWS:]:
        val_loss = row["val_loss"]
        bpc = "" if val_loss is None else f"{val_loss / math.log(2):.3f}"
        table.add_row(f"{row['step']:,}", f"{row['epoch']:,}", _loss(row["train_loss"]), _loss(val_loss), bpc)
    name = "val_loss" if history[-1]["val_loss"] is not None else "train_loss"
    losses = [row[name] for row in history if row[name] is not None]
    if not losses:
        return [table]
    label = f"{'validation' if name == 'val_loss' else 'training'} loss, {losses[0]:.2f} → {losses[-1]:.2f} nats  "
    return [plain(label + _bars(losses, max(8, width - len(label)))), table]


def _bars(values: list[float], width: int) -> str:
    """Values as a row of at most `width` bars: values that share a bar are averaged."""
    n = min(width, len(values))
    groups = [values[k * len(values) // n : (k + 1) * len(values) // n] for k in range(n)]
    means = [sum(group) / len(group) for group in groups]
    low, high = min(means), max(means)
    return "".join(BARS[round((mean - low) / ((high - low) or 1) * (len(BARS) - 1))] for mean in means)


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4f}"
