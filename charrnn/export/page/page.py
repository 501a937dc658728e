"""The page that writes: a model in one HTML file that needs nothing else, not even a network.

`page.html` is its frame, `page.css` its styles and `page.js` its script; `worker/` has the script that computes, in a
thread of its own. What comes from a model is escaped, or is in JSON without any `<`. The page forbids itself every
request, and every script but its own.
"""

import base64
import html
import json
import math
import re
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from charrnn.checkpoint.atomic_file import write_bytes
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import between, one_of
from charrnn.dataset.control_characters import one_line
from charrnn.errors import ExportError, counted
from charrnn.export.options import ExportOptions
from charrnn.export.page.weights import PRECISIONS, pack_weights
from charrnn.inspection.symbols import character_names, symbol
from charrnn.model.model import Model

WORKER = ("arithmetic", "network", "filters", "writer")
"""The parts of the worker's script, in order."""
DEFAULT_TEMP, MAX_TEMP = 0.8, 2.0
"""The temperature at which a page begins, and the highest that its slider has."""
COMMANDS = {"classifier": "classify", "tagger": "tag", "translator": "translate"}
"""What uses the models of other forms."""
NO_TITLE = "A recurrent network"
"""The title of a page that does not say where its model comes from."""


def write(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """Writes the page of a checkpoint, which was read from `source`; returns its bytes. Otherwise as `render`."""
    date = datetime.fromtimestamp(source.stat().st_mtime, UTC)
    content = render(checkpoint, source.stem, f"{date:%Y-%m-%d}", options).encode("utf-8", "replace")
    write_bytes(destination, content)
    return len(content)


def render(checkpoint: Checkpoint, name: str, date: str, options: ExportOptions) -> str:
    """The page of a checkpoint with this name and date, which it shows if it may say where the model comes from.

    Raises `ExportError` for a model that does not write texts, or only of a given text; `ConfigError` for an unknown
    precision, and for a temperature that the page's slider does not have.
    """
    model, precision = checkpoint.model, options.precision or PRECISIONS[0]
    temp = DEFAULT_TEMP if options.temp is None else options.temp
    one_of("precision", precision, PRECISIONS)
    between("temp", temp, 0, MAX_TEMP)
    _check(model)
    weights = pack_weights(model, precision)
    title = options.title or (name if options.provenance else NO_TITLE)
    style, script = _read("page.css"), _read("page.js")
    values = {
        "policy": _policy(style, script),
        "title": html.escape(one_line(title)),
        "style": style,
        "temp": f"{temp:g}",
        "max_temp": f"{MAX_TEMP:g}",
        "provenance": _provenance(checkpoint, precision, date, options.provenance),
        "config": _json(_config(model, precision) | {"floats": weights.floats}),
        "weights": weights.text,
        "worker": "".join(_read(f"worker/{part}.js") for part in WORKER),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: values[mark[1]], _read("page.html"))


def _check(model: Model) -> None:
    """Raises `ExportError` for a model that a page can't write with."""
    form = model.config.form
    if form != "language_model":
        raise ExportError(
            f"a page writes with a language model, and this model is a {form}: use `charrnn {COMMANDS[form]}`"
        )
    if model.layout == "pairs" and model.labels is None:
        raise ExportError("a page writes texts of its own, and this model rewrites texts: use `charrnn translate`")


def _config(model: Model, precision: str) -> dict[str, Any]:
    """What the scripts need to know of a model."""
    vocabulary, form = model.vocabulary, model.record_form
    labels = model.labels if model.layout == "pairs" else None
    ends = model.reads_lines and model.end in vocabulary.characters
    return {
        "cell": model.config.cell_name,
        "hidden": model.config.hidden_size,
        "layers": model.config.layers,
        "vocabulary": len(vocabulary),
        "precision": precision,
        "characters": None if vocabulary.is_bytes else vocabulary.characters,
        "symbols": [*map(symbol, character_names(vocabulary))],
        "normalization": model.text_form.normalization.upper().replace("NONE", ""),
        "start": model.start,
        "end": vocabulary.characters.index(model.end) if ends else None,
        "unit": form.unit if model.reads_lines else None,
        "separator": "\n" if form.is_lines else "\n" + (form.separator or "\n"),
        "lineLength": model.default_length,
        "labels": labels and sorted(labels.names, key=lambda name: -labels.counts[labels.index(name)]),
    }


def _provenance(checkpoint: Checkpoint, precision: str, date: str, wanted: bool) -> str:
    """The footer: what the network is and, if that is wanted, what it learned from, how well, and when."""
    config, corpus = checkpoint.model.config, checkpoint.corpus
    cell = config.cell if config.nonlinearity == "tanh" else f"{config.cell} with {config.nonlinearity}"
    shape = counted(config.layers, "layers") + f" of {counted(config.hidden_size, 'units')}"
    parts = [f"The network: {cell}, {shape}, {checkpoint.model.n_params:,} parameters in {precision}."]
    losses = [row.val_loss for row in checkpoint.history if row.val_loss is not None]
    unit = checkpoint.model.vocabulary.unit
    if wanted and corpus is not None:
        size = counted(corpus.training_chars, f"{unit}s")
        parts.append(f"It learned from {size} of {one_line(corpus.name)}, and may repeat them.")
    if wanted and losses:
        before = ", before it was adapted to another text" if checkpoint.adapted else ""
        loss = f"{min(losses):.3f} nats ({min(losses) / math.log(2):.2f} bits) per {unit}"
        parts.append(f"Its validation loss is {loss}{before}.")
    if wanted:
        parts.append(f"The model is of {date}. Made with charrnn.")
    return f"<p>{html.escape(' '.join(parts))}</p>"


def _json(data: Any) -> str:
    """Data as JSON that can stand in a script element: no `<` begins or ends one."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _policy(style: str, script: str) -> str:
    """The Content Security Policy: no request at all, and no style or script but these two and the worker's."""
    allowed = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": f"{_hash(script)} 'wasm-unsafe-eval'",
        "worker-src": "blob:",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in allowed.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    """A file of the page, with `\\n` for the end of a line."""
    return (files("charrnn.export.page") / name).read_text(encoding="utf-8")
