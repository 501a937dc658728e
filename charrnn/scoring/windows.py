"""The score on windows: of a text in parts of N characters, each read from a fresh state after the character before.

A transformer knows no more of a text than the window that it reads, so its losses are those of such windows. A network
that carries its state over the whole text knows more at the beginning of each.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from charrnn.config import between, check_threads, one_of
from charrnn.engine import available_cores
from charrnn.engine.threads import Threads, deal
from charrnn.errors import ConfigError
from charrnn.layers.workspace import Workspace
from charrnn.model.line_losses import CHARS_PER_CALL, MAX_ROWS, checked_nll
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.scoring.score import UNKNOWN_POLICIES, Score, Text, check_scores, encode_known
from charrnn.scoring.text import as_pieces, total_of
from charrnn.types import Array, Ids, Indices

USUAL = 256
"""The characters of a window in most comparisons with transformers."""


def score_windows(
    model: Model,
    text: Text | Iterable[Text],
    size: int = USUAL,
    *,
    unknown: str = "error",
    threads: int | None = None,
) -> Score:
    """The score of a text, or of its consecutive pieces, in windows of `size` characters; the last may be shorter.

    The network reads the character before a window, at first `Model.start`, and predicts each character of the window.
    `unknown` and the errors are those of `text.score`. Raises `ConfigError` for a model that reads lines or records,
    which has a fresh state for each of them.
    """
    check_scores(model)
    between("windows", size, 1)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    check_threads(threads)
    if model.reads_lines:
        raise ConfigError(f"this model reads each of its {model.record_form.unit} from a fresh state, and no windows")
    pieces = as_pieces(model, text, "score_windows")
    n_unknown = 0

    def known_ids() -> Iterator[Ids]:
        nonlocal n_unknown
        for piece in pieces:
            ids, known = encode_known(model.vocabulary, piece, unknown)
            n_unknown += len(known) - len(ids)
            yield ids

    found = sum(blas.limited(_scores(model, known_ids(), size, threads or available_cores())), Score(0, 0.0))
    chars, nats = found.chars, found.nats
    if unknown == "count":
        chars, nats = chars + n_unknown, nats + n_unknown * model.unseen_nats
    return total_of([Score(chars, nats, n_unknown)], model)


def mean_loss(model: Model, ids: Ids, most: int, size: int = USUAL, threads: int = 1) -> float | None:
    """The mean loss in nats of windows of a text, at most so many, at even distances; None if none is whole."""
    n = (len(ids) - 1) // size
    if n < 1:
        return None
    chosen = np.arange(min(n, most)) * n // min(n, most)
    with blas.limit(), Threads(threads) as pool:
        losses = _read(model, ids, 1 + chosen * size, size, pool, [Workspace() for _ in range(threads)])
    return float(losses.mean()) / size


def _scores(model: Model, pieces: Iterable[Ids], size: int, n_threads: int) -> Iterator[Score]:
    """The scores of the windows that are read at the same time."""
    block = n_threads * MAX_ROWS * size
    workspaces, rest = [Workspace() for _ in range(n_threads)], np.array([model.start], model.vocabulary.dtype)
    with Threads(n_threads) as threads:

        def score(ids: Ids) -> Score:
            losses = _read(model, ids, np.arange(1, len(ids), size), size, threads, workspaces)
            return Score(len(ids) - 1, float(losses.sum()))

        for piece in pieces:
            rest = np.concatenate((rest, piece))
            while len(rest) > block:
                yield score(rest[: block + 1])
                rest = rest[block:]
        if len(rest) > 1:
            yield score(rest)


def _read(
    model: Model, ids: Ids, starts: Indices, size: int, threads: Threads, workspaces: Sequence[Workspace]
) -> Array:
    """The losses in nats of the windows that begin at some places; the threads share them, many side by side."""
    n_threads = len(workspaces)
    n = max(1, min(MAX_ROWS, -(-len(starts) // n_threads)))
    groups = [starts[k : k + n] for k in range(0, len(starts), n)]
    return np.concatenate(threads.map(partial(_read_groups, model, ids, size), deal(groups, n_threads), workspaces))


def _read_groups(model: Model, ids: Ids, size: int, groups: Sequence[Indices], workspace: Workspace) -> Array:
    """The losses of the windows in some groups."""
    return np.concatenate([_losses(model, ids, starts, size, workspace) for starts in groups])


def _losses(model: Model, ids: Ids, starts: Indices, size: int, workspace: Workspace) -> Array:
    """The losses in nats of the windows [B] of `size` ids that begin at `starts` [B], none of which is 0.

    What is past the end of the ids does not count.
    """
    total, text_state = np.zeros(len(starts)), model.zero_text_state(len(starts))
    T = -(-CHARS_PER_CALL // len(starts))
    for t in range(0, size, T):
        places = starts + np.arange(t, min(t + T, size))[:, None]
        inputs, targets = (ids.take(places - before, mode="clip") for before in (1, 0))
        nats, text_state = checked_nll(model, inputs, targets, text_state, workspace)
        total += np.where(places < len(ids), nats, 0).sum(axis=0, dtype=np.float64)
    return total
