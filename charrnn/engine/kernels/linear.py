"""The compiled version of `layers.linear`."""

from charrnn.engine.kernels.matmul import matmul, outer
from charrnn.layers.workspace import Workspace
from charrnn.types import Array


def forward(x: Array, W: Array, b: Array, workspace: Workspace) -> Array:
    """As `layers.linear.forward`."""
    return matmul(x, W, workspace.scope("y"), b)


def backward(dy: Array, x: Array, W: Array, workspace: Workspace) -> tuple[Array, Array, Array]:
    """As `layers.linear.backward`."""
    return matmul(dy, W, workspace.scope("dx"), transposed=True), outer(x, dy, workspace.scope("dW")), dy.sum(axis=0)
