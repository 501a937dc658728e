"""The linear layer: between two layers, and from the last one to the logits, over all time steps and rows at once.

y = x W + b        dx = dy Wᵀ        dW = xᵀ dy        db = Σ_n dy_n

Edits here show with `--engine numpy`. `engine/kernels/linear.py`, the compiled version, has to follow:
`tests/engine/test_agreement.py` tells what differs.
"""

from charrnn.layers.matmul import matmul_in
from charrnn.layers.workspace import Workspace
from charrnn.types import Array


def forward(x: Array, W: Array, b: Array, workspace: Workspace, precision: str = "float32") -> Array:
    """y [N, out] for x [N, in], W [in, out] and b [out]; N is T·B, or the number of targets that count.

    The precision is that of the product: see `matmul`.
    """
    matmul = matmul_in(precision)
    y = matmul(x, W, out=workspace.empty("y", (len(x), W.shape[1]), x.dtype))
    y += b
    return y


def backward(
    dy: Array, x: Array, W: Array, workspace: Workspace, precision: str = "float32"
) -> tuple[Array, Array, Array]:
    """dx [N, in], dW [in, out] and db [out] from dy [N, out]."""
    matmul = matmul_in(precision)
    # y = x W + b
    dx = matmul(dy, W.T, out=workspace.empty("dx", x.shape, x.dtype))
    return dx, matmul(x.T, dy), dy.sum(axis=0)
