"""Compressed files: the text of gzip, bzip2, xz and Zstandard files, decompressed as it arrives."""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, Protocol

from charrnn.dataset import shell_words
from charrnn.dataset.file_types import may_begin, refuse
from charrnn.errors import CorpusError
from charrnn.optional import import_optional, install

SLICE = 1 << 16
"""The compressed bytes that are decompressed at once: what follows the end of a member is copied."""
LIBRARY_START = re.compile(r"^Error -?\d+ while [a-z ]+: ")
"""How the errors of zlib begin, which is no matter of the file."""
MAX_XZ_MEMORY = 1 << 28
"""The most bytes of memory for an xz file: `xz -9` needs a quarter of it, but a file can ask for any amount."""


class DamagedFileError(CorpusError):
    """A compressed file whose text can't be read to its end."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{'stdin' if path == '-' else path} {problem}")
        self.path = path


class Decompressor(Protocol):
    """The decompressor of one member of a file, as the standard library has them."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is no more output without more input."""

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the member."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next output, at most `max_length` bytes of it."""


class Compression(NamedTuple):
    """A form of compression."""

    name: str
    program: str
    starts: tuple[bytes, ...]
    """The first bytes of its files."""
    open: Callable[[str], Decompressor]
    """A decompressor for the file at a path."""

    @property
    def article(self) -> str:
        """The indefinite article before its name."""
        return "an" if self.name == "xz" else "a"


class _GzipDecompressor:
    """The decompressor of a gzip member: zlib keeps the input for which there was no room itself."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)  # with gzip's header and checksum
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(found) < max_length
        return found


def _zstd(path: str) -> Decompressor:
    """The decompressor of a Zstandard frame, which came to the standard library with Python 3.14."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            found: Decompressor = import_optional(name).ZstdDecompressor()
            return found
    shown = "stdin" if path == "-" else path
    raise CorpusError(f"{shown} is a zstd file, which needs backports.zstd: {install('zstd')}")


COMPRESSIONS = (
    Compression("gzip", "gzip", (b"\x1f\x8b\x08",), lambda path: _GzipDecompressor()),
    Compression(
        "bzip2",
        "bzip2",
        tuple(b"BZh%d" % level + mark for level in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")),
        lambda path: bz2.BZ2Decompressor(),
    ),
    Compression(
        "xz",
        "xz",
        (b"\xfd7zXZ\0",),
        lambda path: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY),
    ),
    Compression(
        "zstd",
        "zstd",
        (b"\x28\xb5\x2f\xfd", *(bytes((n,)) + b"\x2a\x4d\x18" for n in range(0x50, 0x60))),
        _zstd,
    ),
)
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""What the names of compressed texts end in, as the programs write them; only their content counts when reading."""
HEAD = max(len(start) for form in COMPRESSIONS for start in form.starts)
"""The bytes that tell a form."""
STARTS = tuple(start for compression in COMPRESSIONS for start in compression.starts)


def is_compressed(head: bytes) -> bool:
    """Whether a file is compressed, by its first `HEAD` bytes."""
    return _compression(head) is not None


def decompressed_name(path: str) -> str:
    """The path of a text, or its name, without the ending of a compressed one."""
    return next((path.removesuffix(suffix) for suffix in COMPRESSED_SUFFIXES if path.endswith(suffix)), path)


def text_blocks(path: str, blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The blocks of a file, in blocks of at most `size` bytes if it is compressed.

    No more is read than is needed to tell what it is. Raises `NotTextError` for a type of file that is not text, and
    `CorpusError` for compressed data that can't be decompressed, and for those that are compressed twice.
    """
    head, blocks = _peek(blocks)
    refuse(path, head)
    form = _compression(head)
    if form is None:
        return blocks
    head, blocks = _peek(_decompressed(path, form, blocks, size))
    refuse(path, head, form.program)
    if is_compressed(head):  # a file can hold itself, without end
        file = "FILE" if path == "-" else shell_words.quote(path)
        raise DamagedFileError(path, f"is compressed twice: pipe in its content, `{form.program} -dc {file} | …`")
    return blocks


def _compression(head: bytes) -> Compression | None:
    return next((form for form in COMPRESSIONS if head.startswith(form.starts)), None)


def _peek(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Enough of the first bytes to recognise the file; and all blocks."""
    head = next(blocks, b"")
    while (may_begin(head) or any(start.startswith(head) for start in STARTS)) and (more := next(blocks, b"")):
        head += more
    return head, chain((head,) if head else (), blocks)


def _decompressed(path: str, form: Compression, blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The text of a file, member after member, in blocks of at most `size` bytes."""
    member: Decompressor | None = None
    head, has_ended = b"", False  # the first bytes of this member, and whether one before it has ended

    def problem(otherwise: str) -> DamagedFileError:
        """The error for a member that can't be read: what follows another may be none."""
        file = "FILE" if path == "-" else shell_words.quote(path)
        if not has_ended or any(start.startswith(head) or head.startswith(start) for start in form.starts):
            saves = f"`{form.program} -dc {file} > copy`"
            return DamagedFileError(path, f"{otherwise}; get it again, or save what can be read of it with {saves}")
        return DamagedFileError(
            path,
            f"has bytes after its end that are no {form.name} data: extract its text first, for instance with "
            f"`{form.program} -dc {file} > copy`",
        )

    for data in (block[n : n + SLICE] for block in blocks for n in range(0, len(block), SLICE)):
        while data or (member is not None and not member.needs_input):
            if member is None:
                if not (data := data.lstrip(b"\0")):  # zeros may fill up the space after a member
                    break
                member, head = form.open(path), b""
            if len(head) < HEAD:
                head += data[: HEAD - len(head)]
            try:
                found = member.decompress(data, size)
            except CorpusError:
                raise
            except Exception as error:  # each library has errors of its own
                reason = LIBRARY_START.sub("", " ".join(str(error).split())) or type(error).__name__
                raise problem(f"is a damaged {form.name} file: {reason}") from None
            data = b""
            if found:
                yield found
            if member.eof:
                data, member, has_ended = member.unused_data, None, True
    if member is not None:
        raise problem(f"is {form.article} {form.name} file without its end: it was cut off")
