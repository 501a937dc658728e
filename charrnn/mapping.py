"""The mapping: the bytes of a file, read from the disk when they are wanted; others may change the file meanwhile."""

import hashlib
import os
from weakref import finalize

import numpy as np

from charrnn.errors import CorpusError
from charrnn.notation import Ids

AT_ONCE = 1 << 20
"""Bytes that are digested at once."""


class Mapping:
    """A file that is mapped into memory, as it is when it is opened."""

    def __init__(self, path: str):
        """Raises `CorpusError` where it can't be read, or is empty."""
        self.path = path
        try:
            self.file = open(path, "rb")  # noqa: SIM115 - as long as the mapping
            finalize(self, self.file.close)
            self.size, self.changed = self._now()
            self.digest = self._digest()
            self.ids: Ids = np.asarray(np.memmap(self.file, np.uint8, "r", shape=(self.size,)))
        except (OSError, ValueError) as error:
            raise CorpusError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None

    def check_size(self) -> None:
        """Raises `CorpusError` where the file has been cut: to read what is gone would end the process."""
        if self._now()[0] < self.size:
            raise self._changed("cut")

    def check(self) -> None:
        """Raises `CorpusError` where the bytes are others than they were; that more have come after them is nothing."""
        self.check_size()
        _, changed = self._now()
        if changed != self.changed:
            if self._digest() != self.digest:
                raise self._changed("changed")
            self.changed = changed

    def _now(self) -> tuple[int, int]:
        """How many bytes the file has, and when it was last changed."""
        found = os.fstat(self.file.fileno())
        return found.st_size, found.st_mtime_ns

    def _digest(self) -> str:
        """The SHA-256 of its first `size` bytes; they are read, as what is mapped would stay in memory."""
        digest, rest = hashlib.sha256(), self.size
        self.file.seek(0)
        while rest and (chunk := self.file.read(min(rest, AT_ONCE))):
            digest.update(chunk)
            rest -= len(chunk)
        return digest.hexdigest()

    def _changed(self, how: str) -> CorpusError:
        return CorpusError(
            f"{self.path} was {how} while it was learned from: restore it and go on with --resume, or start anew with "
            "--init-from"
        )
