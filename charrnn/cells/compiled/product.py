"""The matrix product of a step: few rows times one fixed matrix, which is packed once and read many times.

A tile of rows × columns of the result stays in registers while it runs over the inner dimension: each step loads one
row of a panel of the matrix and one number of each row of the left side, and multiplies all with all.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.cells.compiled.vectors import REGISTER, element, lanes, read, suit
from charrnn.memory import Memory
from charrnn.notation import Array

ROWS = 6
"""Rows of a tile, at the most."""
DEPTH = 128
"""Rows of a panel that all tiles read before the next ones: 128 of 256 bytes are 32 KB, and stay in the first cache."""
VECTORS = 4 if REGISTER == 64 else 2
"""Vectors across a tile: 6 × 4 sums fill 24 of 32 registers of AVX-512, 6 × 2 fill 12 of 16 elsewhere."""


def panel_width(itemsize: int) -> int:
    """Columns of a panel."""
    return VECTORS * lanes(itemsize)


def pack(W: Array, memory: Memory) -> Array:
    """Lays out a matrix [K, N] as panels [⌈N / width⌉, K, width], the last one filled up with zeros."""
    K, N = W.shape
    width = panel_width(W.itemsize)
    panels = memory.empty("panels", (-(-N // width), K, width), W.dtype)
    _pack(W, panels)
    return panels


@njit(nogil=True, cache=True)
def _pack(W: Array, panels: Array) -> None:
    N = W.shape[1]
    count, K, width = panels.shape
    for n in range(count):
        used = min(width, N - n * width)
        for k in range(K):
            for i in range(used):
                panels[n, k, i] = W[k, n * width + i]
            for i in range(used, width):
                panels[n, k, i] = 0


def scratch(R: int, panels: Array, memory: Memory) -> Array:
    """Zeros [R, panels · width], for `product` to write R rows to."""
    return memory.zeros("scratch", (R, panels.shape[0] * panels.shape[2]), panels.dtype)


@intrinsic
def _tile(
    typingctx: Any, rows: Any, a: Any, a_at: Any, a_step: Any, p: Any, p_at: Any, K: Any, c: Any, c_at: Any, c_step: Any
) -> Any:
    """c[r] += Σ_{k<K} a[r, k] p[k] for `rows` rows r and the columns of a panel; positions and steps count numbers."""
    if not isinstance(rows, types.IntegerLiteral):
        return None
    suit(a, p, c)
    R = rows.literal_value

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        _, a_value, a_at, a_step, p_value, p_at, K, c_value, c_at, c_step = args
        kind = a.dtype
        scalar, size = context.get_data_type(kind), kind.bitwidth // 8
        width = lanes(size)
        vector = ir.VectorType(scalar, width)
        index = K.type
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{width}f{kind.bitwidth}"
        )

        def data(array_type: Any, value: Any, at: Any) -> Any:
            return builder.gep(context.make_array(array_type)(context, builder, value).data, [at])

        left, panel, out = data(a, a_value, a_at), data(p, p_value, p_at), data(c, c_value, c_at)
        lefts = [builder.gep(left, [builder.mul(a_step, ir.Constant(index, r))]) for r in range(R)]
        zero, one = ir.Constant(index, 0), ir.Constant(index, 1)
        places = [
            [
                builder.add(builder.mul(c_step, ir.Constant(index, r)), ir.Constant(index, v * width))
                for v in range(VECTORS)
            ]
            for r in range(R)
        ]
        begun = [[read(builder, scalar, out, place, width, size) for place in line] for line in places]
        before = builder.block
        body, after = builder.append_basic_block("product"), builder.append_basic_block("product.end")
        builder.branch(body)  # K is at least 1
        builder.position_at_end(body)
        k = builder.phi(index)
        k.add_incoming(zero, before)
        sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(R)]
        row = builder.mul(k, ir.Constant(index, VECTORS * width))
        columns = [
            read(builder, scalar, panel, builder.add(row, ir.Constant(index, v * width)), width, size)
            for v in range(VECTORS)
        ]
        totals = []
        for r in range(R):
            number = read(builder, scalar, lefts[r], k, 1, size)
            spread = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            spread = builder.shuffle_vector(
                spread,
                ir.Constant(vector, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width),
            )
            totals.append([builder.call(fma, [spread, columns[v], sums[r][v]]) for v in range(VECTORS)])
        following = builder.add(k, one)
        builder.cbranch(builder.icmp_signed("<", following, K), body, after)
        k.add_incoming(following, body)
        for r in range(R):
            for v in range(VECTORS):
                sums[r][v].add_incoming(begun[r][v], before)
                sums[r][v].add_incoming(totals[r][v], body)
        builder.position_at_end(after)
        for r in range(R):
            for v in range(VECTORS):
                builder.store(totals[r][v], element(builder, scalar, out, places[r][v], width), align=size)
        return context.get_dummy_value()

    return types.void(rows, a, a_at, a_step, p, p_at, K, c, c_at, c_step), codegen


@njit(nogil=True, cache=True)
def product(a: Array, panels: Array, c: Array) -> None:
    """c = a @ W for a [R, K], the packed W [K, N], and c [R, panels · width], whose columns past N become 0."""
    R, K = a.shape
    count, _, width = panels.shape
    N = c.shape[1]
    tiles = -(-R // ROWS)
    c[:] = 0
    for n in range(count):
        for k in range(0, K, DEPTH):
            depth = min(DEPTH, K - k)
            p = (n * K + k) * width
            for i in range(tiles):  # as even as can be
                r = R * i // tiles
                rows = R * (i + 1) // tiles - r
                at, to = r * K + k, r * N + n * width
                if rows == 6:
                    _tile(6, a, at, K, panels, p, depth, c, to, N)
                elif rows == 5:
                    _tile(5, a, at, K, panels, p, depth, c, to, N)
                elif rows == 4:
                    _tile(4, a, at, K, panels, p, depth, c, to, N)
                elif rows == 3:
                    _tile(3, a, at, K, panels, p, depth, c, to, N)
                elif rows == 2:
                    _tile(2, a, at, K, panels, p, depth, c, to, N)
                else:
                    _tile(1, a, at, K, panels, p, depth, c, to, N)


def matmul(a: Array, b: Array, memory: Memory) -> Array:
    """a @ b, contiguous, for large matrices [R, K] and [K, N]."""
    R, N = len(a), b.shape[1]
    if not a.flags.c_contiguous:
        a, turned = memory.empty("left", a.shape, a.dtype), a
        a[...] = turned
    panels = pack(b, memory)
    c = scratch(R, panels, memory)
    product(a, panels, c)
    if c.shape[1] == N:
        return c
    result = memory.empty("result", (R, N), c.dtype)
    result[...] = c[:, :N]
    return result
