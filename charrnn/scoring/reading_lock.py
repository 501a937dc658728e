"""The reading lock: lets one thread at a time use a reader, and none read on after a reading that was interrupted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.errors import ConfigError

_CHANGES = threading.Lock()
"""Held while a lock is taken; one for all, so that a reader can be copied and pickled."""


class ReadingLock:
    """Who may use a reader. It never waits, since what two threads read at once has no order to learn it in."""

    def __init__(self) -> None:
        self._is_held = self._was_interrupted = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other threads out of the block; raises `ConfigError` if one is in such a block."""
        with _CHANGES:
            if self._is_held:
                raise ConfigError(
                    "another thread reads with this adaptation: wait for it, or give each its own by `fresh()`"
                )
            self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """`held`, for a block that leaves the reader in pieces if an error ends it: `reset` has to mend it then."""
        with self.held():
            if self._was_interrupted:
                raise ConfigError("the last reading was interrupted: call `forget()` to begin again")
            self._was_interrupted = True
            yield
            self._was_interrupted = False

    def reset(self) -> None:
        """Forgets that a reading was interrupted."""
        self._was_interrupted = False
