"""The partner: a second thread, which takes over parts of the work on a single text.

The rows of a batch can go to several threads, but a single text has one row: all that threads can share is the columns
of each product, or, while it is learned from, the steps of different weights. They wait for each other thousands of
times a second, far too often for locks. So the threads agree by numbers in memory that both watch, the `board`. The
text's thread, the leader, posts parts there; both threads then take one after the other, until none is left. So the
leader never waits for a partner that does nothing: it takes all parts itself. And each part is computed as it would be
by one thread, whoever takes it: the results are the same, to the bit.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.engine.kernels.kernel import kernel
from charrnn.engine.threads import Threads
from charrnn.layers.workspace import aligned_zeros
from charrnn.types import Array

Result = TypeVar("Result")

PARTS = 2
"""The parts of a product: one for each thread."""
LINE = 128 // 8
"""The numbers in the longest line that a cache has (Apple's): those that different threads write lie apart."""
POSTED, JOB, TAKEN, DONE, IS_SLOW, HELPED = 0, 1, LINE, 2 * LINE, 3 * LINE, 4 * LINE
"""Where the numbers lie on the board: how many parts have been posted since the beginning, the job of the last ones,
how many parts have been taken and done; whether the leader has waited too long; how many parts the partner has done."""
CLOSED, NONE = -1, -2
"""In the place of a part: no more will be posted, and none is left now. `CLOSED` is also what is posted in the end."""
MAX_WAIT = 20_000
"""How often the leader looks whether all parts are done, 0.3 to 1 ms, before it takes the partner for one that the
system has stopped in the middle, because other programs need its core: the rest of the run it is alone."""
MAX_IDLE = 200_000
"""How often a partner looks for a part, 3 to 10 ms, before it takes the leader for stopped, and leaves."""
NO_BOARD: Array = np.empty(0, np.int64)
"""The board of a thread that has no partner."""
MIN_GAIN = 1.2
"""How many times as fast a partner must make a run: it takes a core."""
MAX_INTERVAL = 64
"""The most runs from one trial to the next."""


def new_board() -> Array:
    """A board on which nothing is posted yet."""
    return aligned_zeros((5 * LINE,), np.int64)


def with_partner(work: Callable[[Array, bool], Result], threads: Threads | None) -> Result:
    """`work(board, False)`; meanwhile another of several threads, once it is free, may call `work(board, True)`."""
    if threads is None or threads.pool is None:
        return work(NO_BOARD, False)
    board = new_board()
    try:
        withdraw = threads.beside(lambda: work(board, True))
    except RuntimeError:  # the program is ending, and has no more threads
        return work(NO_BOARD, False)
    try:
        return work(board, False)
    finally:
        close(board)  # also if the work was interrupted
        withdraw()


class Partnership:
    """A leader and another thread, which is its partner in all runs, or in none, whichever has been faster lately.

    What pays depends on the caches, and on what other programs do on the partner's core. So every now and then a run
    tries the other way, less and less often as long as that changes nothing. The first run is alone, and counts for
    nothing, since it may have to load or compile the code.
    """

    def __init__(self, threads: Threads):
        self.threads = threads
        self.has_begun = self.is_shared = False
        self.N, self.seconds_per_char = 0, 0.0
        """Of the last run that was no trial."""
        self.runs_to_trial = self.interval = 1

    def run(self, work: Callable[[Array, bool], Result], N: int) -> Result:
        """`work(board, False)`, which draws N characters; meanwhile another thread may call `work(board, True)`."""
        if not self.has_begun:
            self.has_begun = True
            return work(NO_BOARD, False)
        is_trial = self.runs_to_trial <= 0 and N >= self.N
        began = time.perf_counter()
        result = with_partner(work, self.threads) if self.is_shared != is_trial else work(NO_BOARD, False)
        seconds_per_char = (time.perf_counter() - began) / N
        if not is_trial:
            if N >= self.N:  # the end of a text says less
                self.N, self.seconds_per_char, self.runs_to_trial = N, seconds_per_char, self.runs_to_trial - 1
            return result
        factor = 1 / MIN_GAIN if self.is_shared else MIN_GAIN
        if seconds_per_char * factor < self.seconds_per_char:
            self.is_shared, self.seconds_per_char, self.interval = not self.is_shared, seconds_per_char, 1
        else:
            self.interval = min(2 * self.interval, MAX_INTERVAL)
        self.runs_to_trial = self.interval
        return result


@kernel
def is_shared(board: Array) -> bool:
    """Whether there is a partner to share work with."""
    return len(board) > 0 and board[IS_SLOW] == 0


@kernel
def post(board: Array, parts: int, job: int) -> None:
    """Posts parts of a job. The board keeps only the number of the latest job; where parts have an order, it is 0."""
    board[JOB] = job
    _store(board, POSTED, board[POSTED] + parts)


@kernel
def take(board: Array) -> int:
    """Takes the next part: how many were posted before it, or `NONE` if none is left, or `CLOSED`."""
    taken: int = _load(board, TAKEN)
    while taken < _load(board, POSTED):
        if _exchange(board, TAKEN, taken, taken + 1):
            return taken
        taken = _load(board, TAKEN)
    return CLOSED if _load(board, POSTED) == CLOSED else NONE


@kernel
def finish(board: Array) -> None:
    """Says that a part that was taken is done."""
    _add(board, DONE, 1)


@kernel
def wait(board: Array, patience: int = 1) -> None:
    """Waits until all parts that have been posted are done; the larger these are, the more patience they take."""
    waited = 0
    while _load(board, DONE) < board[POSTED]:
        _pause()
        waited += 1
    if waited > patience * MAX_WAIT:
        board[IS_SLOW] = 1


@kernel
def next_part(board: Array, patience: int = 1) -> int:
    """Waits for a part, as a partner: as `take`, or `CLOSED` if no more is to be expected."""
    for _ in range(patience * MAX_IDLE):
        part: int = take(board)
        if part != NONE:
            return part
        _pause()
    return CLOSED


def close(board: Array) -> None:
    """Lets the partner leave, if there is one."""
    board[POSTED : POSTED + 1] = CLOSED


def _atomic(emit: Callable[..., ir.Value | None], result: Any, n_values: int) -> Any:
    """An instruction on a number of the board, which other threads see in the order of the program."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        board, index, *values = args
        place = builder.gep(context.make_array(signature.args[0])(context, builder, board).data, [index])
        found = emit(builder, place, *values)
        return context.get_dummy_value() if found is None else found

    def without(typingctx: Any, board: Any, index: Any) -> Any:
        return result(board, types.intp), codegen

    def with_value(typingctx: Any, board: Any, index: Any, value: Any) -> Any:
        return result(board, types.intp, types.int64), codegen

    def with_values(typingctx: Any, board: Any, index: Any, old: Any, new: Any) -> Any:
        return result(board, types.intp, types.int64, types.int64), codegen

    return intrinsic((without, with_value, with_values)[n_values])


def _emit_load(builder: ir.IRBuilder, place: ir.Value) -> ir.Value:
    return builder.load_atomic(place, "acquire", 8)


def _emit_store(builder: ir.IRBuilder, place: ir.Value, value: ir.Value) -> None:
    builder.store_atomic(value, place, "release", 8)


def _emit_add(builder: ir.IRBuilder, place: ir.Value, value: ir.Value) -> None:
    builder.atomic_rmw("add", place, value, "acq_rel")


def _emit_exchange(builder: ir.IRBuilder, place: ir.Value, old: ir.Value, new: ir.Value) -> ir.Value:
    return builder.extract_value(builder.cmpxchg(place, old, new, "acq_rel", "acquire"), 1)


_load = _atomic(_emit_load, types.int64, 0)
_store = _atomic(_emit_store, types.void, 1)
_add = _atomic(_emit_add, types.void, 1)
_exchange = _atomic(_emit_exchange, types.boolean, 2)


@intrinsic
def _pause(typingctx: Any) -> Any:
    """Lets the processor rest for some dozen cycles, where it has an instruction for that."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        def emit(name: str, *values: ir.Constant) -> None:
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

        if "x86" in builder.module.triple:
            emit("llvm.x86.sse2.pause")
        elif "aarch64" in builder.module.triple or "arm64" in builder.module.triple:
            emit("llvm.aarch64.isb", ir.Constant(ir.IntType(32), 15))  # its `yield` takes no time at all
        return context.get_dummy_value()

    return types.void(), codegen
