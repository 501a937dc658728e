"""AMX: tiles of the processor, registers of 16 rows of 64 bytes, whose products take one instruction.

A product in bfloat16 multiplies a tile of 16 rows × 16 pairs by one of 16 pairs × 16 columns, and adds to a tile of
16 × 16 float32 (Intel, "Architecture Instruction Set Extensions Programming Reference", 2020). Rows of a tile may lie
any distance apart in memory. Linux hands the tiles out on request, to all threads of a process.
"""

import ctypes
import sys
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels.bfloat16 import BLOCK_PAIRS, HAS_TILES, is_pair

TILE_ROWS = 16
"""The rows of a tile, of whichever matrix."""
MAX_ROWS, COLUMNS = 2 * TILE_ROWS, 2 * TILE_ROWS
"""The rows and columns of the result that are computed at once: 4 of the 8 tiles hold sums."""
SUMS, LEFT, RIGHT = range(4), range(4, 6), range(6, 8)
"""What each of the 8 tiles holds."""
BYTE, INDEX = ir.IntType(8), ir.IntType(64)

ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18
"""The system call, its code to ask for a part of the processor's state, and the number of that part."""


@cache
def request_tiles() -> bool:
    """Asks the system for the tiles, before they are used; returns whether they may be."""
    if not HAS_TILES or sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0)


def uses_tiles(dtype: Any) -> bool:
    """Whether products of operands of this type, one of numba's, are computed in tiles."""
    return HAS_TILES and is_pair(dtype)


class Emitter:
    """Emits instructions on tiles, which LLVM knows by number."""

    def __init__(self, builder: ir.IRBuilder):
        self.builder = builder

    def call(self, name: str, *args: ir.Value) -> None:
        kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args])
        self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.x86.{name}"), args)

    def load(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        self.call("tileloadd64", BYTE(tile), address, stride)

    def store(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        self.call("tilestored64", BYTE(tile), address, stride)

    def multiply(self, total: int, left: int, right: int) -> None:
        self.call("tdpbf16ps", BYTE(total), BYTE(left), BYTE(right))


def emit_tile(
    builder: ir.IRBuilder,
    R: int,
    left: tuple[ir.Value, ir.Value],
    right: tuple[ir.Value, ir.Value],
    K: ir.Value,
    start: tuple[ir.Value, ir.Value],
    out: tuple[ir.Value, ir.Value],
) -> None:
    """Emits out = start + left · right, for R rows, one or two tiles of them, `COLUMNS` columns and K pairs.

    Each matrix is the address of its first value and the stride to its next row, in values of 32 bits.
    """
    emitter, heights = Emitter(builder), range(R // TILE_ROWS)

    def constant(n: int) -> ir.Constant:
        return ir.Constant(INDEX, n)

    def address(matrix: tuple[ir.Value, ir.Value], row: int, column: int) -> tuple[ir.Value, ir.Value]:
        """The address of a tile of the matrix, and the stride in bytes."""
        first, stride = matrix
        offset = builder.add(builder.mul(stride, constant(row)), constant(column))
        where = builder.bitcast(builder.gep(first, [offset]), BYTE.as_pointer())
        return where, builder.mul(stride, constant(4))

    results = [(SUMS[2 * i + j], i, j) for i in heights for j in range(2)]
    for tile, i, j in results:
        emitter.load(tile, *address(start, i * TILE_ROWS, j * TILE_ROWS))
    lefts = [address(left, i * TILE_ROWS, 0) for i in heights]
    rights = [address(right, 0, j * TILE_ROWS) for j in range(2)]
    with cgutils.for_range_slice(builder, constant(0), K, constant(BLOCK_PAIRS), INDEX) as (k, _):
        across, down = builder.mul(k, constant(4)), builder.mul(k, rights[0][1])
        for j, (first, stride) in enumerate(rights):
            emitter.load(RIGHT[j], builder.gep(first, [down]), stride)
        for i, (first, stride) in enumerate(lefts):
            emitter.load(LEFT[i], builder.gep(first, [across]), stride)
        for tile, i, j in results:
            emitter.multiply(tile, LEFT[i], RIGHT[j])
    for tile, i, j in results:
        emitter.store(tile, *address(out, i * TILE_ROWS, j * TILE_ROWS))


@intrinsic
def open_tiles(typingctx: Any, operands: Any) -> Any:
    """Makes the tiles ready for products of such operands, if these use them: before the first of the products."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if uses_tiles(operands.dtype):
            # A palette of tiles, then the bytes of a row of each tile, 16 bits each, then its rows, 8 bits each
            shapes = [1, *[0] * 15, *[64, 0] * 8, *[0] * 16, *[TILE_ROWS] * 8, *[0] * 8]
            kind = ir.ArrayType(BYTE, 64)
            shape = cgutils.global_constant(builder, "tile_shapes", ir.Constant(kind, bytearray(shapes)))
            Emitter(builder).call("ldtilecfg", builder.bitcast(shape, BYTE.as_pointer()))
        return context.get_dummy_value()

    return types.void(operands), codegen


@intrinsic
def close_tiles(typingctx: Any, operands: Any) -> Any:
    """Gives the tiles back, after the last of the products: the system need not save them then."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if uses_tiles(operands.dtype):
            Emitter(builder).call("tilerelease")
        return context.get_dummy_value()

    return types.void(operands), codegen
