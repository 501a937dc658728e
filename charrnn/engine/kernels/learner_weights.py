"""The weights of the compiled learner: packed, with the trained ones beside them, and the factors of their steps.

A step adds two parts, as `scoring.learner.step` does: the pull back to the trained weight, and the gradient times the
factors of its row and its column. The gradient of a matrix is a sum of outer products over time, so that the factors
can be multiplied to what these are made of, and a tile adds all products to weights that are in a cache.
"""

from typing import Any, NamedTuple

import numpy as np

from charrnn.engine.kernels.dot import BLOCK_ROWS, gram
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import pack
from charrnn.engine.kernels.simd import Vector, fused
from charrnn.engine.kernels.tile import address, multiply_rows, panel_width, vectors_for
from charrnn.engine.protocols import Factors
from charrnn.layers.workspace import Workspace, aligned_zeros
from charrnn.types import Array, Indices

PULLED_ROWS = 24
"""The rows of a panel that are pulled back, and added to, while they are in the first-level cache."""


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
        (K, N), dtype = matrices[0].shape, matrices[0].dtype
        width = panel_width(dtype) if packed else N
        panels = -(-N // width)
        now, trained = (aligned_zeros((len(matrices), panels, K, width), dtype) for _ in range(2))
        for n, W in enumerate(matrices):
            now[n] = trained[n] = pack(W, Workspace()) if packed else W
        columns = aligned_zeros((2, len(matrices), panels * width), dtype)
        for n, each in enumerate(factors):
            columns[:, n, :N] = each.column_steps, each.column_pulls
        row_steps, row_pulls, max_lengths = (
            np.array(found, dtype)
            for found in zip(*((each.row_steps, each.row_pulls, each.max_length) for each in factors), strict=True)
        )
        return cls(now, trained, row_steps, columns[0], row_pulls, columns[1], max_lengths)

    def unpacked(self, n: int, N: int) -> Array:
        """A matrix [K, N] as it is now."""
        return np.ascontiguousarray(np.concatenate([*self.now[n]], axis=1)[:, :N])


def _pulled(now: Vector, trained: Vector, column_pulls: Vector, row_pull: Vector) -> tuple[Vector, ...]:
    """A weight after the pull back to the trained one."""
    return (now + (column_pulls * row_pull).clip(1.0) * (trained - now),)


_product = fused(lambda x, y: (x * y,), 1)
_product_of_three = fused(lambda x, y, z: (x * y * z,), 1)
_add_product = fused(lambda total, x, y: (total + x * y,), 1)
_add_product_of_three = fused(lambda total, x, y, z: (total + x * y * z,), 1)
_pull = fused(_pulled, 1)


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
    steps, columns = weights.row_steps[n], weights.column_steps[n]
    row_pulls, column_pulls = weights.row_pulls[n], weights.column_pulls[n]
    for t in range(T):
        _product(K, (left,), (t * K,), (a, steps), (t * K, 0))
        for panel in range(count):
            first, place = panel * width, (panel * T + t) * width
            n_columns = min(width, N - first)
            _product(n_columns, (right,), (place,), (d, columns), (t * N + first, first))
            if n_columns < width:
                right[place + n_columns : place + width] = 0
    gram(T, left, K, K, K, 0, products[0])
    gram(T, right, width, count * width, width, (T - 1) * width, products[1])
    factor = _limited(left, boost, _sum_of_products(products, T), weights.max_lengths[n])
    _product(T * K, (left,), (0,), (left, factor), (0, 0))
    for panel in range(count):
        first = panel * width
        for k in range(0, K, PULLED_ROWS):
            rows, start = min(PULLED_ROWS, K - k), (panel * K + k) * width
            for r in range(rows):
                place = start + r * width
                _pull(
                    *(width, (now,), (place,)),
                    *((now, trained, column_pulls, row_pulls[k + r]), (place, place, first, 0)),
                )
            multiply_rows(
                *(rows, vectors_for(N - first, width), address(left), k, 1, K, address(right), panel * T * width, T),
                *(address(now), start, width, address(now), start, width),
            )


@kernel(error_model="numpy", fastmath={"reassoc", "contract"})
def _sum_of_products(products: Array, T: int) -> float:
    """Σ_st p[0, s, t] p[1, s, t] over T × T: of Σ_t a_t ⊗ b_t the squared norm is Σ_st (a_s · a_t) (b_s · b_t).

    Both are symmetric, and have no values before the blocks of the diagonal: see `dot.gram`.
    """
    total = 0.0
    for s in range(T):
        p, q, first = products[0, s], products[1, s], s // BLOCK_ROWS * BLOCK_ROWS
        part = p.dtype.type(0)
        for t in range(first, min(first + BLOCK_ROWS, T)):
            part += p[t] * q[t]
        twice = p.dtype.type(0)
        for t in range(first + BLOCK_ROWS, T):
            twice += p[t] * q[t]
        total += part + 2 * twice
    return total


@kernel(error_model="numpy", fastmath={"reassoc", "contract"})
def _sum_of_squares(x: Array) -> Any:
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


@kernel(error_model="numpy")
def _limited(step: Array, boost: float, square: float, max_length: float) -> Any:
    """How far a step goes: `boost`, or less if its squared norm is larger than that of `max_length`."""
    if square > max_length * max_length:
        return step.dtype.type(boost * max_length / np.sqrt(square))
    return step.dtype.type(boost)


@kernel
def learn_rows(weights: Weights, n: int, rows: Indices, d: Array, first: int, boost: float, right: Array) -> None:
    """A step of the matrix n [K, N], which is not packed: each of the gradients d[t, first : first + N] is of a row.

    `right` [≥ T · N] is overwritten.
    """
    now, trained, columns, T = weights.now[n, 0], weights.trained[n, 0], weights.column_steps[n], len(rows)
    column_pulls, row_pulls = weights.column_pulls[n], weights.row_pulls[n]
    N, stride = len(columns), d.shape[1]
    for t in range(T):  # the sum of the gradients of a row is where its first one is
        factor, gradient, place = weights.row_steps[n, rows[t]], t * stride + first, _first_place(rows, t) * N
        if place == t * N:
            _product_of_three(N, (right,), (place,), (d, columns, factor), (gradient, 0, 0))
        else:
            _add_product_of_three(N, (right,), (place,), (right, d, columns, factor), (place, gradient, 0, 0))
    square = 0.0
    for t in range(T):
        if _first_place(rows, t) == t:
            square += _sum_of_squares(right[t * N : (t + 1) * N])
    far = _limited(right, boost, square, weights.max_lengths[n])
    for k in range(len(now)):
        _pull(N, (now,), (k * N,), (now, trained, column_pulls, row_pulls[k]), (k * N, k * N, 0, 0))
    for t in range(T):
        if _first_place(rows, t) == t:
            row = rows[t] * N
            _add_product(N, (now,), (row,), (now, right, far), (row, t * N, 0))


@kernel
def _first_place(rows: Indices, t: int) -> int:
    """The first place where the row of place t is."""
    s = 0
    while rows[s] != rows[t]:
        s += 1
    return s
