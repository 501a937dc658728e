"""The metadata that the model's file and the training's file share, as JSON, in every format that was ever written."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeVar

from charrnn.checkpoint import format_1
from charrnn.checkpoint.adapted_text import AdaptedText
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.config import FORM_OF_LAYOUT, LAYOUTS, LINE_LAYOUTS, PAIR_LAYOUTS, WRITERS, Config, ModelConfig
from charrnn.dataset.files import Source
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.table_form import TableForm
from charrnn.dataset.tables import TABLES
from charrnn.dataset.text_form import DEFAULT_FORM, TextForm
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.errors import CheckpointError, ConfigError, CorpusError, VocabularyError
from charrnn.model.line_scores import LineScores
from charrnn.model.model import Model
from charrnn.training.state import Evaluation

MAX_ADAPTED = 1000
"""The most texts that a model is said to have learned from after its training."""
MAX_TEXT = 1000
"""The most characters of a text in the metadata, such as a version."""
Settings = TypeVar("Settings", bound=Config)


def has(file: TensorFile, key: str) -> bool:
    """Whether the metadata has a key."""
    return format_1.has(file, key) if file.format == 1 else file.has(key)


def read_json(file: TensorFile, key: str) -> Any:
    """The value of a key."""
    return format_1.read_json(file, key) if file.format == 1 else file.json(key)


def read_text(file: TensorFile, key: str) -> str:
    """A short text; empty if the metadata lacks the key."""
    text = file.json(key) if file.has(key) else ""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise file.damaged(key)
    return text


def read_model(file: TensorFile) -> tuple[ModelConfig, Vocabulary]:
    """The configuration of the model, and its vocabulary."""
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
    """The characters in the order of their ids, or `bytes`."""
    return "bytes" if vocabulary.is_bytes else list(vocabulary.characters)


def text_form_to_json(form: TextForm) -> dict[str, Any]:
    """The key `text_form` for the metadata; none for the form of most texts, so that files are as they always were."""
    return {} if form == DEFAULT_FORM else {"text_form": asdict(form)}


def read_text_form(file: TensorFile, default: TextForm) -> TextForm:
    """How the training text was read; the default if the metadata does not say so, as that of older files does not."""
    if not has(file, "text_form"):
        return default
    try:
        return TextForm(**read_json(file, "text_form"))
    except (ConfigError, CorpusError, TypeError):
        raise file.damaged("text_form") from None


def read_layout(file: TensorFile, vocabulary: Vocabulary) -> str:
    """The layout of the training text; `stream` if the metadata lacks it, as that of other programs does."""
    layout = read_json(file, "layout") if has(file, "layout") else "stream"
    if layout not in LAYOUTS:
        raise file.damaged("layout")
    if layout in LINE_LAYOUTS and read_record_form(file, layout).end not in vocabulary.characters:
        raise file.damaged("vocabulary")
    if layout in PAIR_LAYOUTS and TAB not in vocabulary.characters:
        raise file.damaged("vocabulary")
    return str(layout)


def read_record_form(file: TensorFile, layout: str) -> RecordForm:
    """What a text of its own is; a line if the metadata lacks it, as that of lines does."""
    if not file.has("record_form"):
        return LINES
    if layout != "lines":
        raise file.damaged("record_form")
    try:
        return RecordForm.from_json(file.json("record_form"))
    except ValueError:
        raise file.damaged("record_form") from None


def table_of(source: Source | None) -> TableForm | None:
    """The columns that a run reads its corpus from, if that is a table of two."""
    if source is None or source.table not in TABLES:
        return None
    first, second = source.columns
    return TableForm(source.table, (first, second))


def read_table(file: TensorFile, layout: str) -> TableForm | None:
    """The columns that the training text was read from; None if the metadata does not say so, as most does not."""
    if not file.has("table"):
        return None
    if layout not in PAIR_LAYOUTS:
        raise file.damaged("table")
    try:
        return TableForm.from_json(file.json("table"))
    except ValueError:
        raise file.damaged("table") from None


def read_line_set(file: TensorFile, layout: str) -> LineSet | None:
    """The lines of the training text, if the metadata has them, which only those of lines can."""
    if not has(file, "line_set"):
        return None
    if layout not in LINE_LAYOUTS:
        raise file.damaged("line_set")
    try:
        return LineSet.from_json(read_json(file, "line_set"))
    except ValueError:
        raise file.damaged("line_set") from None


def scoring_to_json(model: Model) -> dict[str, Any]:
    """The keys `unseen` and `line_scores` for the metadata, if the model has them."""
    unseen = {} if model.unseen is None else {"unseen": model.unseen.to_dict()}
    return unseen | ({} if model.line_scores is None else {"line_scores": model.line_scores.to_json()})


def read_unseen(file: TensorFile) -> UnseenEstimate | None:
    """How probable unseen characters are; None if the metadata does not say so, as that of older files does not."""
    return read_config(file, "unseen", UnseenEstimate) if file.has("unseen") else None


def read_line_scores(file: TensorFile) -> LineScores | None:
    """The scores of held-out lines, if the metadata has them."""
    if not file.has("line_scores"):
        return None
    try:
        return LineScores.from_json(file.json("line_scores"))
    except ValueError:
        raise file.damaged("line_scores") from None


def read_labels(file: TensorFile, layout: str, model: ModelConfig, vocabulary: Vocabulary) -> LabelSet | None:
    """The labels or tags of the training text; a classifier or a tagger has them, a language model of pairs may.

    Raises `CheckpointError` if the layout, the form of the model and the labels do not fit.
    """
    if model.form != FORM_OF_LAYOUT.get(layout, "language_model"):
        raise file.damaged("layout")
    if not has(file, "labels") and model.form in WRITERS:
        return None
    if layout not in PAIR_LAYOUTS:
        raise file.damaged("labels")
    try:
        labels = LabelSet.from_json(read_json(file, "labels"))
        labels = replace(labels, of_words=_are_of_words(file, layout, labels))
        if len(labels) != model.outputs and model.form not in WRITERS:
            raise file.damaged("labels")
        if model.form == "tagger" and (vocabulary.is_bytes or not all(labels.names)):
            raise file.damaged("labels")
        if model.form == "language_model":  # which reads and writes them
            vocabulary.encode("".join(labels.names))
    except (ConfigError, VocabularyError):
        raise file.damaged("labels") from None
    return labels


def _are_of_words(file: TensorFile, layout: str, labels: LabelSet) -> bool:
    """Whether the labels are the tags of words; if the metadata does not say so, whether one is longer than a letter.

    Raises `CheckpointError` for labels that are no tags, or those of characters but longer than a letter.
    """
    has_names = layout == "tags" and any(len(name) > 1 for name in labels.names)
    if not has(file, "tags_of_words"):
        return has_names
    of_words = read_json(file, "tags_of_words")
    if layout != "tags" or type(of_words) is not bool or (has_names and not of_words):
        raise file.damaged("tags_of_words")
    return of_words


def read_config(file: TensorFile, key: str, kind: type[Settings]) -> Settings:
    """Settings of a class."""
    return _make(file, key, kind.from_dict, read_json(file, key))


def read_history(file: TensorFile) -> list[Evaluation]:
    """The evaluations."""
    rows = read_json(file, "history")
    if not isinstance(rows, list):
        raise file.damaged("history")
    return [_make(file, "history", Evaluation.from_dict, row) for row in rows]


def read_adapted(file: TensorFile) -> tuple[AdaptedText, ...]:
    """The texts that the model learned from after its training, in order; none if the metadata lacks them."""
    rows = file.json("adapted") if file.has("adapted") else []
    if not isinstance(rows, list) or len(rows) > MAX_ADAPTED:
        raise file.damaged("adapted")
    return tuple(_make(file, "adapted", AdaptedText.from_dict, row) for row in rows)


def adapted_to_json(texts: tuple[AdaptedText, ...]) -> dict[str, Any]:
    """The key `adapted` for the metadata, with the last ones; none for a model as its training left it."""
    return {"adapted": [text.to_dict() for text in texts[-MAX_ADAPTED:]]} if texts else {}


def history_to_json(rows: list[Evaluation]) -> list[dict[str, Any]]:
    """The evaluations as JSON data."""
    return [vars(row) for row in rows]  # there may be many, and `asdict` takes ten times as long


def _make(file: TensorFile, key: str, make: Callable[[Any], Settings], data: Any) -> Settings:
    try:
        return make(data)
    except ConfigError as error:
        raise CheckpointError(f"{file.path} is damaged: in its {key!r}, {error}") from None
