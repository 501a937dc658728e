"""The score on windows: of a text in parts of N characters, each read from a fresh state after the character before.

A transformer knows no more of a text than the window that it reads, so its losses are those of such windows. A network
that carries its state over the whole text knows more at the beginning of each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from charrnn.config import between, check_threads, one_of
from charrnn.dataset.groups import in_blocks
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
MAX_SIZE = 2**53
"""The most characters of a window: more than any text has."""
PART, WARM_UP = 8192, 1024
"""The characters of a part of a long text that is read in parts, and those before it that are read to warm it up."""


class Block(NamedTuple):
    """Some windows of a text that are read side by side, as ids [N]: the character before them, and then theirs."""

    ids: Ids
    is_first: bool
    """Whether it begins the text."""


ScoreBlocks = Callable[[Iterable[Sequence[Block]]], Iterator[list[Score]]]
"""Scores blocks of windows, as `score_blocks` does."""


def score_windows(
    model: Model,
    text: Text | Iterable[Text],
    size: int = USUAL,
    *,
    overlap: int = 0,
    unknown: str = "error",
    threads: int | None = None,
    score: ScoreBlocks | None = None,
) -> Score:
    """The score of a text, or of its consecutive pieces, in windows of `size` characters; the last may be shorter.

    The network reads the character before a window, at first `Model.start`, and predicts each character of the window.
    With an `overlap`, each window begins so many characters before the last one ends, and these, which warm it up,
    count in the last one alone. `unknown` and the errors are those of `text.score`; the number of `threads` is that of
    cores by default. Raises `ConfigError` for a model that reads lines or records, which has a fresh state for each of
    them. `score` scores the blocks, by default `score_blocks` in this process.
    """
    check_scores(model)
    between("windows", size, 1, MAX_SIZE)
    between("overlap", overlap, 0, size - 1)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    check_threads(threads)
    if model.reads_lines:
        unit = model.record_form.unit
        raise ConfigError(f"this model reads each of its {unit} from a fresh state: score the text without windows")
    pieces = as_pieces(model, text, "score_windows")
    n_unknown, n_threads = 0, threads or available_cores()

    def known_ids() -> Iterator[Ids]:
        nonlocal n_unknown
        for piece in pieces:
            ids, known = encode_known(model.vocabulary, piece, unknown)
            n_unknown += len(known) - len(ids)
            yield ids

    if score is None:
        score = partial(score_blocks, model, size=size, overlap=overlap, threads=n_threads)
    blocks = _blocks(model, known_ids(), size, overlap, n_threads * MAX_ROWS)
    found = sum((part for (part,) in score([block] for block in blocks)), Score(0, 0.0))
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
        starts = 1 + chosen * size
        losses = _read(model, ids, starts, starts, size, pool, [Workspace() for _ in range(threads)])
    return float(losses.mean()) / size


def _blocks(model: Model, pieces: Iterable[Ids], size: int, overlap: int, n: int) -> Iterator[Block]:
    """The blocks of n windows of a text; the last one may have fewer."""
    stride, rest, is_first = size - overlap, np.array([model.start], model.vocabulary.dtype), True
    whole = 1 + n * stride + overlap
    for several in in_blocks(pieces, len, n * stride):  # each is joined once, however many there are
        rest = np.concatenate((rest, *several))
        while len(rest) >= whole:
            yield Block(rest[:whole], is_first)
            rest, is_first = rest[n * stride :], False
    if len(rest) > 1 + overlap * (not is_first):
        yield Block(rest, is_first)


def score_blocks(
    model: Model, blocks: Iterable[Sequence[Block]], *, size: int, overlap: int, threads: int
) -> Iterator[list[Score]]:
    """The scores of the blocks of windows in each batch, before it asks for the next."""
    return blas.limited(_score_blocks(model, blocks, size, overlap, threads))


def _score_blocks(
    model: Model, batches: Iterable[Sequence[Block]], size: int, overlap: int, n_threads: int
) -> Iterator[list[Score]]:
    workspaces = [Workspace() for _ in range(n_threads)]
    with Threads(n_threads) as threads:

        def score(block: Block) -> Score:
            ids, N = block.ids, len(block.ids)
            starts = np.arange(1, max(2, N - overlap), size - overlap)
            firsts = starts + overlap
            if block.is_first:
                firsts[0] = starts[0]
            losses = _read(model, ids, starts, firsts, size, threads, workspaces)
            return Score(N - int(firsts[0]), float(losses.sum()))

        for blocks in batches:
            yield [*map(score, blocks)]


def _read(
    model: Model,
    ids: Ids,
    starts: Indices,
    firsts: Indices,
    size: int,
    threads: Threads,
    workspaces: Sequence[Workspace],
) -> Array:
    """The losses in nats of the windows that begin at some places; the threads share them, many side by side."""
    n_threads = len(workspaces)
    n = max(1, min(MAX_ROWS, -(-len(starts) // n_threads)))
    groups = [(starts[k : k + n], firsts[k : k + n]) for k in range(0, len(starts), n)]
    return np.concatenate(threads.map(partial(_read_groups, model, ids, size), deal(groups, n_threads), workspaces))


def _read_groups(
    model: Model, ids: Ids, size: int, groups: Sequence[tuple[Indices, Indices]], workspace: Workspace
) -> Array:
    """The losses of the windows in some groups."""
    return np.concatenate([_losses(model, ids, starts, firsts, size, workspace) for starts, firsts in groups])


def _losses(model: Model, ids: Ids, starts: Indices, firsts: Indices, size: int, workspace: Workspace) -> Array:
    """The losses in nats of the windows [B] of `size` ids that begin at `starts` [B], none of which is 0.

    What is before `firsts` [B] or past the end of the ids does not count.
    """
    total, text_state = np.zeros(len(starts)), model.zero_text_state(len(starts))
    T, longest = -(-CHARS_PER_CALL // len(starts)), min(size, len(ids) - int(starts.min()))
    for t in range(0, longest, T):
        places = starts + np.arange(t, min(t + T, longest))[:, None]
        inputs, targets = (ids.take(places - before, mode="clip") for before in (1, 0))
        nats, text_state = checked_nll(model, inputs, targets, text_state, workspace)
        counted = (places >= firsts) & (places < len(ids))
        total += np.where(counted, nats, 0).sum(axis=0, dtype=np.float64)
    return total
