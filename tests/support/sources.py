"""Corpora for tests: files with given contents, read in blocks of any size."""

from pathlib import Path
from typing import Any

import pytest

from charrnn.dataset import corpus, files, text_encoder
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.files import Source


def source_of(folder: Path, *contents: bytes, **options: Any) -> Source:
    """A source of files with these contents."""
    paths = [folder / f"{n}.txt" for n in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return Source(tuple(map(str, paths)), **options)


def read_in_blocks(source: Source, block: int) -> Corpus:
    """Reads a corpus in blocks of this many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (files, text_encoder):
            patch.setattr(module, "READ_BLOCK", block)
        return corpus.read(source)


def text_of(found: Corpus) -> str:
    """The text of a corpus."""
    return found.vocabulary.decode(found.ids)
