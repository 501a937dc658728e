"""Matrix products: of one time step with packed weights, and of a whole sequence. Both are made of `tile`s.

A product takes its right matrix as panels, packed once and read by many rows. Blocks of the inner dimension and of the
left matrix are small enough that what a tile reads again is still in a cache.

In bfloat16 both matrices are rounded as they become operands: the right one as it is packed, the left one into pairs of
its own. Then the same functions move and multiply pairs (see `bfloat16`).
"""

from typing import Any

import numpy as np
from numba.extending import overload

from charrnn.engine.kernels.amx import TILE_ROWS, close_tiles, open_tiles, uses_tiles
from charrnn.engine.kernels.bfloat16 import PAIR, as_operand, pack_pairs, padded_pairs
from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.kernels.row import PANELS, multiply_row, whole_pairs
from charrnn.engine.kernels.simd import REGISTER_BYTES, copy
from charrnn.engine.kernels.tile import address, multiply_rows, panel_width, tile_rows, vectors_for
from charrnn.engine.kernels.transpose import transpose_block
from charrnn.layers.workspace import Workspace
from charrnn.types import Array

MAX_BLOCK_DEPTH = 128
"""The most rows of a panel in a block that all tiles read before the next one: 128 rows of at most 256 bytes stay in
the first-level cache."""
MAX_LEFT_BLOCK = 65536
"""The most values of the left matrix in a block that meets all panels before the next one: 256 KB stay in the
second-level cache."""
MAX_BLOCK_DEPTH_OF_TILES, MAX_LEFT_BLOCK_OF_TILES = 2048, 5 * 65536
"""The same for AMX: its sums go to memory and back between blocks, which costs more than panels outside the first-level
cache. The second-level cache has 2 MB on all processors with AMX."""


def pack(W: Array, workspace: Workspace, transposed: bool = False, precision: str = "float32") -> Array:
    """Packs a matrix [K, N], or Wᵀ, as panels [⌈N / width⌉, K, width]; zeros fill the last panel.

    In bfloat16 they are panels of pairs, `padded_pairs(K)` in place of K.
    """
    W, pairs, panels = packing(W, workspace, transposed, precision)
    pack_panels(W, transposed, pairs, panels)
    return panels


def packing(
    W: Array, workspace: Workspace, transposed: bool = False, precision: str = "float32"
) -> tuple[Array, Array, Array]:
    """What `pack_panels` takes besides: W, memory for the pairs in its rows, and the panels.

    Python calls kernels that pack, then compute: threads which return to it wait for its lock. If the workspace has the
    panels already, W is returned without rows.
    """
    if workspace.keeps_packed:
        key = id(W), transposed
        if key not in workspace.packed:
            workspace.packed[key] = W, pack(W, Workspace(), transposed, precision)
        panels = workspace.packed[key][1]
        return W[:0], (W[:0] if panels.dtype == W.dtype else np.empty((0, 0), PAIR)), panels
    W = np.ascontiguousarray(W)
    K, N = W.T.shape if transposed else W.shape
    dtype, depth = (PAIR, padded_pairs(K)) if precision == "bfloat16" else (W.dtype, K)
    width = panel_width(dtype)
    panels = workspace.empty("panels", (-(-N // width), depth, width), dtype)
    if dtype != PAIR:
        return W, W, panels
    return W, workspace.empty("pairs", (N, depth) if transposed else (0, 0), PAIR), panels


@kernel
def pack_panels(W: Array, transposed: bool, pairs: Array, panels: Array) -> None:
    """`pack`, with the `packing`; nothing, if W has no rows."""
    if not len(W):
        return
    if transposed:
        pack_transposed(as_operand(W, pairs), panels)
    else:
        _pack_columns(W, panels)


def _pack_columns(W: Array, panels: Array) -> None:
    """Packs W as it is, as values or as pairs."""
    raise NotImplementedError("only kernels call this")


@overload(_pack_columns)
def _pack_columns_of(W: Any, panels: Any) -> Any:
    def of_values(W: Any, panels: Any) -> Any:
        _pack(W, panels)

    def of_pairs(W: Any, panels: Any) -> Any:
        pack_pairs(W, panels)

    return of_values if W.dtype == panels.dtype else of_pairs


@kernel
def _pack(W: Array, panels: Array) -> None:
    K, N = W.shape
    count, _, width = panels.shape
    if N % width:
        panels[-1] = 0
    for n in range(count):
        first = n * width
        for k in range(K):
            copy(min(width, N - first), (panels,), ((n * K + k) * width,), (W,), (k * N + first,))


@kernel
def pack_transposed(W: Array, panels: Array) -> None:
    N, K = W.shape
    width, lanes = panels.shape[2], REGISTER_BYTES // W.itemsize
    if N % width:
        panels[-1] = 0
    for n in range(0, N, lanes):
        panel, column = n // width, n % width
        whole = K // lanes * lanes if n + lanes <= N else 0  # the values in blocks that fill registers
        for k in range(0, whole, lanes):
            transpose_block(W, n * K + k, K, panels, (panel * K + k) * width + column, width)
        for i in range(min(lanes, N - n)):
            for k in range(whole, K):
                panels[panel, k, column + i] = W[n + i, k]


def left_operand(x: Array, panels: Array, workspace: Workspace) -> Array:
    """Memory for the pairs of x [R, K], if the panels are such, and for rows that fill a last tile; otherwise x itself.

    `as_operand` writes to it, or does not.
    """
    if panels.dtype == x.dtype:
        return x
    return workspace.empty("left", (len(x) + TILE_ROWS, odd_stride(panels.shape[1])), PAIR)[: len(x)]


def odd_stride(n: int) -> int:
    """The least odd multiple of `TILE_ROWS` from n on: how far apart rows of tiles lie.

    At a power of two, the rows of a tile would compete for few lines of a cache, as in `ROW_PADDING`.
    """
    return (-(-n // TILE_ROWS) | 1) * TILE_ROWS


def sums(R: int, panels: Array, workspace: Workspace) -> Array:
    """Memory [R, panels · width] for the R rows that `packed_matmul` writes, and for those that fill a last tile."""
    rows, dtype = (R + TILE_ROWS, np.float32) if panels.dtype == PAIR else (R, panels.dtype)
    return workspace.empty("sums", (rows, panels.shape[0] * panels.shape[2]), dtype)[:R]


def product_buffer(R: int, panels: Array, workspace: Workspace) -> Array:
    """Zeros [R, ≥ panels · width], to which `packed_matmul` writes R rows at each step: as `sums`."""
    rows, columns, dtype = R, panels.shape[0] * panels.shape[2], panels.dtype
    if dtype == PAIR:
        rows, columns, dtype = R + TILE_ROWS, odd_stride(columns), np.dtype(np.float32)
    return workspace.zeros("product", (rows, columns), dtype)[:R]


def padded_bias(panels: Array, workspace: Workspace, b: Array | None = None, first: int = 0) -> Array:
    """The bias [1, panels · width] of `packed_matmul`: b in the columns from `first`, and zeros elsewhere."""
    dtype = np.float32 if panels.dtype == PAIR else panels.dtype
    bias = workspace.zeros("bias", (1, panels.shape[0] * panels.shape[2]), dtype)
    if b is not None:
        bias[0, first : first + len(b)] = b
    return bias


def block_sizes(a: Array) -> tuple[int, int]:
    """The most rows of a panel and the most values of the left matrix a in a block."""
    raise NotImplementedError("only kernels call this")


@overload(block_sizes)
def _block_sizes(a: Any) -> Any:
    of_tiles = (MAX_BLOCK_DEPTH_OF_TILES, MAX_LEFT_BLOCK_OF_TILES)
    sizes = of_tiles if uses_tiles(a.dtype) else (MAX_BLOCK_DEPTH, MAX_LEFT_BLOCK)

    def implementation(a: Any) -> Any:
        return sizes

    return implementation


@kernel
def packed_matmul(a: Array, panels: Array, N: int, bias: Array, c: Array, turn: int) -> None:
    """c = a @ W + bias for a [R, K], the packed W [K, N], bias [1, panels · width] and c [R, panels · width].

    The columns of c from N on are undefined. Of pairs, a is a `left_operand` and c are `sums`. The bias may also be c
    itself, to which the product is added. Odd turns take the panels from the last to the first: if the turn before read
    the same ones, those that it read last are still in a cache.
    """
    R, a_stride = a.shape
    count, K, width = panels.shape
    _, height = tile_rows(a)
    max_depth, max_block = block_sizes(a)
    c_stride, block = c.shape[1], max(max_block // K // height, 1) * height  # whole tiles
    bias_stride = c_stride if len(bias) > 1 else 0
    first_a, first_panel, first_bias, first_c = address(a), address(panels), address(bias), address(c)
    in_pairs = whole_pairs(panels, R, N // width)
    open_tiles(panels)
    for r in range(0, R, block):
        rows = min(block, R - r)
        for i in range(count):
            n = count - 1 - i if turn % 2 else i
            column, vectors = n * width, vectors_for(N - n * width, width)
            out = r * c_stride + column
            if n < in_pairs:
                if n % PANELS == 0:
                    panel, stride = n * K * width, K * width
                    multiply_row(first_a, 0, first_panel, panel, stride, K, first_bias, column, first_c, out)
                continue
            for k in range(0, K, max_depth):
                panel, depth = (n * K + k) * width, min(max_depth, K - k)
                s, start, s_stride = first_bias, r * bias_stride + column, bias_stride
                if k:
                    s, start, s_stride = first_c, out, c_stride
                multiply_rows(
                    *(rows, vectors, first_a, r * a_stride + k, a_stride, 1, first_panel, panel, depth),
                    *(s, start, s_stride, first_c, out, c_stride),
                )
    close_tiles(panels)


def matmul(
    a: Array,
    W: Array,
    workspace: Workspace,
    b: Array | None = None,
    transposed: bool = False,
    precision: str = "float32",
) -> Array:
    """a @ W + b, or a @ Wᵀ + b, contiguous, for a [R, K] with many rows, W [K, N] and b [N]."""
    a, N = np.ascontiguousarray(a), len(W) if transposed else W.shape[1]
    W, pairs, panels = packing(W, workspace, transposed, precision)
    bias, c = padded_bias(panels, workspace, b), sums(len(a), panels, workspace)
    pack_and_multiply(W, transposed, pairs, panels, a, left_operand(a, panels, workspace), N, bias, c)
    return first_columns(c, N, workspace)


def matmul_with_panels(a: Array, panels: Array, N: int, bias: Array, workspace: Workspace) -> Array:
    """As `matmul`, with the N columns of the packed W, and with the `padded_bias`."""
    c, a = sums(len(a), panels, workspace), np.ascontiguousarray(a)
    _multiply(a, left_operand(a, panels, workspace), panels, N, bias, c)
    return first_columns(c, N, workspace)


@kernel
def pack_and_multiply(
    W: Array, transposed: bool, pairs: Array, panels: Array, a: Array, left: Array, N: int, bias: Array, c: Array
) -> None:
    pack_panels(W, transposed, pairs, panels)
    _multiply(a, left, panels, N, bias, c)


@kernel
def _multiply(a: Array, left: Array, panels: Array, N: int, bias: Array, c: Array) -> None:
    packed_matmul(as_operand(a, left), panels, N, bias, c, 0)


def first_columns(c: Array, N: int, workspace: Workspace) -> Array:
    """The first N columns, contiguous."""
    if c.shape[1] == N:
        return c
    columns = workspace.empty("columns", (len(c), N), c.dtype)
    columns[...] = c[:, :N]
    return columns
