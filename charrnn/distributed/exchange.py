"""The exchange: the gradients of all ranks are summed in the order of the ranks, so that the bits are always the same.

    1. The gradients of a rank are some flat buffers, each cut into as many pieces as there are ranks.
    2. Of each buffer, every rank sends piece r to rank r, which adds up what it has from rank 0, 1, 2, … in that order.
    3. Every rank sends its sum to all others.

A rank sends and receives twice the buffers, however many ranks there are, as in the ring of MPI's own `Allreduce`. But
that may add in an order that depends on the library, its version, and which rank came first.

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
"""The fewest numbers of a buffer, if there are several: smaller ones take longer to begin than to send."""

Combine = Callable[[str, Sequence[Array], Array], None]
"""Writes what a rank sends of some gradient, given that of each of its shards, to the array that comes last."""


class Exchange:
    """Sums dictionaries of arrays with these shapes over the ranks. The results are valid until the next sum."""

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
            sums |= buffer.summed()
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
        self.ranks, self.shapes = ranks, shapes
        self.narrow = number_format == "bfloat16"
        n, R = sum(map(math.prod, shapes.values())), ranks.size
        self.sent = np.zeros((R, -(-n // R)), np.float32)
        """The arrays of this rank [R, C], and zeros at the end."""
        self.views = self._views(self.sent.ravel())
        kind = np.uint16 if self.narrow else np.float32
        self.received = np.empty(self.sent.shape, kind)
        """What this rank adds up [R, C]: a piece of the buffer of every rank."""
        self.sums = np.empty(self.sent.shape, kind)
        """The sums [R, C]; piece r is that of rank r."""
        self.own_sum = np.empty_like(self.sent[0])
        if self.narrow:  # what is sent in 16 bits, and what has come in 32
            self.narrow_sent, self.narrow_sum = np.empty_like(self.received), np.empty_like(self.received[0])
            self.wide_received, self.wide_sums = np.empty_like(self.sent), np.empty_like(self.sent)

    def sum(self, is_urgent: threading.Event) -> None:
        """Sums what `views` hold over the ranks; until it is urgent this rank has other things to do."""
        if not self.narrow:
            self.ranks.exchange(self.sent, self.received, is_urgent)
            self._add_up(self.received)
            self.ranks.spread(self.own_sum, self.sums, is_urgent)
            return
        self.ranks.exchange(to_bfloat16(self.sent, self.narrow_sent), self.received, is_urgent)
        self._add_up(from_bfloat16(self.received, self.wide_received))
        self.ranks.spread(to_bfloat16(self.own_sum, self.narrow_sum), self.sums, is_urgent)
        from_bfloat16(self.sums, self.wide_sums)

    def summed(self) -> Params:
        """The sums."""
        return self._views((self.wide_sums if self.narrow else self.sums).ravel())

    def _add_up(self, pieces: Array) -> None:
        """Adds up the pieces [R, C] of all ranks, in their order."""
        np.copyto(self.own_sum, pieces[0])
        for piece in pieces[1:]:
            self.own_sum += piece

    def _views(self, flat: Array) -> Params:
        """The arrays that a flat buffer consists of."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
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
