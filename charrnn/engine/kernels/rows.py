"""Rows: what a cell reads as its input, rows of a table, of which each step and batch row names one.

The input of a first layer need not be looked up into memory first, which the cell would only read once: its table is
small, and stays in a cache. Any other input is a table whose rows are read in their order.
"""

from typing import Any, NamedTuple

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices


class Rows(NamedTuple):
    """x [T, B, G·H], whose rows are the rows `indices` [T · B] of the table [R, G·H]; NumPy makes an array of it."""

    table: Array
    indices: Indices
    shape: tuple[int, ...]

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.table.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        x: Array = self.table[self.indices].reshape(self.shape)
        return x if dtype is None else x.astype(dtype, copy=False)


def rows_and_gates(x: Array | Rows, workspace: Workspace | None) -> tuple[Array, Indices, Array]:
    """The table and the indices of x [T, B, G·H], and the gates, which are x itself if that is an array of a workspace.

    A step may write its gates when it has read its rows.
    """
    if isinstance(x, Rows):
        return x.table, x.indices, (workspace or Workspace()).empty("gates", x.shape, x.dtype)
    gates = np.ascontiguousarray(x) if workspace else np.array(x, order="C")
    return *table_of(gates), gates


def table_of(x: Array) -> tuple[Array, Indices]:
    """The table and the indices of a contiguous x [T, B, G·H]."""
    T, B, GH = x.shape
    return x.reshape(T * B, GH), np.arange(T * B)
