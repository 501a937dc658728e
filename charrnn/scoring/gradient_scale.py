"""The gradient scale: how large the gradients of a model's weights usually are, measured on a text that it writes.

The root of the mean squared gradient, r, says how far a weight may go in a step: where gradients are always large, a
small change of the weight changes the loss much. The gradient of a few characters is a sum, over time, of outer
products of what a layer reads and of what comes back to it. So the matrix of mean squares is nearly of rank one, and is
kept as factors of its rows and columns (N. Shazeer, M. Stern, "Adafactor", 2018):

    r_ij = row_i col_j        row_i² ∝ Σ_j E[g_ij²]        col_j² ∝ Σ_i E[g_ij²]

Both have the same mean, and their product has Σ_ij r_ij² = Σ_ij E[g_ij²].

The text need not be the training text. One that the model writes itself has the gradients of texts that it knows; their
mean squares are then the diagonal of the Fisher information (of a model with n-grams, only nearly: these write too). So
a checkpoint has to keep nothing, and a model from anywhere has a scale.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from charrnn import engine as engines
from charrnn.config import SamplingConfig
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.sampling import decoder
from charrnn.scoring.passage import Passage, nll_and_gradients, passage
from charrnn.types import Array, Ids

TEXTS, CHARS_PER_TEXT = 16, 400
"""The continuous texts that a model writes, side by side, and the length of each."""
LINES, LINES_AT_ONCE = 500, 50
"""The most lines that a model of lines writes, and those side by side."""
SEGMENTS = 320
"""The most segments that are measured."""
TINY = np.finfo(np.float64).tiny
SEED = 0
"""That of the text: a model has one scale."""


@dataclass(frozen=True)
class GradientScale:
    """The factors of r for each parameter; a vector is a matrix of one row."""

    rows: dict[str, Array]
    """[R] for a parameter [R, C]; [1] for a parameter [C]."""
    columns: dict[str, Array]
    """[C]"""
    mean: float
    """The mean of r over all weights."""


def measure(model: Model, segment: int) -> GradientScale:
    """The scale of the gradients of segments of so many characters; with NumPy, so that all engines have the same.

    Where all that the model writes is shorter, as of short lines, that is the only segment.
    """
    model = replace(model, engine=engines.load("numpy"))
    network, state, workspace = model.language_model, model.zero_state(1), Workspace()
    row_sums = {name: np.zeros(len(np.atleast_2d(p))) for name, p in model.params.items()}
    column_sums = {name: np.zeros(p.shape[-1]) for name, p in model.params.items()}
    with blas.limit(), np.errstate(all="ignore"):  # NaN and infinity are found where the scale is used
        text = _own_text(model)
        n = min(SEGMENTS, max(len(text.targets) // segment, 1))
        for k in range(n):
            read = text.part(k * segment, (k + 1) * segment)
            _, grads, state = nll_and_gradients(network, model.params, read, state, workspace)
            for name, d in grads.items():
                matrix = np.atleast_2d(d)
                row_sums[name] += np.einsum("ij,ij->i", matrix, matrix)
                column_sums[name] += np.einsum("ij,ij->j", matrix, matrix)
        return _from_sums(row_sums, column_sums, n)


def _own_text(model: Model) -> Passage:
    """A text that the model writes: several continuous ones, or lines."""
    texts = _lines(model) if model.reads_lines else _drawn(model, range(SEED, SEED + TEXTS), CHARS_PER_TEXT)
    resets = [np.arange(len(ids)) == 0 for ids in texts]
    parts = [passage(ids, model.start, new, model.start) for ids, new in zip(texts, resets, strict=True)]
    return Passage.joined(parts)


def _lines(model: Model) -> list[Ids]:
    """Lines with their ends, no more than are measured; of a long one only its beginning."""
    found: list[Ids] = []
    for first in range(SEED, SEED + LINES, LINES_AT_ONCE):
        length = min(model.default_length + 1, CHARS_PER_TEXT)
        for ids in _drawn(model, range(first, first + LINES_AT_ONCE), length):
            ends = np.flatnonzero(ids == model.start)
            found.append(ids[: ends[0] + 1] if len(ends) else ids)
        if sum(map(len, found)) >= TEXTS * CHARS_PER_TEXT:
            break
    return found


def _drawn(model: Model, seeds: range, length: int) -> list[Ids]:
    """A text of this length for each seed."""
    batch = decoder.start(model, [""] * len(seeds), seeds, SamplingConfig())
    return [*batch.draw([1.0] * length)[0].T]


def _from_sums(row_sums: dict[str, Array], column_sums: dict[str, Array], n: int) -> GradientScale:
    """The scale, from the sums of squares of n gradients over columns [R] and over rows [C] of each parameter."""
    rows, columns, total, size = {}, {}, 0.0, 0
    for name, sums in row_sums.items():
        row = np.sqrt(sums / max(sums.sum(), TINY))
        column = np.sqrt(column_sums[name] / n)
        balance = math.sqrt(column.mean() / max(row.mean(), TINY))
        rows[name], columns[name] = row * balance, column / max(balance, TINY)
        total += float(row.sum() * column.sum())
        size += len(row) * len(column)
    return GradientScale(rows, columns, total / size)
