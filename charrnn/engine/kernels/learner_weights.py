"""The weights of the compiled learner: packed, with the trained ones beside them, and the factors of their steps.

A step adds two parts, as `scoring.learner.step` does: the pull back to the trained weight, and the gradient times the
factors of its row and its column. The gradient of a matrix is a sum of outer products over time, so that the factors
can be multiplied to what these are made of, and a tile adds all products to weights that are in a cache.
"""

from typing import NamedTuple

import numpy as np

from charrnn.engine.kernels.dot import row_products
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import pack
from charrnn.engine.kernels.simd import REGISTER_BYTES, fused
from charrnn.engine.kernels.tile import address, multiply_rows, vectors_for
from charrnn.engine.kernels.transpose import transpose_block
from charrnn.engine.protocols import Factors
from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices


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
    max_lengths: Array
    """[n]"""

    @classmethod
    def of(cls, matrices: list[Array], factors: list[Factors], packed: bool = True) -> "Weights":
        """The weights of parameters [K, N]."""
        panels = [pack(W, Workspace()) if packed else W[None] for W in matrices]
        width = panels[0].shape[0] * panels[0].shape[2]
        columns = [[np.pad(f, (0, width - len(f))) for f in (each.column_steps, each.column_pulls)] for each in factors]
        steps, pulls = zip(*columns, strict=True)
        rows = ([each.row_steps for each in factors], [each.row_pulls for each in factors])
        max_lengths = np.array([each.max_length for each in factors], panels[0].dtype)
        return cls(np.stack(panels), np.stack(panels), *map(np.stack, (rows[0], steps, rows[1], pulls)), max_lengths)

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
def learn_matrix(
    weights: Weights, n: int, a: Array, d: Array, boost: float, left: Array, right: Array, products: Array
) -> None:
    """A step of the packed matrix n [K, N] with the gradient Σ_t a[t, k] d[t, j], from a [T, K] and d [T, N].

    `boost` says how far it goes. `left` [≥ T · K], `right` [≥ T · panels · width] and the `products` [2, ≥ T, ≥ T] of
    `_sum_of_products` are overwritten.
    """
    now, trained = weights.now[n], weights.trained[n]
    count, K, width = now.shape
    T, N = d.shape
    steps, columns, pulls = weights.row_steps[n], weights.column_steps[n], weights.column_pulls[n]
    for t in range(T):
        _product(K, (left,), (t * K,), (a, steps), (t * K, 0))
    row_products(T, left, 0, K, T, left, 0, K, K, products[0])
    square = 0.0
    for panel in range(count):
        first, start = panel * width, panel * T * width
        n_columns = min(width, N - first)
        for t in range(T):
            place = start + t * width
            _product(n_columns, (right,), (place,), (d, columns), (t * N + first, first))
            right[place + n_columns : place + width] = 0
        row_products(T, right, start, width, T, right, start, width, width, products[1])
        square += _sum_of_products(products, T)
    _scale(left[: T * K], boost, square, weights.max_lengths[n])
    for panel in range(count):
        first = panel * width
        _pull(now[panel], trained[panel], weights.row_pulls[n], pulls[first : first + width])
        sums, start = address(now), panel * K * width
        multiply_rows(
            *(K, vectors_for(N - first, width), address(left), 0, 1, K, address(right), panel * T * width, T),
            *(sums, start, width, sums, start, width),
        )


@kernel(error_model="numpy")
def _sum_of_products(products: Array, T: int) -> float:
    """Σ_st p[0, s, t] p[1, s, t] over T × T: of Σ_t a_t ⊗ b_t the squared norm is Σ_st (a_s · a_t) (b_s · b_t)."""
    total = 0.0
    for s in range(T):
        p, q = products[0, s], products[1, s]
        part = p.dtype.type(0)
        for t in range(T):
            part += p[t] * q[t]
        total += part
    return total


@kernel(error_model="numpy")
def _scale(step: Array, boost: float, square: float, max_length: float) -> None:
    """Multiplies a step with the `boost`, after it was shortened to `max_length` if its squared norm is larger."""
    factor = boost
    if square > max_length * max_length:
        factor = step.dtype.type(boost * max_length / np.sqrt(square))
    for i in range(len(step)):
        step[i] *= factor


@kernel
def learn_rows(
    weights: Weights, n: int, rows: Indices, d: Array, first: int, boost: float, right: Array, products: Array
) -> None:
    """A step of the matrix n [K, N], which is not packed: each of the gradients d[t, first : first + N] is of a row.

    `right` [≥ T · N] and `products` [2, ≥ T, ≥ T] are overwritten.
    """
    now, columns, T = weights.now[n, 0], weights.column_steps[n], len(rows)
    N = len(columns)
    for t in range(T):
        gradient, change, factor = d[t, first : first + N], right[t * N : (t + 1) * N], weights.row_steps[n, rows[t]]
        for j in range(N):
            change[j] = factor * columns[j] * gradient[j]
    row_products(T, right, 0, N, T, right, 0, N, N, products[0])
    for s in range(T):
        for t in range(T):
            products[1, s, t] = rows[s] == rows[t]
    _scale(right[: T * N], boost, _sum_of_products(products, T), weights.max_lengths[n])
    _pull(now, weights.trained[n, 0], weights.row_pulls[n], weights.column_pulls[n])
    for t in range(T):
        row, change = now[rows[t]], right[t * N : (t + 1) * N]
        for j in range(N):
            row[j] += change[j]


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
