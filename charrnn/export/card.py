"""The model card: a folder with a model's file and a README.md about it, as model hubs expect one.

The card begins with YAML, from which a hub takes the license, the task and the loss. Then it says in Markdown what the
model is, what it has learned from and how well, shows what it writes, and how to use it. Of a model whose training is
not known it says nothing about that.
"""

import math
import os
from pathlib import Path
from typing import Any

from charrnn.checkpoint.atomic_file import AtomicFile, check_folder
from charrnn.checkpoint.model_file import Checkpoint, create_model_file
from charrnn.config import WRITERS
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import CheckpointError, counted, listed
from charrnn.export import examples
from charrnn.export.examples import FILE
from charrnn.export.markdown import code, escaped, fenced, quoted, table
from charrnn.export.options import ExportOptions
from charrnn.inspection.history import history
from charrnn.inspection.report.samples import MAX_CHARS, SEED, page_samples
from charrnn.model.model import Model
from charrnn.version import VERSION

README = "README.md"
TASKS = {
    "language_model": "text-generation",
    "classifier": "text-classification",
    "tagger": "token-classification",
    "translator": "translation",
}
"""What hubs call the use of each form."""
MAX_ROWS = 12
"""The most evaluations that the card shows."""
MAX_LABELS = 50
"""The most labels or tags that it names."""
USES = {
    "texts": "It writes text, one character after the other.",
    "lines": "It writes {unit}, each a text of its own, one character after the other.",
    "label": "It writes lines of a label, one character after the other. The labels are {labels}.",
    "source": "It rewrites a line as another one, which it writes one character after the other.",
    "classifier": "It finds the label of a text, which it reads one character after the other, in both directions. "
    "The labels are {labels}.",
    "tagger": "It finds a tag for each character of a text, which it reads in both directions. The tags are {labels}.",
}


def to_folder(
    folder: str | Path, checkpoint: Checkpoint, *, title: str = "", license: str = "", force: bool = False
) -> None:
    """Writes `model.safetensors` and `README.md` in a folder, which is made if it is missing.

    The title of the card is the name of the folder if none is given. The license is that of the model, as hubs
    abbreviate it (`mit`, `cc-by-4.0`); without one the card names none. Raises `CheckpointError` if a file can't be
    written or, without `force`, is there already, and if the model's predictions are NaN or infinite.
    """
    paths = [Path(folder) / name for name in (FILE, README)]
    check_folder_is_free(folder, force)
    text = card(checkpoint, title or Path(os.path.realpath(folder)).name, license)
    with create_model_file(paths[0], checkpoint) as model_file, AtomicFile(paths[1], text.encode()) as readme:
        model_file.commit(overwrite=force)
        readme.commit(overwrite=force)


def check_folder_is_free(folder: str | Path, force: bool) -> None:
    """Raises `CheckpointError` if one of the files exists, or something that is no folder, unless they may be lost.

    A missing folder around it is a `CheckpointError` too.
    """
    check_folder(Path(os.path.realpath(folder)))
    if os.path.lexists(folder) and not Path(folder).is_dir():
        raise CheckpointError(f"{folder} is a file: give the name of a folder, or one that ends in .html or .onnx")
    for path in (Path(folder) / name for name in (FILE, README)):
        if os.path.lexists(path) and not force:
            raise CheckpointError(f"{path} exists: overwrite it with `force=True`, or give another folder")


def write(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """Writes the folder, with what the model was trained on if the options say so; returns the bytes of its files.

    Whether files in it may be overwritten has been decided.
    """
    known = checkpoint if options.provenance else checkpoint.without_provenance()
    to_folder(destination, known, title=options.title or "", license=options.license or "", force=True)
    return sum((destination / name).stat().st_size for name in (FILE, README))


def card(checkpoint: Checkpoint, title: str, license: str = "") -> str:
    """The text of the card. Raises `CheckpointError` if the model's predictions are NaN or infinite."""
    model = checkpoint.model
    parts = (
        _front_matter(checkpoint, title, license),
        f"# {escaped(title)}",
        _about(model),
        _data(checkpoint),
        _losses(checkpoint),
        _samples(model),
        _usage(model),
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _front_matter(checkpoint: Checkpoint, title: str, license: str) -> str:
    """What hubs read: no loss if none is known, or if the model has learned from another text since it was measured."""
    config, corpus, best = checkpoint.model.config, checkpoint.corpus, _best(history(checkpoint), checkpoint)
    task = TASKS[config.form]
    lines = ["library_name: charrnn", f"pipeline_tag: {task}", "tags:", "- character-level", f"- {config.cell}"]
    if license:
        lines.insert(0, f"license: {quoted(license)}")
    if corpus is not None and best is not None and best["val_loss"] is not None and not checkpoint.adapted:
        data = quoted(corpus.val_name or corpus.name)
        lines += ["model-index:", f"- name: {quoted(title)}", "  results:"]
        lines += ["  - task:", f"      type: {task}", "    dataset:", f"      name: {data}", f"      type: {data}"]
        lines += ["    metrics:", "    - type: loss", f"      name: validation loss in nats per {best['unit']}"]
        lines += [f"      value: {best['val_loss']:.6g}"]
    return "\n".join(["---", *lines, "---"])


def _about(model: Model) -> str:
    """What the model is, and what it does."""
    config, names = model.config, () if model.labels is None else model.labels.names
    cell = f"{'a' if config.cell == 'gru' else 'an'} {config.cell.upper()}"
    relu = " with ReLU" if config.nonlinearity == "relu" else ""
    labels, V = listed([*map(code, names)], MAX_LABELS), len(model.vocabulary)
    return (
        f"A character-level {config.form.replace('_', ' ')}, {cell}{relu} of "
        f"{counted(config.layers, 'layers')} with {config.hidden_size:,} units: {model.n_params:,} parameters, and a "
        f"vocabulary of {counted(V, f'{model.vocabulary.unit}s')}. "
        + USES[examples.use_of(model)].format(unit=model.record_form.unit, labels=labels)
    )


def _data(checkpoint: Checkpoint) -> str:
    """What the model has learned from."""
    model, corpus, adapted = checkpoint.model, checkpoint.corpus, checkpoint.adapted
    if corpus is None and not adapted:
        return ""

    def lines(n: int) -> str:
        return f" in {counted(n, model.record_form.unit)}" if n and model.layout != "labels" else ""

    rows, units = [("", "")], f"{model.vocabulary.unit}s"
    if corpus is not None:
        learned = {"labels": "texts", "tags": "tags"}.get(model.layout, units)
        own = f" of {escaped(corpus.val_name)}" if corpus.val_name else ""
        rows += [
            ("corpus", f"{escaped(corpus.name)}, {corpus.size:,} bytes"),
            ("SHA-256", escaped(corpus.digest)),
            ("learned from", f"{counted(corpus.training_chars, learned)}{lines(corpus.training_lines)}"),
            ("validated on", f"{counted(corpus.validation_chars, learned)}{lines(corpus.validation_lines)}{own}"),
        ]
    rows += [("later learned from", f"{escaped(text.name)}, {counted(text.chars, units)}") for text in adapted]
    repeats = "\n\nThe model may repeat passages of what it has learned from." if model.config.form in WRITERS else ""
    return f"## Data\n\n{table(rows)}{repeats}"


def _losses(checkpoint: Checkpoint) -> str:
    """The loss of the weights, how it fell, and the settings of the training."""
    rows, training = history(checkpoint), checkpoint.training
    best = _best(rows, checkpoint)
    if not rows or training is None:
        return ""
    text = f"Losses are means in nats per {rows[0]['unit']}."
    if best is not None:
        average = " The weights are the average (EMA) up to" if best["ema"] else " The weights are those of"
        text += f"{average} step {best['step']:,} in epoch {best['epoch']:,}"
        if best["val_loss"] is not None:
            bits = best["val_loss"] / math.log(2)
            text += f", with a validation loss of {best['val_loss']:.4f} nats or {bits:.4f} bits"
        if (ngrams := checkpoint.model.ngrams) is not None and ngrams.loss is not None:
            text += f", and of {ngrams.loss:.4f} nats mixed with the predictions of counted n-grams"
        text += ", before the model learned from other texts." if checkpoint.adapted else "."
    shown = [("step", "epoch", "learning rate", "training loss", "validation loss")]
    shown += [
        (f"{r['step']:,}", f"{r['epoch']:,}", f"{r['lr']:.3g}", _loss(r["train_loss"]), _loss(r["val_loss"]))
        for r in _thinned(rows, best)
    ]
    settings = ", ".join(f"{name} {value}" for name, value in training.to_dict().items())
    return f"## Losses\n\n{text}\n\n{table(shown, numbers=True)}\n\nSettings: {code(settings)}."


def _samples(model: Model) -> str:
    """What the model writes without a prime; nothing for one that answers or rewrites."""
    use, length = examples.use_of(model), min(model.default_length, MAX_CHARS)
    if use not in ("texts", "lines", "label"):
        return ""
    found = page_samples(model, "")
    if use == "label":
        text = fenced("\n".join(f"{sample['heading']}{TAB}{sample['text']}" for sample in found))
        how = f"For each label the first line of `charrnn sample {FILE} --label LABEL --length {length} --seed {SEED}`:"
    else:
        texts = [sample["text"] or "" for sample in found]
        one_block = use == "lines" and not model.reads_records
        text = "\n\n".join(map(fenced, ["\n".join(texts)] if one_block else texts))
        how = f"`charrnn sample {FILE} --count {len(found)} --length {length} --seed {SEED}` writes:"
    return f"## Samples\n\n{how}\n\n{text}"


def _usage(model: Model) -> str:
    """How to use the model: the command, the library, and PyTorch without it."""
    network = "" if model.ngrams is None else ", but for the n-grams,"
    return (
        f"## Usage\n\n`pip install charrnn-text` brings the program:\n\n{fenced(examples.command(model), 'sh')}\n\n"
        f"In Python:\n\n{fenced(examples.python(model), 'python')}\n\n"
        f"PyTorch computes the same{network} from the file alone:\n\n{fenced(examples.pytorch(model), 'python')}\n\n"
        f"This card was written by charrnn {VERSION}."
    )


def _best(rows: list[dict[str, Any]], checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The evaluation of the weights; None if it is not known."""
    return next((row for row in rows if row["step"] == checkpoint.step), None)


def _thinned(rows: list[dict[str, Any]], best: dict[str, Any] | None) -> list[dict[str, Any]]:
    """At most `MAX_ROWS` of the evaluations: all, or some evenly from the first to the last, and the best."""
    if len(rows) <= MAX_ROWS:
        return rows
    kept = {k * (len(rows) - 1) // (MAX_ROWS - 2) for k in range(MAX_ROWS - 1)}
    return [row for k, row in enumerate(rows) if k in kept or row is best]


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4f}"
