"""The losses of lines that are texts of their own: many are read side by side, and each after `Model.start`."""

import numpy as np

from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model, check_finite
from charrnn.model.text_state import TextState
from charrnn.types import Array, Ids, Indices

MAX_ROWS = 48
"""The most lines that a thread reads side by side."""
CHARS_PER_CALL = 2048
"""Characters of such lines that a thread reads at once: as many as in a training step, so it takes as much RAM."""


def checked_nll(
    model: Model, inputs: Ids, targets: Ids, text_state: TextState, workspace: Workspace
) -> tuple[Array, TextState]:
    """`Model.token_nll`. Raises `DivergenceError` if it is NaN or infinite."""
    with np.errstate(all="ignore"):  # weights that are too large show in the result
        nats, text_state = model.token_nll(inputs, targets, text_state, workspace)
    check_finite(nats)
    return nats, text_state


def groups_of(counts: Indices, n_threads: int = 1) -> list[Indices]:
    """The places of lines with `counts` [n] characters, in groups to read side by side; lines without any are in none.

    The lines of a group have similar lengths, and the longest is the first.
    """
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    B = max(1, min(MAX_ROWS, -(-len(order) // n_threads)))
    return [order[k : k + B] for k in range(0, len(order), B)]


def line_losses(
    model: Model, ids: Ids, starts: Indices, counts: Indices, firsts: Indices, workspace: Workspace
) -> Array:
    """The losses in nats of B lines [B], which begin in `ids` at `starts` [B]; the longest is the first.

    The characters before the places `firsts` [B] of the lines do not count. Raises `DivergenceError` if the losses are
    NaN or infinite.
    """
    if model.config.form == "translator":
        from charrnn.model.target_losses import group_losses

        return group_losses(model, ids, starts, counts, firsts, workspace)
    return _in_order(model, ids, starts, counts, firsts, workspace)


def _in_order(model: Model, ids: Ids, starts: Indices, counts: Indices, firsts: Indices, workspace: Workspace) -> Array:
    """The losses for a language model.

    A line that is shorter than another is read past its end, where nothing counts, and leaves the batch soon after.
    """
    B, t = len(counts), 0
    total, text_state = np.zeros(B), model.zero_text_state(B)
    before = np.full(B, model.start, ids.dtype)
    while t < counts[0]:
        B = int(np.count_nonzero(counts > t))
        T = min(-(-CHARS_PER_CALL // B), int(counts[0]) - t)
        steps = np.arange(t, t + T)[:, None]
        targets = ids.take(starts[:B] + steps, mode="clip")
        inputs = np.concatenate((before[None, :B], targets[:-1]))
        nats, text_state = checked_nll(model, inputs, targets, text_state.rows(B), workspace)
        counted = (steps >= firsts[:B]) & (steps < counts[:B])
        total[:B] += np.where(counted, nats, 0).sum(axis=0, dtype=np.float64)
        before, t = targets[-1], t + T
    return total
