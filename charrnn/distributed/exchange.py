"""The exchange: the gradients of all ranks are summed in the order of the ranks, so that the bits are always the same.

    1. All gradients of a rank are one flat buffer, cut into as many pieces as there are ranks.
    2. Every rank sends piece r to rank r, which adds up what it has from rank 0, 1, 2, … in that order.
    3. Every rank sends its sum to all others.

A rank sends and receives twice the buffer, whatever their number, as in the ring of MPI's own `Allreduce`. But that may
add in an order that depends on the library, its version, and which rank came first.
"""

import math

import numpy as np

from charrnn.distributed.ranks import Ranks
from charrnn.types import Array, Params, Shapes

"""The formats of the numbers on their way: bfloat16 is half the bytes, and has 8 bits of precision."""


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
        self.losses = np.empty((R, 1))

    def __call__(self, loss: float, grads: Params) -> tuple[float, Params]:
        """The loss and the gradients, summed over all ranks, with the same bits on each."""
        flat = self.sent.ravel()
        for name, view in self._views(flat).items():
            np.copyto(view, grads[name])
        own = np.array([loss])
        self.ranks.spread(own, self.losses)
        self.ranks.exchange(to_bfloat16(self.sent) if self.narrow else self.sent, self.received)
        pieces = from_bfloat16(self.received) if self.narrow else self.received
        total = pieces[0].copy()
        for piece in pieces[1:]:
            total += piece
        self.ranks.spread(to_bfloat16(total) if self.narrow else total, self.sums)
        found = from_bfloat16(self.sums) if self.narrow else self.sums
        return float(self.losses.sum()), self._views(found.ravel())

    def _views(self, flat: Array) -> Params:
        """The arrays that a flat buffer consists of."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            views[name], start = flat[start:stop].reshape(shape), stop
        return views


def to_bfloat16(values: Array) -> Array:
    """The upper 16 bits of float32 values, as uint16, rounded to the nearest, ties to even; NaN stays NaN."""
    bits = values.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF)  # wraps only for NaN
    rounded += (bits >> np.uint32(16)) & np.uint32(1)
    found = (rounded >> np.uint32(16)).astype(np.uint16)
    is_nan = np.isnan(values)
    if is_nan.any():
        found[is_nan] = 0x7FC0
    return found


def from_bfloat16(bits: Array) -> Array:
    """The float32 values of 16 upper bits."""
    wide: Array = bits.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)
