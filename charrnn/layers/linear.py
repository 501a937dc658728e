"""The affine map, y = x W + b: between layers and from the last one to the logits, over all steps and rows at once."""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.types import Array


def forward(x: Array, W: Array, b: Array, workspace: Workspace) -> Array:
    """y [N, out] for x [N, in], W [in, out] and b [out]."""
    y = np.matmul(x, W, out=workspace.empty("y", (len(x), W.shape[1]), x.dtype))
    y += b
    return y


def backward(dy: Array, x: Array, W: Array, workspace: Workspace) -> tuple[Array, Array, Array]:
    """Undoes `forward`: from dy [N, out] to dx [N, in], dW and db."""
    # y = x W + b
    dx = np.matmul(dy, W.T, out=workspace.empty("dx", x.shape, x.dtype))
    return dx, x.T @ dy, dy.sum(axis=0)
