"""Format 1 of the checkpoint: its metadata, read under the names of the format that is written today."""

from typing import Any

from charrnn.checkpoint.tensor_file import TensorFile

KEYS = {"counters": "position", "line_set": "records"}
"""The keys of the metadata that had another name: today's → that of format 1."""
FIELDS = {
    "model": {"locked": "locked_dropout"},
    "training": {"average": "ema_decay"},
    "corpus": {"training": "training_chars", "validation": "validation_chars"},
    "history": {"averaged": "ema"},
    "counters": {"chunk": "batch", "offset": "order", "tries": "rollbacks"},
}
"""The fields in the value of each key that had another name: that of format 1 → today's."""
EMA_PREFIX = "average."
"""How the names of the averaged weights began in the file of a training."""


def has(file: TensorFile, key: str) -> bool:
    """Whether a file of format 1 has what stands under a key today."""
    return key == "layout" or file.has(KEYS.get(key, key))


def read_json(file: TensorFile, key: str) -> Any:
    """What a file of format 1 has for a key, as a file of today has it."""
    if key == "layout":
        return _layout(file)
    data = file.json(KEYS.get(key, key))
    rows = data if isinstance(data, list) else [data]
    renamed = [_rename(row, FIELDS.get(key, {})) for row in rows] if key in FIELDS else rows
    if key == "training" and isinstance(data, dict) and isinstance(data.get("lines", False), bool):
        renamed[0]["layout"] = "lines" if renamed[0].pop("lines", False) else "stream"
    return renamed if isinstance(data, list) else renamed[0]


def _layout(file: TensorFile) -> str:
    """The layout: a model of lines had a set of them."""
    return "lines" if file.has("records") else "stream"


def _rename(data: Any, names: dict[str, str]) -> Any:
    return {names.get(name, name): value for name, value in data.items()} if isinstance(data, dict) else data
