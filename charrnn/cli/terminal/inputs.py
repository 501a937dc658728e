"""The inputs of a command that reads a model and then texts: which argument is which, and lines as they arrive."""

import itertools
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypeVar

import typer

from charrnn.cli.terminal.help import READING, option
from charrnn.cli.terminal.undecoded import UndecodedBytes

if TYPE_CHECKING:
    from charrnn.dataset.files import Part
    from charrnn.dataset.line_place import HasPlace
    from charrnn.dataset.line_reader import Line
    from charrnn.dataset.table_form import TableForm
    from charrnn.model.model import Model


class Row(NamedTuple):
    """A line of a text, as it is read with or without `--evaluate`."""

    source: str
    target: str
    """The one that is expected, if any."""
    file: str
    number: int
    """Which line of that file it is, from 1."""


Item = TypeVar("Item", bound="HasPlace")
Answer = TypeVar("Answer")

ModelArgument = Annotated[
    str | None,
    typer.Argument(help="The model's file, *.safetensors. [the newest in checkpoints/]", show_default=False),
]
"""The first argument of such a command: see `model_and_texts`."""
TextsArgument = Annotated[
    list[str] | None, typer.Argument(help="Files, folders, or - for stdin. [stdin]", show_default=False)
]
"""Its further arguments."""
EncodingOption = Annotated[
    str | None, option(READING, "Encoding of the text, unless a byte order mark says it. [that of the training text]")
]
"""The encoding of its texts: see `Model.with_encoding`."""
ARRIVAL_BLOCK = 1 << 15
"""The most bytes that are read at once as they arrive: about 500 lines, enough to be read side by side."""


def model_and_texts(command: str, first: str | None, rest: list[str] | None) -> tuple[Path | None, list[str]]:
    """The model's file, if it is given, and the paths of the texts, which are stdin if none are.

    The first argument is the model only if its name ends as that of a model. Raises `ConfigError` for a model among the
    texts.
    """
    from charrnn.checkpoint.paths import SUFFIX
    from charrnn.dataset.files import STDIN
    from charrnn.errors import ConfigError

    paths = rest or []
    if first is not None and not first.endswith(SUFFIX):
        paths, first = [first, *paths], None
        if models := [path for path in paths if path.endswith(SUFFIX)]:
            raise ConfigError(f"the model comes before the texts: charrnn {command} {models[0]} {paths[0]}")
    return Path(first) if first else None, paths or [STDIN]


def size_of_texts(paths: list[str]) -> float:
    """The bytes of the texts' files, infinite for a stream. Raises `CorpusError` for one that is missing."""
    from charrnn.dataset.files import list_files, total_size
    from charrnn.dataset.folders import FileFilter

    return total_size(list_files(paths, FileFilter(as_bytes=True)))  # it need not be exact


def find_texts(paths: list[str], model: "Model", notice: Callable[[str], None]) -> list[str]:
    """The files of the texts for a model, with a notice of those that were skipped in folders."""
    from charrnn.dataset.files import list_files
    from charrnn.dataset.folders import FileFilter

    chosen = FileFilter(encoding=model.text_form.encoding, as_bytes=model.vocabulary.is_bytes)
    return list_files(paths, chosen, notice)


def load_model(
    path: Path, size: float, engine: str, encoding: str | None, quiet: bool, check: Callable[["Model"], object]
) -> "Model":
    """The model, with the engine that suits the bytes of text, and for their encoding.

    `check` raises an error for the wrong kind of model, before any text is read.
    """
    from charrnn import engine as engines
    from charrnn.checkpoint.model_file import load
    from charrnn.cli.terminal.engine import with_engine

    engines.resolve(engine, 0)  # an invalid engine is an error before anything is read
    size = 0 if size == math.inf else size  # a stream may be short: it need not compile
    model = load(path).model.with_encoding(encoding)
    check(model)
    return with_engine(model, engine, size, quiet)


def answered(
    batches: Iterable[list[Item]],
    text: Callable[[Item], str],
    answer: Callable[[Iterator[list[str]]], Iterator[list[Answer]]],
    has_several: bool,
    unit: str = "line",
) -> Iterator[list[tuple[Item, Answer]]]:
    """The items of each batch, each with the answer for its text.

    `answer` yields what it finds for each batch of texts, in order; it may read batches ahead. Before an error it may
    yield the answers for the first ones of a batch alone. An error about one of the texts names its place: see
    `place_of`.
    """
    from charrnn.dataset.line_place import place_of
    from charrnn.errors import CharRNNError

    asked: deque[list[Item]] = deque()  # the batches without answers, after the last one with some
    before = 0  # the items in batches before these

    def texts() -> Iterator[list[str]]:
        for batch in batches:
            asked.append(batch)
            yield [text(item) for item in batch]

    last: list[Item] = []
    try:
        for answers in answer(texts()):
            before += len(last)
            last = asked.popleft()
            yield [*zip(last, answers, strict=False)]
    except CharRNNError as error:
        if not error.number:
            raise
        items = itertools.chain(last, *asked)
        item = next(itertools.islice(items, error.number - before - 1, None))
        raise error.at(place_of(item, has_several, unit)) from None


class HasUnknown(Protocol):
    """An answer that says how many characters of its text the model has never seen."""

    @property
    def unknown(self) -> int:
        """Their number."""


Known = TypeVar("Known", bound=HasUnknown)


class UnknownCounter:
    """Counts, on their way to be printed, the characters that the model has never seen."""

    def __init__(self, model: "Model", text: Callable[[Any], str]) -> None:
        """`text` is that of an item."""
        self.total, self.text, self.undecoded = 0, text, UndecodedBytes(model)

    def counted(self, batches: Iterable[list[tuple[Item, Known]]]) -> Iterator[list[tuple[Item, Known]]]:
        """The same answers."""
        for batch in batches:
            for item, answer in batch:
                if answer.unknown:
                    self.total += answer.unknown
                    self.undecoded.look(self.text(item))
            yield batch

    def tell(self, done: str, notice: Callable[[str], None]) -> None:
        """Says what was done with them, and their number, if there were any."""
        if self.total:
            notice(f"characters that the model has never seen {done}: {self.total:,}")
            self.undecoded.tell(notice)


def done_with_unknown(policy: str) -> str:
    """What a policy of `Vocabulary.replace_unknown` does with unknown characters."""
    return "were replaced by the nearest ones" if policy == "nearest" else "were left out"


def rows_of(files: list[str], model: "Model", target: str, notice: Callable[[str], None]) -> Iterator[list[Row]]:
    """The lines of a text as they arrive, each a source and, if `target` names what it has to have, its target.

    Without a target a line is a source as it is; with one, empty lines are left out, as in training. Of a table with
    the column of the training text they are its rows. Raises `CorpusError` for a line or a row that is not a source and
    its target.
    """
    from charrnn.dataset.files import by_file, read_parts
    from charrnn.dataset.table_form import first_line

    notice_typing(files, notice)
    form, table = model.text_form, model.table
    parts = read_parts(files, ARRIVAL_BLOCK, as_is=model.vocabulary.is_bytes, encoding=form.encoding)
    if table is None:
        yield from _rows_of_lines(parts, model, target, len(files) > 1, notice)
        return
    for path, of_file in by_file(parts):
        line, of_file = first_line(of_file, form)
        if table.begins_with(line):
            yield from _rows_of_table(path, of_file, model, table, target, notice)
        else:
            yield from _rows_of_lines(of_file, model, target, len(files) > 1, notice)


def _rows_of_table(
    path: str, parts: "Iterator[Part]", model: "Model", table: "TableForm", target: str, notice: Callable[[str], None]
) -> Iterator[list[Row]]:
    """The rows of a table in the columns of the training text, of which those with a `target` need both."""
    from charrnn.dataset.tables import rows
    from charrnn.dataset.text_form import TextForm
    from charrnn.errors import CorpusError

    wanted, normalize = table.columns if target else table.columns[:1], model.text_form.normalize
    noun = ("columns" if table.kind == "csv" else "fields").removesuffix("s" * (not target))
    notice(f"{path} is a table like the training text: reads its {noun} {' and '.join(map(repr, wanted))}")
    pieces = TextForm(model.text_form.encoding).decode(parts)
    for found in rows(pieces, table.kind, wanted, path, model.layout):
        batch = []
        for number, (source, *expected) in found:
            batch.append(Row(normalize(source), normalize("".join(expected)), path, number))
            if target == "tags" and (problem := _problem(batch[-1].source, "\t", batch[-1].target, target)):
                raise CorpusError(f"line {number:,} of {path} {problem[0]}: {problem[1]}")
        yield batch


def _rows_of_lines(
    parts: "Iterable[Part]", model: "Model", target: str, has_several: bool, notice: Callable[[str], None]
) -> Iterator[list[Row]]:
    """The lines of a text, each a row; says so if the first of a file is an object of JSON, which is text here."""
    from charrnn.dataset.line_place import place_of
    from charrnn.dataset.line_reader import read_lines
    from charrnn.dataset.table_form import is_object
    from charrnn.errors import CorpusError

    for lines in read_lines(parts, model.vocabulary, model.text_form):
        rows = []
        if lines and lines[0].number == 1 and is_object(lines[0].text):
            fields = "'[.TEXT, .EXPECTED] | @tsv'" if target else ".TEXT"
            notice(f"{lines[0].file} has JSON, which is read as text: take its fields out with `jq -r {fields}`")
        for line in lines:
            text = line.text.removesuffix("\n")
            if target and not text:
                continue
            source, tab, expected = text.partition("\t") if target else (text, "", "")
            if target and (problem := _problem(source, tab, expected, target)):
                advice = _conll_advice(lines) if target == "tags" else ""
                raise CorpusError(f"{place_of(line, has_several)} {problem[0]}: {advice or problem[1]}")
            rows.append(Row(source, expected, line.file, line.number))
        yield rows


def _problem(source: str, tab: str, expected: str, target: str) -> tuple[str, str] | None:
    """What is wrong with a line to evaluate, as in training, and what to do; None for a good one."""
    from charrnn.dataset.bad_lines import unequal

    if not tab or "\t" in expected:
        return f"is not a text, a tab and its {target}", "--evaluate needs both"
    if not source:
        return "has no text before its tab", "--evaluate needs one"
    if target == "label" and not expected.strip():
        return "has no label after its tab", "--evaluate needs one"
    if target == "tags" and len(source) != len(expected):
        return unequal(len(source), len(expected)), "give one for each"
    return None


def _conll_advice(lines: "list[Line]") -> str:
    """What to do about lines that look like words and tags; empty if they don't."""
    from charrnn.dataset.conll import ADVICE, looks_tagged

    return ADVICE if looks_tagged(line.text for line in lines) else ""


def notice_typing(paths: list[str], notice: Callable[[str], None]) -> None:
    """Says that the program waits for text that is typed, if it does."""
    from charrnn.dataset.files import STDIN

    if STDIN in paths and sys.stdin.isatty():
        notice("reading what you type, up to Ctrl-D")
