"""The exchange: the gradients of all ranks are summed in the order of the ranks, so that the bits are always the same.

    1. All gradients of a rank are one flat buffer, cut into as many pieces as there are ranks.
    2. Every rank sends piece r to rank r, which adds up what it has from rank 0, 1, 2, … in that order.
    3. Every rank sends its sum to all others.

A rank sends and receives twice the buffer, whatever their number, as in the ring of MPI's own `Allreduce`. But that may
add in an order that depends on the library, its version, and which rank came first.
"""

import math
import sys

import numpy as np

from charrnn.distributed.ranks import Ranks
from charrnn.layers.matmul import from_bfloat16
from charrnn.types import Array, Params, Shapes

UPPER, LOWER = (slice(int(order == sys.byteorder), None, 2) for order in ("little", "big"))
"""Where the two halves of float32 values are, in an array of 16 bits each."""
NAN = 0x7FC0
"""The upper 16 bits of NaN."""


class Exchange:
    """Sums dictionaries of arrays with these shapes over the ranks. The results are valid until the next sum."""

    def __init__(self, ranks: Ranks, shapes: Shapes, number_format: str):
        self.ranks, self.shapes = ranks, shapes
        self.narrow = number_format == "bfloat16"
        n, R = sum(map(math.prod, shapes.values())), ranks.size
        self.sent = np.zeros((R, -(-n // R)), np.float32)
        """This rank's gradients [R, C], one after the other, and zeros at the end."""
        kind = np.uint16 if self.narrow else np.float32
        self.received = np.empty(self.sent.shape, kind)
        """What this rank adds up [R, C]: a piece of the gradients of every rank."""
        self.sums = np.empty(self.sent.shape, kind)
        """The sums [R, C]; piece r is that of rank r."""
        self.own_sum = np.empty_like(self.sent[0])
        self.losses = np.empty((R, 1))
        if self.narrow:  # what is sent in 16 bits, and what has come in 32
            self.narrow_sent, self.narrow_sum = np.empty_like(self.received), np.empty_like(self.received[0])
            self.wide_received, self.wide_sums = np.empty_like(self.sent), np.empty_like(self.sent)

    def __call__(self, loss: float, grads: Params) -> tuple[float, Params]:
        """The loss and the gradients, summed over all ranks, with the same bits on each."""
        for name, view in self._views(self.sent.ravel()).items():
            np.copyto(view, grads[name])
        own_loss = np.array([loss])
        wait_for_losses = self.ranks.spread_meanwhile(own_loss, self.losses)
        sums = self._sum()
        wait_for_losses()
        return float(self.losses.sum()), self._views(sums.ravel())

    def _sum(self) -> Array:
        """The sums [R, C] of what the ranks send."""
        if not self.narrow:
            self.ranks.exchange(self.sent, self.received)
            self._add_up(self.received)
            self.ranks.spread(self.own_sum, self.sums)
            return self.sums
        self.ranks.exchange(to_bfloat16(self.sent, self.narrow_sent), self.received)
        self._add_up(from_bfloat16(self.received, self.wide_received))
        self.ranks.spread(to_bfloat16(self.own_sum, self.narrow_sum), self.sums)
        return from_bfloat16(self.sums, self.wide_sums)

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
