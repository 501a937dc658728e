"""The record form: what a text of its own is, such as a line, a card, a file or a row of a table, and how it ends."""

from dataclasses import asdict, dataclass
from typing import Any

from charrnn.config import one_of
from charrnn.dataset.escapes import escape, unescape
from charrnn.errors import ConfigError

END_OF_RECORD = "\x1e"
"""U+001E, RECORD SEPARATOR in ASCII: ends a record that may have newlines."""
KINDS = ("lines", "blank", "text", "documents", "csv", "jsonl")
"""What lies between two records: a newline, blank lines, a text, or the end of a file; or a record is a column's value
in a row of CSV, or a field's in a line of JSON."""
WITH_TEXT = ("text", "csv", "jsonl")
"""The kinds that need a text: the one between two records, or the name of the column or the field."""


@dataclass(frozen=True)
class RecordForm:
    """How a text is divided into records, and the character that ends each of them in a corpus.

    Lines end with their newline. Other records end with `END_OF_RECORD`, which their corpus has after each of them, so
    that their own newlines are characters like any other. One that the text has itself ends a record too. A record
    ends with its file at the latest; an empty one is left out. Newlines beside a blank line or a text between two
    records belong to neither of the two. Raises `ConfigError` for a form that does not exist.
    """

    kind: str = "lines"
    text: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not isinstance(self.text, str):
            raise ConfigError("the kind and the text of a form of records are texts")
        one_of("records", self.kind, KINDS)
        if (self.kind in WITH_TEXT) != (self.text != ""):
            raise ConfigError(f"records of the kind {self.kind!r} can't have the text {self.text!r}")

    @classmethod
    def between(cls, text: str) -> "RecordForm":
        """The records between which a text stands, given as on the command line: see `escapes.unescape`.

        An empty text, or two newlines, stands for any number of blank lines; a newline makes lines.
        """
        text = unescape(text, "`records_by`")
        if text in ("", "\n\n"):
            return cls("blank")
        return LINES if text == "\n" else cls("text", text)

    @classmethod
    def from_json(cls, data: Any) -> "RecordForm":
        """Undoes `to_json`; raises `ValueError` for data that `to_json` can't have made."""
        try:
            return cls(**data)
        except (TypeError, ConfigError) as error:
            raise ValueError("this is not a form of records") from error

    def to_json(self) -> dict[str, str]:
        """The form as JSON data."""
        return asdict(self)

    @property
    def is_lines(self) -> bool:
        """Whether a record is a line."""
        return self.kind == "lines"

    @property
    def end(self) -> str:
        """The character that ends each record in a corpus, and stands before the first one."""
        return "\n" if self.is_lines else END_OF_RECORD

    @property
    def unit(self) -> str:
        """What the records are called."""
        return self.kind if self.kind in ("lines", "documents") else "records"

    @property
    def separator(self) -> str:
        """What follows a record in print, after the end of its last line, so that the same form reads it again."""
        if self.is_lines:
            return ""
        text = self.text.strip("\n") if self.kind == "text" else ""
        return f"{text}\n" if text or self.kind != "text" else self.text[1:]

    @property
    def option(self) -> str:
        """The name of the option of the command line that chooses the form."""
        return "records-by" if self.kind in ("blank", "text") else self.kind

    @property
    def words(self) -> list[str]:
        """The options of the command line that choose the form."""
        if self.kind in ("blank", "text"):
            return [f"--{self.option}={escape(self.text)}"]
        return [f"--{self.option}={self.text}" if self.text else f"--{self.option}"]


LINES = RecordForm()
"""Each line is a text of its own: so it is, unless another form is given."""
