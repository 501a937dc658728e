"""The weights of the compiled learner: packed, with the trained ones beside them, and the factors of their steps.

A step adds two parts, as `scoring.learner.step` does: the pull back to the trained weight, and the gradient times the
factors of its row and its column. The gradient of a matrix is a sum of outer products over time, so that the factors
can be multiplied to what these are made of, and a tile adds all products to weights that are in a cache.
"""

from typing import NamedTuple

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import pack
from charrnn.engine.kernels.simd import REGISTER_BYTES, fused
from charrnn.engine.kernels.tile import address, multiply_rows, vectors_for
from charrnn.engine.kernels.transpose import transpose_block
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices


class Factors(NamedTuple):
    """What `scoring.learner.step` takes for a parameter [R, C], or [C], of one row."""

    row_steps: Array
    """[R], negative"""
    column_steps: Array
    """[C]"""
    row_pulls: Array
    """[R]"""
    column_pulls: Array
    """[C]"""


class Weights(NamedTuple):
    """n matrices [K, N] of one shape; a vector is a matrix of one row.

    They are panels [n, panels, K, width], or, if they are not packed, a single panel [n, 1, K, N].
    """

    now: Array
    trained: Array
    row_steps: Array
    """[n, K]"""
    column_steps: Array
    """[n, panels · width]; zero beyond N."""
    row_pulls: Array
    column_pulls: Array

    @classmethod
    def of(cls, matrices: list[Array], factors: list[Factors], packed: bool = True) -> "Weights":
        """The weights of parameters [K, N]."""
        panels = [pack(W, Workspace()) if packed else W[None] for W in matrices]
        width = panels[0].shape[0] * panels[0].shape[2]
        columns = [[np.pad(f, (0, width - len(f))) for f in (each.column_steps, each.column_pulls)] for each in factors]
        steps, pulls = zip(*columns, strict=True)
        rows = ([each.row_steps for each in factors], [each.row_pulls for each in factors])
        return cls(np.stack(panels), np.stack(panels), *map(np.stack, (rows[0], steps, rows[1], pulls)))

    def unpacked(self, n: int, N: int) -> Array:
        """A matrix [K, N] as it is now."""
        return np.ascontiguousarray(np.concatenate([*self.now[n]], axis=1)[:, :N])


_product = fused(lambda x, y: (x * y,), 1)


@kernel
def _pull(now: Array, trained: Array, row_pulls: Array, column_pulls: Array) -> None:
    """Pulls a matrix [K, N] back to the trained one."""
    one = now.dtype.type(1)
    for k in range(len(now)):
        row, goal, pull = now[k], trained[k], row_pulls[k]
        for j in range(len(column_pulls)):
            row[j] += min(pull * column_pulls[j], one) * (goal[j] - row[j])


@kernel
def learn_matrix(weights: Weights, n: int, a: Array, d: Array, boost: float, left: Array, right: Array) -> None:
    """A step of the packed matrix n [K, N] with the gradient Σ_t a[t, k] d[t, j], from a [T, K] and d [T, N].

    `boost` says how far it goes.
    `left` [≥ T · K] and `right` [≥ T · panels · width] are overwritten.
    """
    now, trained = weights.now[n], weights.trained[n]
    count, K, width = now.shape
    T, N = d.shape
    steps, columns, pulls = weights.row_steps[n], weights.column_steps[n], weights.column_pulls[n]
    for t in range(T):
        _product(K, (left,), (t * K,), (a, steps), (t * K, 0))
    for i in range(T * K):
        left[i] *= boost
    for panel in range(count):
        first = panel * width
        n_columns = min(width, N - first)
        for t in range(T):
            place = (panel * T + t) * width
            _product(n_columns, (right,), (place,), (d, columns), (t * N + first, first))
            right[place + n_columns : place + width] = 0
        _pull(now[panel], trained[panel], weights.row_pulls[n], pulls[first : first + width])
        sums, start = address(now), panel * K * width
        multiply_rows(
            *(K, vectors_for(n_columns, width), address(left), 0, 1, K, address(right), panel * T * width, T),
            *(sums, start, width, sums, start, width),
        )


@kernel
def learn_rows(weights: Weights, n: int, rows: Indices, d: Array, first: int, boost: float) -> None:
    """A step of the matrix n [K, N], which is not packed: each of the gradients d[t, first : first + N] is of a row.

    A vector has one row.
    """
    now, columns = weights.now[n, 0], weights.column_steps[n]
    _pull(now, weights.trained[n, 0], weights.row_pulls[n], weights.column_pulls[n])
    for t in range(len(rows)):
        row, gradient = now[rows[t]], d[t, first : first + now.shape[1]]
        factor = boost * weights.row_steps[n, rows[t]]
        for j in range(len(columns)):
            row[j] += factor * columns[j] * gradient[j]


@kernel
def transpose(panels: Array, N: int, out: Array) -> None:
    """Packs the transpose of a packed matrix [K, N]: panels [⌈K / width⌉, N, width], whose padding stays as it is."""
    _, K, width = panels.shape
    lanes = REGISTER_BYTES // panels.itemsize
    for k in range(0, K, lanes):
        for j in range(0, N, lanes):
            panel, column = j // width, j % width
            if k + lanes <= K and j + lanes <= N:
                start = (panel * K + k) * width + column
                transpose_block(panels, start, width, out, (k // width * N + j) * width + k % width, width)
            else:
                for i in range(k, min(k + lanes, K)):
                    for m in range(j, min(j + lanes, N)):
                        out[i // width, m, i % width] = panels[m // width, i, m % width]
