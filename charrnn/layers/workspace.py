"""The workspace: arrays that are reused, because every step of a training needs the same ones as the step before.

The operating system hands out new memory page by page, at the first write to each page; that takes longer than filling
the array does.
"""

import math
from typing import Any

import numpy as np

from charrnn.types import Array

CACHE_LINE_BYTES = 64
"""A line of a cache begins where each array does: else every other vector of 64 bytes lies in two lines."""

Packed = dict[tuple[int, bool], tuple[Array, Array]]
"""Matrices, by their `id` and whether they were transposed, and what they were packed to for products."""


def aligned(size: int, dtype: Any) -> Array:
    """An array of this size with arbitrary values, which begins at a line of the caches."""
    n_bytes = size * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + CACHE_LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE_BYTES
    return memory[first : first + n_bytes].view(dtype)


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin at a line of the caches."""
    zeros = aligned(math.prod(shape), dtype).reshape(shape)
    zeros[...] = 0
    return zeros


def aligned_copy(x: Array) -> Array:
    """A contiguous copy of x, which begins at a line of the caches."""
    copy = aligned(x.size, x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


class Workspace:
    """Arrays by name. An array is valid until its name is asked for again. Each thread needs a workspace of its own."""

    def __init__(self, packed: Packed | None = None) -> None:
        """`packed` keeps what matrices were packed to, for weights that do not change; workspaces can share it."""
        self.keeps_packed = packed is not None
        self.packed: Packed = {} if packed is None else packed
        self._arrays: dict[str, Array] = {}
        self._views: dict[str, Array] = {}
        """What `empty` returned last: step after step, the shapes are the same."""
        self._scopes: dict[str, Workspace] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """A contiguous array with arbitrary values; memory is allocated only if the last one was too small."""
        view = self._views.get(name)
        if view is not None and view.shape == shape and view.dtype == dtype:
            return view
        size = math.prod(shape)
        array = self._arrays.get(name)
        if array is None or array.size < size or array.dtype != dtype:
            array = self._arrays[name] = aligned(size, dtype)
        view = self._views[name] = array[:size].reshape(shape)
        return view

    def zeros(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """As `empty`, but filled with zeros."""
        array = self.empty(name, shape, dtype)
        array[...] = 0
        return array

    def scope(self, name: str) -> "Workspace":
        """A workspace within this one, whose names do not clash with the names here."""
        return self._scopes.setdefault(name, Workspace(self.packed if self.keeps_packed else None))
