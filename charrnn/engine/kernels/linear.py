"""The compiled version of `layers.linear`."""

from charrnn.engine.kernels.matmul import matmul
from charrnn.engine.kernels.outer import outer
from charrnn.layers.workspace import Workspace
from charrnn.types import Array


def forward(x: Array, W: Array, b: Array, workspace: Workspace, precision: str = "float32") -> Array:
    """As `layers.linear.forward`."""
    return matmul(x, W, workspace.scope("y"), b, precision=precision)


def backward(
    dy: Array, x: Array, W: Array, workspace: Workspace, precision: str = "float32"
) -> tuple[Array, Array, Array]:
    """As `layers.linear.backward`."""
    dx = matmul(dy, W, workspace.scope("dx"), transposed=True, precision=precision)
    return dx, outer(x, dy, workspace.scope("dW"), precision=precision), dy.sum(axis=0)
