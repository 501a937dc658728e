"""The metadata that the model's file and the training's file share, as JSON."""

from collections.abc import Callable
from typing import Any, TypeVar

from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.config import Config, ModelConfig
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, VocabularyError
from charrnn.training.state import Evaluation

MAX_TEXT = 1000
"""Characters of a text in the metadata, such as a version."""
Record = TypeVar("Record", bound=Config)


def read_text(file: TensorFile, key: str) -> str:
    """What is a text, and no long one, where it is written at all."""
    text = file.json(key) if file.has(key) else ""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise file.damaged(key)
    return text


def read_model(file: TensorFile) -> tuple[ModelConfig, Vocabulary]:
    config, data = read_config(file, "model", ModelConfig), file.json("vocabulary")
    if data != "bytes" and not isinstance(data, list):
        raise file.damaged("vocabulary")
    try:
        vocabulary = Vocabulary(None if data == "bytes" else data)
    except (VocabularyError, TypeError):
        raise file.damaged("vocabulary") from None
    if len(vocabulary) != config.vocab_size:
        raise file.damaged("vocabulary")
    return config, vocabulary


def vocabulary_to_json(vocabulary: Vocabulary) -> list[str] | str:
    return "bytes" if vocabulary.is_bytes else list(vocabulary.characters)


def read_line_set(file: TensorFile, vocabulary: Vocabulary) -> LineSet:
    try:
        known = LineSet.from_json(file.json("records"))
    except ValueError:
        raise file.damaged("records") from None
    if "\n" not in vocabulary.characters:
        raise file.damaged("vocabulary")
    return known


def read_config(file: TensorFile, key: str, kind: type[Record]) -> Record:
    return _made(file, key, kind.from_dict, file.json(key))


def read_history(file: TensorFile) -> list[Evaluation]:
    rows = file.json("history")
    if not isinstance(rows, list):
        raise file.damaged("history")
    return [_made(file, "history", Evaluation.from_dict, row) for row in rows]


def history_to_json(rows: list[Evaluation]) -> list[dict[str, Any]]:
    return [vars(row) for row in rows]  # there may be many, and `asdict` takes ten times as long


def _made(file: TensorFile, key: str, make: Callable[[Any], Record], data: Any) -> Record:
    try:
        return make(data)
    except ConfigError as error:
        raise CheckpointError(f"{file.path} is damaged: in its {key!r}, {error}") from None
