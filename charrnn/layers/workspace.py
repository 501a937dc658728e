"""The workspace: arrays that are reused, because every step of a training needs the same ones as the step before.

The operating system hands out new memory page by page, at the first write to each page; that takes longer than filling
the array does.
"""

import math
from typing import Any

import numpy as np

from charrnn.types import Array


class Workspace:
    """Arrays by name. An array is valid until its name is asked for again. Each thread needs a workspace of its own."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._scopes: dict[str, Workspace] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """A contiguous array with arbitrary values; memory is allocated only if the last one was too small."""
        size = math.prod(shape)
        array = self._arrays.get(name)
        if array is None or array.size < size or array.dtype != dtype:
            array = self._arrays[name] = np.empty(size, dtype)
        return array[:size].reshape(shape)

    def zeros(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """As `empty`, but filled with zeros."""
        array = self.empty(name, shape, dtype)
        array[...] = 0
        return array

    def scope(self, name: str) -> "Workspace":
        """A workspace within this one, whose names do not clash with the names here."""
        return self._scopes.setdefault(name, Workspace())
