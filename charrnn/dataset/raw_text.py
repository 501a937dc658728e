"""The raw text: the bytes of all files of a source, and what they are before they become ids."""

import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from charrnn.dataset import block_digest, conll, tables
from charrnn.dataset.bad_bytes import BadBytes
from charrnn.dataset.bad_lines import BadLines
from charrnn.dataset.files import Part, Source, by_file, list_files, read_parts
from charrnn.dataset.groups import in_groups
from charrnn.dataset.line_place import FileStart
from charrnn.dataset.records import with_ends
from charrnn.dataset.text_form import TextForm
from charrnn.errors import CorpusError
from charrnn.types import Ids

LINES_AT_ONCE = 64
"""The lines of pairs that are joined: a piece of text costs time wherever it goes, most with new characters in it."""


def corpus_mismatch_error(name: str) -> CorpusError:
    """The error for a text that is not the one that the run began with."""
    return CorpusError(
        f"the corpus {name} is not the one that this run began with: restore that one, or start a new run on this one "
        "with `init_from`"
    )


def texts_by_file(
    raw: Iterable[Part],
    source: Source,
    names: list[str],
    bad: BadLines,
    layout: str,
    undecoded: BadBytes | None = None,
) -> Iterator[str]:
    """The rows of tables, or sentences, as lines of source, tab and target; or records, each with its end; or lines.

    Each file is one of its own. The names of the tags of `conll` are added to `names`, the rows and sentences that have
    no such line to `bad`: in their place is a line without a tab. `undecoded` is as for `TextForm.decode`.
    """
    form, records = source.text_form, source.record_form
    unchanged = TextForm(form.encoding)
    if not source.table and records.is_lines:
        yield from form.decode(raw, source.errors, undecoded)
        return
    for path, parts in by_file(raw):
        if source.table == "conll":  # a word has as many tags as characters once it is normalised
            yield from _joined(conll.as_pairs(form.decode(parts, source.errors, undecoded), names, path, bad))
        elif source.table:  # a field may have its characters as escapes
            texts = unchanged.decode(parts, source.errors, undecoded)
            rows = tables.as_pairs(texts, source.table, source.columns, path, bad, layout, form.normalize)
            yield from map(form.normalize, _joined(rows))
        elif records.kind in tables.TABLES:
            yield from map(form.normalize, with_ends(records, unchanged.decode(parts, source.errors, undecoded), path))
        else:
            yield from with_ends(records, form.decode(parts, source.errors, undecoded), path)


def _joined(lines: Iterator[str]) -> Iterator[str]:
    """The same text in fewer pieces."""
    return map("".join, in_groups(lines, LINES_AT_ONCE))


class RawText:
    """The bytes of all files of a source, counted and digested as they are read; b"" ends each file.

    These are the bytes after decompression, with the newlines between files: a compressed text is the same corpus.
    """

    def __init__(self, source: Source, limit: int | None, notice: Callable[[str], None], digest: str = ""):
        """`digest` is one of the kind to make, by default SHA-256."""
        self.name, self.source, self.limit = source.name, source, limit
        self.paths = list_files(source.paths, source.file_filter, notice)
        self.digest = block_digest.of_kind(digest)
        self.size = 0
        self.files: list[FileStart] = []
        """Where each file begins, if there are several: see `count_lines`."""
        self.n_lines = 0

    def count_lines(self, texts: Iterable[str]) -> Iterator[str]:
        """The same texts, which are read from these parts, with their newlines counted; those of bytes are anyway."""
        has_several = len(self.paths) > 1
        for text in texts:
            if has_several:
                self.n_lines += text.count("\n")
            yield text

    def __iter__(self) -> Iterator[Part]:
        source = self.source
        is_separate = source.separate_files and source.record_form.is_lines  # other records end with their file
        parts = read_parts(self.paths, as_is=source.as_bytes, encoding=source.encoding, separate=is_separate)
        is_new = has_several = len(self.paths) > 1
        for path, part in parts:
            if is_new:  # the text of the parts before is read by now
                self.files.append(FileStart(path, self.n_lines))
            is_new = has_several and not part
            if has_several and source.as_bytes:
                self.n_lines += part.count(b"\n")
            self.digest.update(part)
            self.size += len(part)
            if self.limit is not None and self.size > self.limit:  # a pipe may never end
                raise corpus_mismatch_error(self.name)
            yield path, part


def map_bytes(parts: Iterable[Part]) -> Ids:
    """The bytes, in an unnamed temporary file that is mapped into memory, so that only the parts in use are loaded.

    The file is a copy: other programs may truncate the originals, and reading a mapped file past its end kills the
    process. `parts` are those of the copy. Raises `CorpusError` if there is no room for it.
    """
    folder = "a temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="charrnn-") as copy:
            for _, part in parts:
                copy.write(part)
            copy.flush()
            return np.asarray(np.memmap(copy, np.uint8, "r")) if copy.tell() else np.zeros(0, np.uint8)
    except OSError as error:
        text = error.strerror or error
        raise CorpusError(f"can't keep a copy of the bytes in {folder}: {text}; set TMPDIR to another folder") from None
