"""The options for records: `--records-by`, `--documents`, and `--csv` or `--jsonl` with one column."""

from charrnn.dataset.record_form import RecordForm
from charrnn.errors import ConfigError

RECORDS_BY = "Each text of its own ends before this text, such as '%' or '\\n---\\n'; '': before a blank line."
DOCUMENTS = "Each file is a text of its own."


def record_form(
    records_by: str | None, documents: bool | None, csv: str | None, jsonl: str | None
) -> RecordForm | None:
    """The form of records that is given, if any. Raises `ConfigError` for two of them, and for an invalid one."""
    given = {"--records-by": records_by, "--documents": documents or None, "--csv": csv, "--jsonl": jsonl}
    options = [option for option, value in given.items() if value is not None]
    if len(options) > 1:
        raise ConfigError(f"{' and '.join(options)} can't both be given: a text of its own is one thing")
    if records_by is not None:
        return RecordForm.between(records_by)
    if documents:
        return RecordForm("documents")
    for kind, column in (("csv", csv), ("jsonl", jsonl)):
        if column is not None:
            if not column.strip() or "," in column:
                raise ConfigError(f"--{kind} is the name of one column, not {column!r}")
            return RecordForm(kind, column.strip())
    return None
