"""The records: the texts of their own that a file holds, in pieces as it is read, by the form that they have."""

from collections.abc import Iterable, Iterator

from charrnn.dataset import tables
from charrnn.dataset.files import Part, by_file, decoded_texts
from charrnn.dataset.line_reader import Line, texts_between
from charrnn.dataset.record_form import END_OF_RECORD, RecordForm
from charrnn.dataset.text_form import TextForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

BLANKS = " \t\r"
"""The characters that a blank line may have."""


def records_of(form: RecordForm, pieces: Iterable[str], name: str, as_bytes: bool = False) -> Iterator[list[str]]:
    """The records of a file, which comes in pieces: for each piece those that it completes; and those at the end.

    Of CSV a list may wait for further pieces. With `as_bytes`, each character of the pieces is a byte. Raises
    `CorpusError` for a table that is not one, or of bytes; `name` is that of the file.
    """
    for records in numbered_records(form, pieces, name, as_bytes):
        yield [record for _, record in records]


def numbered_records(
    form: RecordForm, pieces: Iterable[str], name: str, as_bytes: bool = False
) -> Iterator[list[tuple[int, str]]]:
    """`records_of`, each record with its number in the file, from 1; of a table the empty ones have a number too."""
    is_table, number = form.kind in tables.TABLES, 0
    if is_table and as_bytes:
        raise CorpusError(f"`{form.option}` reads characters: leave out `as_bytes`")
    if is_table:
        found = tables.column(pieces, form.kind, form.text, name)
    elif form.kind == "documents":
        found = iter([["".join(pieces)]])
    else:
        found = _paragraphs(pieces) if form.kind == "blank" else texts_between(pieces, _border(form, as_bytes))
    has_edges = form.kind in ("blank", "text")
    for records in found:
        numbered = []
        for record in records:
            parts = (part.strip("\r\n") if has_edges else part for part in record.split(END_OF_RECORD))
            kept = [part for part in parts if part]
            number += is_table or bool(kept)
            numbered += [(number, part) for part in kept]
        yield numbered


def with_ends(form: RecordForm, pieces: Iterable[str], name: str, as_bytes: bool = False) -> Iterator[str]:
    """The records of a file, each with its end, in pieces of a text; otherwise as `records_of`."""
    for records in records_of(form, pieces, name, as_bytes):
        if records:
            yield form.end.join((*records, ""))


def bytes_with_ends(form: RecordForm, parts: Iterable[Part]) -> Iterator[Part]:
    """The records of files for a model of bytes, each with its end."""
    for path, of_file in by_file(parts):
        pieces = (part.decode("latin-1") for _, part in of_file)  # a character for each byte
        for text in with_ends(form, pieces, path, as_bytes=True):
            yield path, text.encode("latin-1")


def read_records(
    parts: Iterable[Part], form: RecordForm, vocabulary: Vocabulary, text_form: TextForm
) -> Iterator[list[Line]]:
    """The records of files as they arrive, as a model of that vocabulary reads them: each with its end.

    Raw, each of them has a newline in the place of its end. A model of bytes reads the texts of a table in UTF-8.
    """
    is_table = form.kind in tables.TABLES  # whose fields may have their characters as escapes
    as_bytes = vocabulary.is_bytes and not is_table
    for path, of_file in by_file(parts):
        if is_table:
            pieces = TextForm(text_form.encoding).decode(of_file)
        else:
            texts = decoded_texts(of_file, vocabulary, text_form)
            pieces = (text.decode("latin-1") if isinstance(text, bytes) else text for text in texts)
        for numbered in numbered_records(form, pieces, path, as_bytes):
            numbers, records = [n for n, _ in numbered], [record for _, record in numbered]
            if as_bytes:
                records = [record.encode("latin-1").decode("utf-8", "surrogateescape") for record in records]
            elif is_table:
                records = [*map(text_form.normalize, records)]
            yield [Line(r + "\n", r + form.end, path, n) for n, r in zip(numbers, records, strict=True)]


def _border(form: RecordForm, as_bytes: bool) -> str:
    """The text between two records, as it stands in the pieces."""
    text = form.text or "\n"
    if as_bytes:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _paragraphs(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The texts between blank lines, as `texts_between`."""
    lines: list[str] = []
    for ended in texts_between(pieces, "\n"):
        found = []
        for line in ended:
            if line.strip(BLANKS):
                lines.append(line)
            elif lines:
                found.append("\n".join(lines))
                lines = []
        yield found
    yield ["\n".join(lines)]
