"""Products of matrices that are parts of larger arrays: those of one row of a batch, or transposed ones.

Arrays are indexed flat here: a matrix begins at an offset, and a stride leads to its next row.
"""

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.matmul import MAX_BLOCK_DEPTH
from charrnn.engine.kernels.simd import copy
from charrnn.engine.kernels.tile import address, multiply_rows, vectors_for
from charrnn.types import Array


@kernel
def copy_rows(
    R: int, N: int, x: Array, x_offset: int, x_stride: int, out: Array, out_offset: int, out_stride: int
) -> None:
    """Copies R rows of N values."""
    for r in range(R):
        copy(N, (out,), (out_offset + r * out_stride,), (x,), (x_offset + r * x_stride,))


@kernel
def weighted_sum(
    K: int, N: int, a: Array, a_offset: int, a_stride: int, x: Array, x_offset: int, x_stride: int, out: Array
) -> None:
    """out[:N] = Σ_{k<K} a[k] x[k], for K numbers a and K rows of N values: a product with one row, without packing."""
    factors, values = a.reshape(-1), x.reshape(-1)
    out[:N] = 0
    for k in range(K):
        factor, first = factors[a_offset + k * a_stride], x_offset + k * x_stride
        row = values[first : first + N]
        for n in range(N):
            out[n] += factor * row[n]


@kernel
def pack_rows(K: int, N: int, W: Array, W_offset: int, W_stride: int, panels: Array) -> None:
    """Packs a matrix W [K, N] as panels [⌈N / width⌉, ≥ K, width]; leaves the columns from N on as they are."""
    count, panel_rows, width = panels.shape
    for k in range(K):
        for n in range(count):
            column = n * width
            target = column * panel_rows + k * width
            copy(min(width, N - column), (panels,), (target,), (W,), (W_offset + k * W_stride + column,))


@kernel
def strided_matmul(
    R: int,
    K: int,
    a: Array,
    a_offset: int,
    a_row_stride: int,
    a_k_stride: int,
    panels: Array,
    N: int,
    zeros: Array,
    c: Array,
) -> None:
    """The first R rows of c = a @ W, for a [R, K] and W [K, N], which `pack_rows` has packed; `zeros` [1, width].

    The columns of c [≥ R, panels · width] from N on are undefined.
    """
    _, panel_rows, width = panels.shape
    c_stride = c.shape[1]
    for column in range(0, N, width):
        vectors = vectors_for(N - column, width)
        for k in range(0, K, MAX_BLOCK_DEPTH):
            left, panel = a_offset + k * a_k_stride, column * panel_rows + k * width
            depth = min(MAX_BLOCK_DEPTH, K - k)
            s, s_offset, s_stride = (address(c), column, c_stride) if k else (address(zeros), 0, 0)
            multiply_rows(
                *(R, vectors, address(a), left, a_row_stride, a_k_stride, address(panels), panel, depth),
                *(s, s_offset, s_stride, address(c), column, c_stride),
            )
