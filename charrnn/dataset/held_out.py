"""The text to validate on that is one of its own, in files that are not part of the corpus."""

import os
from dataclasses import dataclass

from charrnn.dataset.files import STDIN, Source, list_files
from charrnn.dataset.line_place import FileStart
from charrnn.errors import ConfigError, CorpusError, counted
from charrnn.types import Ids

MIN_VALIDATION = 100
"""The fewest characters of validation text: the loss on fewer says nothing, so then nothing is held out."""


@dataclass(frozen=True)
class HeldOutText:
    """A text as ids [M] in the alphabet of a corpus, with the size and the SHA-256 that identify it.

    Raises `CorpusError` for fewer than `MIN_VALIDATION` characters.
    """

    ids: Ids
    name: str
    size: int
    """In bytes, as read."""
    digest: str
    """SHA-256 of its bytes."""
    files: tuple[FileStart, ...] = ()
    """Where each file begins, if there are several."""

    def __post_init__(self) -> None:
        if len(self.ids) < MIN_VALIDATION:
            chars = counted(len(self.ids), "characters")
            raise CorpusError(
                f"{self.name} is too short to validate on: it has {chars}, and {MIN_VALIDATION} are needed"
            )


def check_apart(source: Source) -> None:
    """Raises `ConfigError` if a file would be both learned and validated on, or if the latter is stdin."""
    if not source.val_paths:
        return
    if STDIN in source.val_paths:
        raise ConfigError("`val_paths` can't be stdin: give the name of a file")
    learned = {os.path.realpath(path) for path in list_files(source.paths, source.file_filter) if path != STDIN}
    for path in list_files(source.val_paths, source.file_filter):
        if os.path.realpath(path) in learned:
            raise ConfigError(f"{path} is part of the corpus: give `val_paths` a text that is not learned")


def check_not_copied(found: HeldOutText | None, digest: str) -> None:
    """Raises `ConfigError` if a text to validate on has the digest of the corpus, from a file of its own."""
    if found is not None and found.digest == digest:
        raise ConfigError(f"{found.name} has the same text as the corpus: give `val_paths` a text that is not learned")


def check_same(found: HeldOutText | None, name: str, digest: str) -> None:
    """Raises `CorpusError` if a run did not begin with this text, but with another one, or, if both are empty, without.

    `name` and `digest` are those of the text that it began with.
    """
    if (found.digest if found else "") == digest:
        return
    if not digest:
        raise CorpusError("this run began without a text of its own to validate on: leave out `val_paths`")
    raise CorpusError(
        f"the text to validate on is not {name}, with which this run began: restore that one, or start a new run"
    )
