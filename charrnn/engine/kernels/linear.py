"""The compiled version of `layers.linear`."""

import numpy as np

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import (
    first_columns,
    left_operand,
    matmul,
    pack_and_multiply,
    packing,
    padded_bias,
    sums,
)
from charrnn.engine.kernels.outer import Memory, add_outer, outer, outer_memory
from charrnn.layers.workspace import Workspace
from charrnn.types import Array


def forward(x: Array, W: Array, b: Array, workspace: Workspace, precision: str = "float32") -> Array:
    """As `layers.linear.forward`."""
    return matmul(x, W, workspace.scope("y"), b, precision=precision)


def backward(
    dy: Array, x: Array, W: Array, workspace: Workspace, precision: str = "float32"
) -> tuple[Array, Array, Array]:
    """As `layers.linear.backward`."""
    of_dx, of_dW = workspace.scope("dx"), workspace.scope("dW")
    if not len(x):
        dx = matmul(dy, W, of_dx, transposed=True, precision=precision)
        return dx, outer(x, dy, of_dW, precision=precision), dy.sum(axis=0)
    x, dy, (N, outputs) = np.ascontiguousarray(x), np.ascontiguousarray(dy), W.shape
    W, pairs, panels = packing(W, of_dx, transposed=True, precision=precision)
    dx, left = sums(len(dy), panels, of_dx), left_operand(dy, panels, of_dx)
    memory, zeros, dW = outer_memory(len(x), N, outputs, x.dtype, of_dW, precision)
    _backward(W, pairs, panels, dy, left, N, padded_bias(panels, of_dx), dx, x, memory, zeros, dW)
    # y = x W + b
    return first_columns(dx, N, of_dx), first_columns(dW[:N], outputs, of_dW), dy.sum(axis=0)


@kernel
def _backward(
    W: Array,
    pairs: Array,
    panels: Array,
    dy: Array,
    left: Array,
    N: int,
    bias: Array,
    dx: Array,
    x: Array,
    memory: Memory,
    zeros: Array,
    dW: Array,
) -> None:
    """dx = dy Wᵀ and dW = xᵀ dy, in a single call from Python: see `packing`."""
    pack_and_multiply(W, True, pairs, panels, dy, left, N, bias, dx)
    add_outer(x, dy, dy.shape[1], memory, zeros, dW)
