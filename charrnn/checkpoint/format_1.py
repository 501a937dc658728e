"""Format 1 of the checkpoint: its metadata, converted to the format that is written today."""

from typing import Any

from charrnn.checkpoint.tensor_file import TensorFile

KEYS = {"counters": "position", "line_set": "records"}
"""The keys of the metadata that were renamed: today's name → the name in format 1."""
FIELDS = {
    "model": {"locked": "locked_dropout"},
    "training": {"average": "ema_decay"},
    "corpus": {"training": "training_chars", "validation": "validation_chars"},
    "history": {"averaged": "ema"},
    "counters": {"chunk": "batch", "offset": "order", "tries": "rollbacks"},
}
"""The fields in the value of each key that were renamed: the name in format 1 → today's name."""
EMA_PREFIX = "average."
"""The prefix of the averaged weights' names in the training's file."""


def has(file: TensorFile, key: str) -> bool:
    """Whether a file of format 1 has the value that has this key today."""
    return key == "layout" or file.has(KEYS.get(key, key))


def read_json(file: TensorFile, key: str) -> Any:
    """The value of today's key in a file of format 1, converted to today's form."""
    if key == "layout":
        return _layout(file)
    data = file.json(KEYS.get(key, key))
    rows = data if isinstance(data, list) else [data]
    renamed = [_rename(row, FIELDS.get(key, {})) for row in rows] if key in FIELDS else rows
    if key == "training" and isinstance(data, dict) and isinstance(data.get("lines", False), bool):
        renamed[0]["layout"] = "lines" if renamed[0].pop("lines", False) else "stream"
    return renamed if isinstance(data, list) else renamed[0]


def _layout(file: TensorFile) -> str:
    """The layout: only a model of lines had a set of them."""
    return "lines" if file.has("records") else "stream"


def _rename(data: Any, names: dict[str, str]) -> Any:
    return {names.get(name, name): value for name, value in data.items()} if isinstance(data, dict) else data
