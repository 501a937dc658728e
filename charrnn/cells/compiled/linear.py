"""The compiled twin of `cells.linear`."""

from charrnn.cells.compiled.product import matmul, outer
from charrnn.memory import Memory
from charrnn.notation import Array


def forward(x: Array, W: Array, b: Array, memory: Memory) -> Array:
    """As `cells.linear.forward`."""
    return matmul(x, W, memory.part("y"), b)


def backward(dy: Array, x: Array, W: Array, memory: Memory) -> tuple[Array, Array, Array]:
    """As `cells.linear.backward`."""
    return matmul(dy, W, memory.part("dx"), transposed=True), outer(x, dy, memory.part("dW")), dy.sum(axis=0)
