"""Products by narrow weights with the compiled engine, which has them in its decoder only."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from charrnn.types import Array


def product(precision: str, b: Array | None = None, turn: int = 0) -> Callable[[Array, Array], Array]:
    """`matmul(a, W)`, which computes a @ W, plus a bias if there is one."""
    from charrnn.engine.kernels.narrow import pack_weights

    def matmul(a: Array, W: Array) -> Array:
        packed, N = pack_weights(W, precision, b), W.shape[1]
        c = np.full((len(a), packed[1].shape[1]), np.nan, np.float32)
        _multiply()(a, packed, N, c, turn)
        return np.ascontiguousarray(c[:, :N])

    return matmul


@cache
def _multiply() -> Any:
    from charrnn.engine.kernels.kernel import kernel
    from charrnn.engine.kernels.narrow import multiply

    @kernel
    def run(a: Array, packed: tuple[Array, ...], N: int, c: Array, turn: int) -> None:
        multiply(a, packed, N, c, turn)

    return run
