"""The reversal: each row of a batch from its last character to its first; the padding stays behind it.

    text      a b c · ·        reversed      c b a · ·
              d e f g h                      h g f e d

So a row begins with its text in both orders: a cell that starts from zeros has read nothing else when it reaches the
text's end, and what it computes on the padding touches nothing. A reversal undoes itself: reversed twice, a row is as
it was. Hence the same places serve forward and backward, as a gather and as a scatter.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.layers.workspace import Workspace
from charrnn.types import Array, Indices


def reversed_places(lengths: Indices, T: int) -> Indices:
    """The place [T·B], in a flat [T, B], that each place of the reversed rows comes from; rows have lengths [B].

    Raises `IndexError` for a length that is negative or greater than T.
    """
    lengths, t = lengths.astype(np.intp), np.arange(T)[:, None]
    if lengths.min() < 0 or lengths.max() > T:
        raise IndexError(f"a length is out of range for a batch of {T} time steps")
    times = np.where(t < lengths, lengths - 1 - t, t)
    places: Indices = (times * len(lengths) + np.arange(len(lengths))).ravel()
    return places


def reverse(values: NDArray[Any], places: Indices) -> NDArray[Any]:
    """Ids or other values [T, B], with each row reversed."""
    return values.ravel()[places].reshape(values.shape)


def reverse_vectors(x: Array, places: Indices, workspace: Workspace, half: int | None = None) -> Array:
    """x [T, B, N], contiguous, with each row reversed; of its N columns only the first `half`, 0, or the second, 1."""
    T, B, N = x.shape
    if half is not None:
        places, N = 2 * places + half, N // 2  # each row of x is two rows of half the width
    out = workspace.empty("reversed", (T * B, N), x.dtype)
    # mode="clip" lets take write to `out` directly; the places are within bounds
    return np.take(x.reshape(-1, N), places, axis=0, out=out, mode="clip").reshape(T, B, N)


def join(h: Array, h_reverse: Array, places: Indices, workspace: Workspace) -> Array:
    """y [T, B, 2H], in the order of the text: beside h [T, B, H] the outputs h_reverse [T, B, H] for reversed rows."""
    T, B, H = h.shape
    y = workspace.empty("joined", (T * B, 2 * H), h.dtype)
    y[:, :H] = h.reshape(T * B, H)
    y[places, H:] = h_reverse.reshape(T * B, H)
    return y.reshape(T, B, 2 * H)


def split(dy: Array, places: Indices, workspace: Workspace) -> tuple[Array, Array]:
    """Undoes `join`: the gradients of h and h_reverse from that of y [T, B, 2H], contiguous."""
    T, B, N = dy.shape
    # y = [h ; reversed h_reverse]
    dh = workspace.empty("dh", (T, B, N // 2), dy.dtype)
    dh[...] = dy[:, :, : N // 2]
    return dh, reverse_vectors(dy, places, workspace, half=1)
