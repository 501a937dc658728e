"""The exchange: the gradients of all ranks are summed along a ring, always in the same order, so to the same bits.

    1. The gradients of a rank are some flat buffers, each cut into as many pieces as there are ranks.
    2. Piece r of each buffer starts on rank r and goes from rank to rank; each adds its own, the last one has the sum.
    3. The sums go round once more, and each rank keeps them.

A rank sends and receives twice the buffers, however many ranks there are, and talks to its two neighbours only. MPI's
own `Allreduce` does much the same, but may add in an order that depends on the library, its version, and which rank
came first.

A buffer is on its way as soon as all of its gradients are known, while backpropagation goes on: those of the decoder
first, those of the first layer last.
"""

import math
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from charrnn.distributed.ranks import Ranks
from charrnn.layers.matmul import from_bfloat16
from charrnn.types import Array, Params, Shapes

UPPER, LOWER = (slice(int(order == sys.byteorder), None, 2) for order in ("little", "big"))
"""Where the two halves of float32 values are, in an array of 16 bits each."""
NAN = 0x7FC0
"""The upper 16 bits of NaN."""
MIN_BUFFER = 1 << 17
"""The fewest numbers of a buffer, if there are several: smaller ones take longer to begin than to send. The bits of the
sums depend on it: where a number lies in its buffer says with which rank its sum begins."""

Combine = Callable[[str, Sequence[Array], Array], None]
"""Writes what a rank sends of some gradient, given that of each of its shards, to the array that comes last."""


class Exchange:
    """Sums dictionaries of arrays with these shapes over the ranks. The results are valid until the next sum begins."""

    def __init__(self, ranks: Ranks, shapes: Shapes, number_format: str, order: Sequence[Sequence[str]] = ()):
        """`order` has the names in groups, in the order in which their arrays will be known, the same on each rank."""
        self.ranks, self.names = ranks, [*shapes]
        self.buffers = [
            Buffer(ranks, {name: shapes[name] for name in names}, number_format)
            for names in buffers(shapes, order or [self.names])
        ]
        """In the order in which they are summed."""
        self.n_early = len(self.buffers) - 1 if ranks.allows_threads else 0
        """The buffers that are summed as soon as they are known; the last one is known at the end."""
        self.losses = np.empty((ranks.size, 1))
        self.is_urgent = threading.Event()
        """Set when this rank waits for the sums, and has nothing else to do."""
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(1)
        """A thread, which begins with the first buffer that is sent while other things go on."""
        self.sums: list[Future[None]] = []
        """The sums of the buffers that the thread has got."""

    def __call__(self, loss: float, grads: Params) -> tuple[float, Params]:
        """The loss and the gradients, summed over all ranks, with the same bits on each."""
        self.begin(1, lambda name, arrays, out: np.copyto(out, arrays[0]))
        self.add(0, grads)
        return self.finish(loss)

    def begin(self, n_shards: int, combine: Combine) -> None:
        """Begins with a sum: `add` has to be called for all gradients of each shard of this rank, then `finish`."""
        self.combine, self.found = combine, [Params() for _ in range(n_shards)]
        self.sums.clear()
        self.is_urgent.clear()

    def add(self, shard: int, grads: Params) -> None:
        """Some gradients of a shard, from its thread. They must not change until `finish` returns."""
        with self.lock:
            self.found[shard] |= grads
            for buffer in self.buffers[len(self.sums) : self.n_early]:
                if not all(buffer.views.keys() <= found.keys() for found in self.found):
                    break
                self.sums.append(self.pool.submit(self._sum, buffer))

    def finish(self, loss: float) -> tuple[float, Params]:
        """The sums of a loss and of all gradients."""
        self.is_urgent.set()
        for future in self.sums:
            future.result()
        for buffer in self.buffers[len(self.sums) : -1]:
            self._sum(buffer)
        own_loss = np.array([loss])
        wait_for_losses = self.ranks.spread_meanwhile(own_loss, self.losses)
        self._sum(self.buffers[-1])
        wait_for_losses()
        sums = Params()
        for buffer in self.buffers:
            sums |= buffer.views
        return float(self.losses.sum()), {name: sums[name] for name in self.names}

    def _sum(self, buffer: "Buffer") -> None:
        """Fills a buffer with the gradients of this rank, and sums it over the ranks."""
        with np.errstate(all="ignore"):  # NaN and infinity are found in the sums
            for name, view in buffer.views.items():
                self.combine(name, [found[name] for found in self.found], view)
            buffer.sum(self.is_urgent)


class Buffer:
    """Some arrays of a rank, one after the other, and their sums over the ranks."""

    def __init__(self, ranks: Ranks, shapes: Shapes, number_format: str):
        self.ranks = ranks
        n, R = sum(map(math.prod, shapes.values())), ranks.size
        self.pieces = np.zeros((R, -(-n // R)), np.float32)
        """The arrays of this rank [R, C], and zeros at the end; then the sums."""
        self.views = self._views(shapes)
        self.received = np.empty_like(self.pieces[0])
        """A piece of other ranks [C]."""
        self.narrow: tuple[Array, Array] | None = None
        """Where numbers are sent in 16 bits: a piece to send [C], and one that is received [C]."""
        if number_format == "bfloat16":
            self.narrow = np.empty(self.received.shape, np.uint16), np.empty(self.received.shape, np.uint16)

    def sum(self, is_urgent: threading.Event) -> None:
        """Sums what `views` hold over the ranks; until it is urgent this rank has other things to do."""
        rank, R = self.ranks.rank, self.ranks.size
        for r in range(rank, rank - R + 1, -1):
            self._shift(r % R, self.received, is_urgent)
            self.pieces[(r - 1) % R] += self.received
        if self.narrow is not None:  # the sum that is known here, as the others will have it
            own_sum = self.pieces[(rank + 1) % R]
            from_bfloat16(to_bfloat16(own_sum, self.narrow[0]), own_sum)
        for r in range(rank + 1, rank - R + 2, -1):
            self._shift(r % R, self.pieces[(r - 1) % R], is_urgent)

    def _shift(self, r: int, received: Array, is_urgent: threading.Event) -> None:
        """Sends piece r to the next rank, and receives another from the rank before."""
        if self.narrow is None:
            self.ranks.shift(self.pieces[r], received, is_urgent)
            return
        sent, narrow = self.narrow
        self.ranks.shift(to_bfloat16(self.pieces[r], sent), narrow, is_urgent)
        from_bfloat16(narrow, received)

    def _views(self, shapes: Shapes) -> Params:
        """The arrays that the pieces consist of."""
        flat, views, start = self.pieces.ravel(), Params(), 0
        for name, shape in shapes.items():
            stop = start + math.prod(shape)
            views[name], start = flat[start:stop].reshape(shape), stop
        return views


def buffers(shapes: Shapes, order: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names of each buffer: those of one or more groups, so that it has at least `MIN_BUFFER` numbers."""
    found: list[list[str]] = [[]]
    left = sum(map(math.prod, shapes.values()))
    for names in order:
        if sum(math.prod(shapes[name]) for name in found[-1]) >= MIN_BUFFER <= left:
            found.append([])
        found[-1] += names
        left -= sum(math.prod(shapes[name]) for name in names)
    return found


def to_bfloat16(values: Array, out: Array | None = None) -> Array:
    """The upper 16 bits of float32 values, as uint16, rounded to the nearest; halves away from zero. NaN stays NaN."""
    halves = values.view(np.uint16)
    found: Array = np.right_shift(halves[..., LOWER], np.uint16(15), out=out)
    found += halves[..., UPPER]
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(values.sum())
    if not is_finite:  # rounding may have made another number of what was NaN
        found[np.isnan(values)] = NAN
    return found
