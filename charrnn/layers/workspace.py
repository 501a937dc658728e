"""Memory that is used again: a step of training needs the same arrays as the one before, and fresh ones are costly.

The system hands out fresh memory page by page, at the first touch, which takes longer than filling it does.
"""

import math
from typing import Any

import numpy as np

from charrnn.types import Array


class Workspace:
    """Arrays by name. What is taken from it holds until the same name is taken again; each thread has its own."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._scopes: dict[str, Workspace] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array with whatever it held before."""
        size = math.prod(shape)
        array = self._arrays.get(name)
        if array is None or array.size < size or array.dtype != dtype:
            array = self._arrays[name] = np.empty(size, dtype)
        return array[:size].reshape(shape)

    def zeros(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of zeros."""
        array = self.empty(name, shape, dtype)
        array[...] = 0
        return array

    def scope(self, name: str) -> "Workspace":
        """A workspace within this one, with names of its own."""
        return self._scopes.setdefault(name, Workspace())
