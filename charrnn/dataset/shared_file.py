"""The shared file: a large text in UTF-8 of which each rank of a job reads only a part.

1. Every rank reads some of the blocks, counts their characters, and digests them. Together they have the index:
   where each block begins in the text, which characters there are, and how often each one occurs.
2. When a rank knows which characters it needs, it reads the blocks that have these. They have to be what was digested:
   each machine may have a copy of the file.
"""

import hashlib
import mmap
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from charrnn.dataset import block_digest
from charrnn.dataset.block_digest import BLOCK
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import STDIN, Source, read_parts
from charrnn.dataset.vocabulary import Vocabulary, code_points
from charrnn.distributed.ranks import Ranks
from charrnn.engine.threads import row_shards
from charrnn.errors import CorpusError
from charrnn.types import Ids, Indices

MIN_SIZE = 64 << 20
"""The bytes from which on a file is shared: every rank may have all of a smaller one."""
RESERVE_NOTHING = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Lets an array be larger than the memory, as long as most of it is never written; older Pythons don't name it."""
CODE_POINTS = 0x110000
MARGIN = 4
"""The bytes after a block that may belong to its last character."""


class ScannedBlocks(NamedTuple):
    """What a rank has found in some blocks."""

    chars: list[int]
    """The characters of each block."""
    digests: list[bytes]
    counts: Indices
    """How often each code point occurs in all of them. [CODE_POINTS]"""


@dataclass(frozen=True)
class FileIndex:
    """What is known about a shared file of K blocks."""

    path: str
    size: int
    """In bytes."""
    starts: Indices
    """The place in the text of the first character of each block, and at last the number of all characters. [K + 1]"""
    vocabulary: Vocabulary
    counts: Indices
    """How often each character of the vocabulary occurs. [V]"""
    digests: list[bytes]
    """The SHA-256 of each block. [K]"""
    readers: list[str]
    """The names of the ranks, each of which has read about the same number of blocks for the index. [R]"""
    rank: int
    """The rank of this process."""

    @property
    def digest(self) -> str:
        """The block digest of the file."""
        return block_digest.of_blocks(self.digests)

    def read(self, start: int, stop: int, ids: Ids) -> None:
        """Reads the characters from `start` to `stop` into their places in `ids` [N].

        Raises `CorpusError` if the file is not what the ranks have read for the index.
        """
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        with open(self.path, "rb") as file:
            for k in range(first, len(self.starts) - 1):
                begin, end = self.starts[k : k + 2].tolist()
                if begin >= stop:
                    break
                try:
                    text, digest = read_block(file.fileno(), k)
                except UnicodeDecodeError:
                    raise self._changed(k) from None
                if digest != self.digests[k] or len(text) != end - begin:
                    raise self._changed(k)
                low, high = max(start, begin), min(stop, end)
                ids[low:high] = self.vocabulary.encode(text[low - begin : high - begin])

    def _changed(self, k: int) -> CorpusError:
        """The error for a block that is not what was read for the index."""
        shares = row_shards(len(self.digests), len(self.readers))
        reader = next(rank for rank, share in enumerate(shares) if k < share.stop)
        if reader == self.rank:
            return CorpusError(f"{self.path} has changed while it was read: start again")
        return _different(self.path, self.readers[reader], self.readers[self.rank])


def _different(path: str, one: str, other: str) -> CorpusError:
    """The error for a file that is not the same for two ranks."""
    return CorpusError(
        f"{path} is not the same on {one} and on {other}, or has changed while it was read: give each machine the same "
        "file, and start again"
    )


class SharedCorpus(Corpus):
    """A corpus of which this process has only the characters that it has asked for; the others are zeros.

    The ids [N] are an array in which only what was written takes memory.
    """

    index: FileIndex
    n_ranks: int

    @classmethod
    def from_index(cls, index: FileIndex, name: str, n_ranks: int) -> "SharedCorpus":
        """The corpus of a file, of which nothing is read yet."""
        dtype = index.vocabulary.dtype
        N = int(index.starts[-1])
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | RESERVE_NOTHING
        ids = np.frombuffer(mmap.mmap(-1, max(1, N * dtype.itemsize), flags=flags), dtype, N)
        corpus = cls(ids, index.vocabulary, name, index.size, index.digest)
        object.__setattr__(corpus, "index", index)
        object.__setattr__(corpus, "n_ranks", n_ranks)
        return corpus

    def read_ranges(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Reads the characters of some ranges of the text."""
        for start, stop in joined(ranges, len(self.ids)):
            self.index.read(start, stop, self.ids)

    @property
    def nbytes(self) -> int:
        """About the memory of the ids that a rank asks for, in bytes."""
        return self.ids.nbytes // self.n_ranks


def joined(ranges: Iterable[tuple[int, int]], N: int) -> list[tuple[int, int]]:
    """The ranges of a text of N characters, in order; those that overlap become one."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted((max(0, start), min(stop, N)) for start, stop in ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        elif start < stop:
            found.append((start, stop))
    return found


def can_be_shared(source: Source) -> bool:
    """Whether a source is a single large file in UTF-8 that is read as it is, as far as its name and its head tell."""
    (path, *others), form = source.paths, source.text_form
    is_plain = form.encoding == "utf-8" and form.normalization == "none" and source.errors == "strict"
    is_text = is_plain and not (source.as_bytes or source.table or source.val_paths) and source.record_form.is_lines
    can_read = hasattr(os, "pread") and path != STDIN and os.path.isfile(path)
    if others or not is_text or not can_read or os.path.getsize(path) < MIN_SIZE:
        return False
    _, head = next(read_parts((path,)))  # what is no text is refused, and what is compressed is decompressed
    with open(path, "rb") as file:
        return file.read(len(head)) == head and b"\0" not in head


def index_file(ranks: Ranks, path: str) -> FileIndex | None:
    """The index of a file, for which each rank reads its part of it; None if it is not UTF-8, or has changed meanwhile.

    All ranks call it. Raises `CorpusError` on the leader if the ranks have files of different sizes.
    """
    size = os.path.getsize(path)
    share = row_shards(-(-size // BLOCK), ranks.size)[ranks.rank]
    try:
        own = scan(path, range(share.start, share.stop))
    except UnicodeDecodeError:
        own = None
    sizes = size, os.path.getsize(path)
    all_sizes, of_ranks = zip(
        *ranks.collect((sizes, own and (own.chars, own.digests, _nonzero(own.counts)))), strict=True
    )
    readers = [ranks.name(rank) for rank in range(ranks.size)]
    others = [rank for rank, found in enumerate(all_sizes) if found[0] != all_sizes[0][0]]
    if others and ranks.is_leader:
        raise _different(path, readers[0], readers[others[0]])
    if None in of_ranks or len({*all_sizes}) > 1 or size != sizes[1]:
        return None
    counts = np.zeros(CODE_POINTS, np.int64)
    for _, _, (points, n) in of_ranks:
        counts[points] += n
    points = np.flatnonzero(counts)
    starts = np.cumsum([0, *(n for chars, _, _ in of_ranks for n in chars)])
    digests = [each for _, digests, _ in of_ranks for each in digests]
    return FileIndex(path, size, starts, Vocabulary(map(chr, points)), counts[points], digests, readers, ranks.rank)


def _nonzero(counts: Indices) -> tuple[Indices, Indices]:
    points = np.flatnonzero(counts)
    return points, counts[points]


def scan(path: str, blocks: Sequence[int]) -> ScannedBlocks:
    """Counts and digests some blocks of a file. Raises `UnicodeDecodeError` if they are not UTF-8."""
    chars, digests, counts = [], [], np.zeros(CODE_POINTS, np.int64)
    with open(path, "rb") as file:
        for k in blocks:
            text, digest = read_block(file.fileno(), k)
            digests.append(digest)
            found = np.bincount(code_points(text))
            counts[: len(found)] += found
            chars.append(int(found.sum()))
    return ScannedBlocks(chars, digests, counts)


def read_block(file: int, k: int) -> tuple[str, bytes]:
    """The characters that begin in block k of an open file in UTF-8, and the SHA-256 of the block.

    They have `\\n` for each `\\r\\n` and `\\r`. A byte order mark at the start of the file is dropped. Raises
    `UnicodeDecodeError`.
    """
    begin = k * BLOCK
    before = _read(file, 1, begin - 1) if k else b""
    raw = _read(file, BLOCK + MARGIN, begin)
    digest = hashlib.sha256(memoryview(raw)[:BLOCK]).digest()
    start = _character_start(raw, 0) if k else 0  # nothing lies before the file: there such bytes are no UTF-8
    stop = _character_start(raw, BLOCK)
    if before == b"\r" and raw[:1] == b"\n":  # it belongs to the newline that began before
        start = 1
    if not k and raw.startswith(b"\xef\xbb\xbf"):
        start = 3
    text = raw[start:stop].decode()
    return (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text), digest


def _read(file: int, size: int, begin: int) -> bytes:
    """The bytes of an open file from a place on; fewer only at its end."""
    found = os.pread(file, size, begin)
    while len(found) < size and (more := os.pread(file, size - len(found), begin + len(found))):
        found += more
    return found


def _character_start(raw: bytes, place: int) -> int:
    """The first place from `place` on that is not within a character."""
    while place < len(raw) and 0x80 <= raw[place] < 0xC0:
        place += 1
    return place
